"""What must be nowhere: keys, passphrases and data, in anything that is said, logged or shared; open files at home."""

import base64
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from forgery import plaintext_of
from integration.participants import Process
from scene import AGGREGATOR, DO1, DO2, OWNERS, VALUES, Scene, drop, envelope, new_id

from syft_flwr_cli.protocol.body import decode_body
from syft_flwr_cli.security.identity import Identity, load
from syft_flwr_cli.security.key_file import parse_key_file
from syft_flwr_cli.storage.paths import participant_dir

EVERYBODY = (AGGREGATOR, *OWNERS)
PASSPHRASE = "seven horses on a staple"


def spellings(secret: bytes) -> Iterator[bytes]:
    """A secret as it might stand in a text: raw, in hexadecimal, in base64 at any offset, as Python shows it."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield repr(secret)[2:-1].encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # Without the characters at the ends, which depend on what stands beside it.
            yield encode(bytes(offset) + secret)[4 if offset else 0 :][:-4].rstrip(b"=")


@dataclass
class Looked:
    """What a run with ``--debug`` and the loosest umask left behind, and what was secret in it."""

    scene: Scene
    processes: dict[str, Process]
    secrets: dict[str, list[bytes]] = field(default_factory=dict)
    during: list[str] = field(default_factory=list)


class Loose(Scene):
    """A scene whose processes inherit an umask that lets everybody do everything."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        for email in EVERYBODY:
            self.home(email).mkdir(parents=True, mode=0o700)

    def start(self, words: Sequence[str], *rest: Any, **variables: str) -> Process:
        return super().start(["/bin/sh", "-c", 'umask 0; exec "$@"', "sh", *words], *rest, **variables)


def open_to_others(home: Path) -> list[str]:
    """What group or others may touch below a home, by path and mode."""
    return [
        f"{path.relative_to(home)} {path.lstat().st_mode:o}"
        for path in [home, *home.rglob("*")]
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


def identity_of(scene: Scene, email: str) -> Identity:
    """The keys of a participant, protected or not."""
    return load(participant_dir(scene.home(email), email), email, PASSPHRASE.encode)


def private_keys(scene: Scene, email: str) -> bytes:
    """The secret bytes of a participant."""
    file = parse_key_file((participant_dir(scene.home(email), email) / "identity.json").read_bytes())
    return file.secrets(PASSPHRASE.encode() if file.protected else None)


def payload_keys(scene: Scene) -> list[bytes]:
    """The keys of all payloads that the messages in the shared folder refer to."""
    found = []
    for owner, suffix in ((AGGREGATOR, "request"), (DO1, "response"), (DO2, "response")):
        for path in scene.messages(owner, suffix):
            message = envelope(path)
            body = decode_body(plaintext_of(message, identity_of(scene, message.header.recipient)))
            found += [ref.key for ref in body.payloads]
    return found


def watched_run(scene: Scene) -> Looked:
    """A run that everybody follows with ``--debug --verbose``, with a refusal, and with protected keys."""
    scene.own[DO1] = {"SYFT_FLWR_PASSPHRASE": PASSPHRASE}
    gate = scene.gate(DO2, "train 1")
    scene.run("keys", "show", "--email", DO1, email=DO1)
    scene.run("keys", "protect", "--email", DO1, "--passphrase-file", str(passphrase_file(scene)), email=DO1)
    clients = scene.start_clients("--debug", "--verbose")
    server = scene.serve("--debug", "--verbose", "--json")
    gate.reached()
    request = scene.only(scene.requests_to(DO1), ".request")
    drop(request.with_name(f"{new_id()}.request"), request.read_bytes())
    clients[0].wait_for("(replayed)")
    looked = Looked(scene, dict(zip(EVERYBODY, (server, *clients), strict=True)))
    looked.during = [
        f"{email}: {line}"
        for email in EVERYBODY
        for line in open_to_others(scene.home(email))
        if not ("/store/" in line or "/sent/" in line) or not line.partition(" ")[0].endswith(".payload")
    ]
    gate.open()
    server.wait(0)
    for client in clients:
        client.wait(0)
    for email in EVERYBODY:
        secret = private_keys(scene, email)
        looked.secrets[f"the keys of {email}"] = [secret[at : at + 32] for at in range(0, len(secret), 32)]
    looked.secrets["the keys of payloads"] = payload_keys(scene)
    return looked


def passphrase_file(scene: Scene) -> Path:
    path = scene.place / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path


def said(looked: Looked) -> dict[str, bytes]:
    """Everything that was said or logged, by where."""
    texts = {f"{email} said": (p.out + p.err).encode() for email, p in looked.processes.items()}
    for email in EVERYBODY:
        home = looked.scene.home(email)
        for path in [
            *home.rglob("logs/*"),
            *home.rglob("audit.jsonl"),
            *home.rglob("lock"),
            *home.rglob("*.toml"),
        ]:
            if path.is_file():
                texts[f"{email}: {path.relative_to(home)}"] = path.read_bytes()
    return texts


def shared(looked: Looked) -> dict[str, bytes]:
    """Every file in the shared folder."""
    root = looked.scene.root
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def there_was_something_to_find(looked: Looked) -> None:
    """So that what is looked for can be found where it is, and nothing passes because nothing was looked at."""
    texts = said(looked)
    assert sum(name.endswith("audit.jsonl") for name in texts) == 3
    assert sum(name.endswith("logs/app.log") for name in texts) >= 2
    assert all(len(text) > 500 for name, text in texts.items() if name.endswith("said"))
    assert len(looked.secrets["the keys of payloads"]) >= 8
    assert len(shared(looked)) > 20
    at_home = (participant_dir(looked.scene.home(DO2), DO2) / "identity.json").read_bytes()
    mine, others = looked.secrets[f"the keys of {DO2}"], looked.secrets[f"the keys of {DO1}"]
    assert any(spelling in at_home for spelling in spellings(mine[0]))
    assert not any(spelling in at_home for key in others for spelling in spellings(key))


def keys_in(looked: Looked, texts: dict[str, bytes]) -> list[str]:
    return [
        f"{what} in {name}"
        for name, text in texts.items()
        for what, secrets in looked.secrets.items()
        for secret in secrets
        for spelling in spellings(secret)
        if spelling in text
    ]


def data_in(texts: dict[str, bytes]) -> list[str]:
    needles = [PASSPHRASE.encode()]
    for value in VALUES.values():
        needles += [repr(value).encode(), struct.pack("<d", value), struct.pack(">d", value)]
    return [name for name, text in texts.items() if any(needle in text for needle in needles)]


def test_no_key_no_passphrase_and_no_data_are_anywhere_and_nothing_at_home_is_open(
    tmp_path_factory: pytest.TempPathFactory, subtests: pytest.Subtests
) -> None:
    scene = Loose(tmp_path_factory.mktemp("scene"))
    try:
        looked = watched_run(scene)
    finally:
        scene.close()
    with subtests.test("it was a good run, and there was something to find"):
        scene.came_out_undisturbed()
        assert json.loads(looked.processes[AGGREGATOR].out)["status"] == "ok"
        there_was_something_to_find(looked)
    with subtests.test("no key is said or logged"):
        assert keys_in(looked, said(looked)) == []
    with subtests.test("no key is shared"):
        assert keys_in(looked, shared(looked)) == []
    with subtests.test("no data and no passphrase is said or logged"):
        assert data_in(said(looked)) == []
    with subtests.test("no data and no passphrase is shared"):
        assert data_in(shared(looked)) == []
    for email in EVERYBODY:
        with subtests.test(f"nothing at the home of {email} is open to others after a run"):
            assert len(list(scene.home(email).rglob("*"))) > 10
            assert open_to_others(scene.home(email)) == []
    with subtests.test("nor during one, but for sealed files that are those of the shared folder"):
        assert looked.during == []
