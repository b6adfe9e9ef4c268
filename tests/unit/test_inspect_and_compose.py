"""A message by hand and a message in words: what is composed is what is shown, and hostile files do no harm."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.cli.main import run
from syft_flwr_cli.errors import EXIT_TRUST, EXIT_USAGE
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.settings import remember, resolve
from syft_flwr_cli.security.envelope import read_envelope
from syft_flwr_cli.session.session import open_session

DS, DO = "ds@lab.example", "do1@a.example"
PYPROJECT = f"""
[project]
name = "study"
version = "1.0.0"

[tool.flwr.app.components]
serverapp = "study.server_app:app"
clientapp = "study.client_app:app"

[tool.syft_flwr]
app_name = "{DS}_study_1"
aggregator = "{DS}"
datasites = ["{DO}", "do2@b.example"]
transport = "local"
"""
RECORDS = [
    {
        "name": "arrays",
        "kind": "arrays",
        "items": [
            {"name": "w", "dtype": "float32", "shape": [2, 2], "values": [3.0, 4.0, 0.0, {"float": "nan"}]},
            {"name": "b", "dtype": "float64", "shape": [200], "values": [0.5] * 200},
        ],
    },
    {"name": "numbers", "kind": "metrics", "items": [{"name": "num-examples", "value": 7}]},
    {
        "name": "config",
        "kind": "config",
        "items": [
            {"name": "server-round", "value": 3},
            {"name": "seed", "value": {"base64": "AAH/"}},
            {"name": "names", "value": ["a", "b"]},
        ],
    },
]


class Scene:
    """A project, a home and a shared folder for an aggregator and a data owner."""

    capsys: pytest.CaptureFixture[str]

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root, self.home, self.project = place / "shared", place / "home", place / "study"
        self.root.mkdir()
        self.project.mkdir()
        (self.project / "pyproject.toml").write_text(PYPROJECT)
        for email in (DO, DS, DO):  # each has published its key, and knows the other's
            settings = resolve(load_project(self.project), home=self.home, email=email, root=self.root)
            session = open_session(settings, self.home)
            for peer in {DS, DO} - {email}:
                session.channel.keys.of(peer)
            session.close()
            remember(self.home, settings.app_name, email=email, root=self.root)

    def type(self, *words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            run(list(words))
        said = self.capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    def document(self, *words: str, status: str = "ok") -> Any:
        _, out, err = self.type(*words, "--json")
        found = json.loads(out)
        assert found["status"] == status, err
        return found["data"]

    def compose(self, description: Any, *words: str, email: str = DS) -> Any:
        file = self.place / "message.json"
        file.write_text(json.dumps(description))
        return self.document(
            "compose", str(file), str(self.project), "--root", str(self.root), "--email", email, *words
        )

    def file(self, made: Any, owner: str = DS) -> Path:
        return self.root / owner / str(made["path"])


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("federation"))


@pytest.fixture
def scene(
    federation: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Scene:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(federation.home))
    monkeypatch.delenv("SYFTBOX_EMAIL", raising=False)
    federation.capsys, federation.place = capsys, tmp_path
    return federation


def request(**body: Any) -> dict[str, Any]:
    return {"header": {"recipient": DO}, "body": {"type": "train", "group": "3", "records": RECORDS, **body}}


def test_what_is_composed_is_what_is_inspected_and_composed_again(scene: Scene) -> None:
    made = scene.compose(request(round=3, run_config={"lr": 0.5}))
    shown = scene.document("inspect", str(scene.file(made)), "--values")
    assert shown["signature"]["verdict"] == "valid"
    assert shown["sealed"] is True
    assert (shown["header"]["sender"], shown["header"]["recipient"]) == (DS, DO)
    assert (shown["body"]["type"], shown["body"]["round"], shown["body"]["run_config"]) == (
        "train",
        3,
        {"lr": 0.5},
    )
    told = shown["body"]["records"]
    assert [
        {
            **record,
            "items": [
                {key: item[key] for key in item if key in first}
                for item, first in zip(record["items"], described["items"], strict=True)
            ],
        }
        for record, described in zip(told, RECORDS, strict=True)
    ] == RECORDS
    again = scene.compose({**shown, "header": {**shown["header"], "id": None}})
    twice = scene.document("inspect", again["id"], "--values")
    assert twice["body"] == shown["body"]
    assert twice["header"]["run"] == shown["header"]["run"]
    assert twice["header"]["id"] != shown["header"]["id"]


def test_values_are_shown_only_where_they_are_asked_for(scene: Scene) -> None:
    made = scene.compose(request())
    shown = scene.document("inspect", made["id"])
    text = json.dumps(shown["body"]["records"])
    assert "value" not in text
    first = shown["body"]["records"][0]["items"][1]
    assert (first["dtype"], first["shape"], first["norm"]) == ("float64", [200], pytest.approx(50**0.5))
    code, out, _ = scene.type("inspect", str(scene.file(made)))
    assert code == 0
    assert (
        "do1@a.example" in out
        and "float64[200]" in out
        and "7" not in out.split("num-examples")[1].split("\n")[0]
    )


def test_a_response_answers_the_request_whose_file_is_named(scene: Scene) -> None:
    made = scene.compose(request())
    asked = scene.file(made)
    answer = scene.compose({"body": {"type": "train", "records": RECORDS}}, "--answers", str(asked), email=DO)
    assert answer["id"] == made["id"]
    shown = scene.document("inspect", str(scene.file(answer, DO)))
    assert shown["header"]["answers"] == read_envelope(asked.read_bytes()).digest
    assert (shown["header"]["kind"], shown["header"]["run"]) == ("response", made["run"])
    refused = scene.compose(
        {"body": {"type": "train", "error": {"code": 1, "reason": "no"}}}, "--answers", str(asked), email=DO
    )
    shown = scene.document("inspect", str(scene.file(refused, DO)))
    assert shown["body"]["error"] == {"code": 1, "reason": "no"}


def test_what_is_composed_stands_in_the_audit_log_with_its_signed_line(scene: Scene) -> None:
    made = scene.compose({"header": {"recipient": DO}, "body": {"stop": "enough"}})
    entries = scene.document("audit", "show", "--email", DS)["entries"]
    (sent,) = [entry for entry in entries if entry["event"] == "sent" and entry["message"] == made["id"]]
    assert sent["by"] == "compose"
    assert json.loads(sent["header"])["recipient"] == DO
    assert scene.document("inspect", str(scene.file(made)))["body"]["stop"] == "enough"


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ({"header": {"recipient": "eve@x.example"}}, "no other participant"),
        ({"header": {}}, "does not say for whom"),
        ({"header": {"recipient": DO, "sender": DO}}, "sender"),
        ({"header": {"recipient": DO, "run": "-1"}}, "no id of a run"),
        ({"header": {"recipient": DO, "id": "x"}}, "no message id"),
        ({"header": {"recipient": DO}, "boddy": {}}, "boddy"),
        ({"header": {"recipient": DO}, "body": {"payloads": [{}]}}, "payloads"),
        (
            {"header": {"recipient": DO}, "body": {"records": [{"name": "a", "kind": "magic", "items": []}]}},
            "magic",
        ),
        (
            {
                "header": {"recipient": DO},
                "body": {
                    "records": [
                        {
                            "name": "a",
                            "kind": "arrays",
                            "items": [{"name": "w", "dtype": "float32", "shape": [3], "values": [1.0]}],
                        }
                    ]
                },
            },
            "records[0].items[0]",
        ),
        (
            {
                "header": {"recipient": DO},
                "body": {
                    "records": [
                        {
                            "name": "a",
                            "kind": "arrays",
                            "items": [{"name": "w", "dtype": "object", "shape": [1], "values": [1.0]}],
                        }
                    ]
                },
            },
            "cannot be written by hand",
        ),
        ({"header": {"recipient": DO, "kind": "response"}}, "--answers"),
    ],
)
def test_a_description_that_cannot_be_sent_is_refused_with_a_sentence(
    scene: Scene, description: Any, said: str
) -> None:
    file, before = scene.place / "message.json", set(scene.root.rglob("*.request"))
    file.write_text(json.dumps(description))
    words = ("compose", str(file), str(scene.project), "--root", str(scene.root), "--email", DS)
    code, _, err = scene.type(*words)
    assert code == EXIT_USAGE
    assert said in err and "hint: " in err and "Traceback" not in err
    assert set(scene.root.rglob("*.request")) == before


def test_an_altered_message_is_said_to_be_so_and_is_not_opened(scene: Scene) -> None:
    file = scene.file(scene.compose(request()))
    data = bytearray(file.read_bytes())
    data[-70] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    shown = scene.type("inspect", str(file), "--json")
    assert shown[0] == EXIT_TRUST
    document = json.loads(shown[1])
    assert (document["status"], document["data"]["signature"]["verdict"]) == ("invalid", "invalid")
    assert document["data"]["body"] is None
    assert "Traceback" not in shown[2]


def test_without_keys_the_header_is_told_and_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = scene.file(scene.compose(request()))
    monkeypatch.setenv("SYFT_FLWR_HOME", str(scene.place / "stranger"))
    shown = scene.document("inspect", str(file))
    assert shown["signature"]["verdict"] == "unknown-key"
    assert shown["body"] is None and shown["closed"]
    assert shown["header"]["sender"] == DS


HOSTILE = {
    "empty": b"",
    "no end of line": b"{" * 5000,
    "not JSON": b"\x1b]0;title\x07\n" + bytes(80),
    "a JSON list": b"[]\n" + bytes(64),
    "nested without end": b"[" * 3000 + b"\n" + bytes(64),
    "a huge body announced": b'{"format":"syft-flwr","version":1,"kind":"request","size":99999999999}\n'
    + bytes(64),
    "a later version": b'{"format":"syft-flwr","version":99}\n' + bytes(64),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_no_message_is_an_error_with_a_remedy(scene: Scene, what: str) -> None:
    file = scene.place / "x.request"
    file.write_bytes(HOSTILE[what])
    code, out, err = scene.type("inspect", str(file), "--json")
    assert code == EXIT_TRUST
    assert json.loads(out)["status"] == "error"
    assert "hint: " in err and "Traceback" not in err
    assert "\x1b" not in err + out


def test_names_that_would_steer_a_terminal_are_spelled_out_and_cut(scene: Scene) -> None:
    evil = "\x1b[2J<b>" + "n" * 5000
    records = [{"name": evil, "kind": "metrics", "items": [{"name": evil, "value": 1.0}]}]
    many = [{"name": "m", "kind": "metrics", "items": [{"name": f"k{i}", "value": i} for i in range(11_000)]}]
    made = scene.compose(request(records=records + many))
    code, out, _ = scene.type("inspect", str(scene.file(made)), "--values")
    assert code == 0
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) < 300
    assert len(out.splitlines()) < 150
    shown = scene.document("inspect", str(scene.file(made)))
    assert shown["body"]["more_items"] == 1001


@pytest.mark.parametrize("wanted", ["no/such/file", "0123456789ab", "..", "/dev/zero", "."])
def test_what_is_no_file_and_no_id_is_an_error_with_a_remedy(scene: Scene, wanted: str) -> None:
    code, _, err = scene.type("inspect", wanted)
    assert code == EXIT_USAGE
    assert err.startswith("error: ") and "hint: " in err


def test_a_pipe_with_the_name_of_a_message_does_not_hang(scene: Scene) -> None:
    pipe = scene.place / "x.request"
    os.mkfifo(pipe)
    code, _, err = scene.type("inspect", str(pipe))
    assert code == EXIT_USAGE and "no file" in err


def test_sealed_arrays_in_payload_files_are_looked_into_where_they_are_at_hand(scene: Scene) -> None:
    from syft_flwr_cli.delivery.payload_plan import Digests, plan_payloads
    from syft_flwr_cli.delivery.payloads import EVERYBODY, PayloadWriter
    from syft_flwr_cli.delivery.sealer import Sealer
    from syft_flwr_cli.flower.description import Stamp, pack_described
    from syft_flwr_cli.protocol import names
    from syft_flwr_cli.protocol.body import Body, encode_body
    from syft_flwr_cli.security.envelope import new_nonce
    from syft_flwr_cli.transports.base import BytesContent

    settings = resolve(load_project(scene.project), home=scene.home, email=DS, root=scene.root)
    session = open_session(settings, scene.home)
    channel = session.channel
    item = {"name": "w", "dtype": "float32", "shape": [300, 1000], "values": [2.0] * 300_000}
    records = [{"name": "m", "kind": "arrays", "items": [item]}]
    packed = pack_described(records, Stamp(7, 1, 5, channel.clock(), 60.0, "train", ""))
    layout = plan_payloads(packed.places, packed.blobs, 1000, Digests())
    writer = PayloadWriter(DS, channel.app, "7", EVERYBODY, (DO,), channel.journal, channel.payloads)
    refs = writer.ensure(layout.groups, layout.digests)
    body = Body(
        type="train",
        skeleton=packed.skeleton,
        inline=layout.inline,
        slots=tuple(layout.slots),
        payloads=tuple(refs),
        nonce=new_nonce(),
    )
    mid = names.message_id("7", DO, 0, bytes(32))
    peer = channel.keys.of(DO)
    assert peer is not None
    now = channel.clock()
    path = names.request_path(DS, DO, channel.app, mid)
    envelope = Sealer(channel).request(mid, "7", peer, encode_body(replace(body)), now, now + 60)
    channel.transport.publish(path, BytesContent(envelope), (DO,))
    session.close()
    shown = scene.document("inspect", str(scene.root / DS / path))
    (item,) = shown["body"]["records"][0]["items"]
    assert item["norm"] == pytest.approx(2.0 * 300_000**0.5)
    assert shown["body"]["payloads"][0]["size"] > 1_000_000
    assert "key" not in shown["body"]["payloads"][0]
    (payload,) = scene.root.glob(f"{DS}/**/{refs[0].id}.payload")
    payload.chmod(0o600)
    payload.write_bytes(payload.read_bytes()[:-1] + b"x")
    shown = scene.document("inspect", str(scene.root / DS / path))
    assert "altered" in shown["body"]["records"][0]["items"][0]["note"]
    payload.unlink()
    shown = scene.document("inspect", str(scene.root / DS / path))
    assert "not here" in shown["body"]["records"][0]["items"][0]["note"]
