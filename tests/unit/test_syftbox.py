"""What the SyftBox transport adds to the folder: configuration, rules, the daemon's habits and refusals."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from doubles.syftbox_daemon import SyftBoxDaemon
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from syft_flwr_cli.errors import NotThereError, TransportError, UsageError
from syft_flwr_cli.transports.base import Buffer, BytesContent
from syft_flwr_cli.transports.syftbox.config import read_config
from syft_flwr_cli.transports.syftbox.rules import rules
from syft_flwr_cli.transports.syftbox.transport import SyftBoxTransport

ALICE, BOB, CAROL = "alice@a.example", "bob@b.example", "carol@c.example"
TO_BOB = "syft_outbox_inbox_alice@a.example_to_bob@b.example"
TO_ALL = "syft_outbox_inbox_alice@a.example_to_all"
REQUEST = f"{TO_BOB}/app/rpc/messages/one.request"
HELLO = BytesContent(b"hello")
LOOKS = 1000
"""How often we look for something that is about to happen, each time waiting a little."""

Opened = Callable[..., SyftBoxTransport]


def config(place: Path, email: str = ALICE, data_dir: Path | None = None) -> Path:
    data_dir = data_dir or place / f"data of {email}"
    data_dir.mkdir(exist_ok=True)
    file = place / f"{email}.json"
    file.write_text(json.dumps({"email": email, "data_dir": str(data_dir), "client_url": "http://x"}))
    return file


def space(place: Path, owner: str = ALICE, of: str = ALICE) -> Path:
    return place / f"data of {of}" / "datasites" / owner / "app_data" / "flwr"


def access(place: Path, folder: str) -> dict[str, list[str]]:
    document = yaml.safe_load((space(place) / folder / "syft.pub.yaml").read_text())
    assert document["terminal"] is True
    (rule,) = document["rules"]
    assert rule["pattern"] == "**"
    return dict(rule["access"])


def readers_only(*readers: str) -> dict[str, list[str]]:
    return {"admin": [], "read": sorted(readers), "write": []}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens transports of participants who each have a SyftBox of their own."""
    made: list[SyftBoxTransport] = []

    def view(email: str = ALICE) -> SyftBoxTransport:
        made.append(SyftBoxTransport(config(tmp_path, email), None, 0.01))
        return made[-1]

    yield view
    for transport in made:
        transport.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[SyftBoxDaemon]:
    """The daemons of Alice, Bob and Carol; they scan when they are told to."""
    running = SyftBoxDaemon({email: tmp_path / f"data of {email}" for email in (ALICE, BOB, CAROL)})
    yield running
    running.close()


# -- configuration


def test_a_missing_syftbox_is_named_with_both_ways_out(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="There is no SyftBox here") as raised:
        SyftBoxTransport(tmp_path / "config.json", None)
    assert "Install and start SyftBox" in raised.value.hint
    assert "--root" in raised.value.hint
    assert raised.value.exit_code == 13


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"email": "alice@a.example"}', '{"data_dir": "/x"}', "\xff"]
    + [json.dumps({"email": email, "data_dir": "/x"}) for email in ("", "../x", 7, None)]
    + [json.dumps({"email": ALICE, "data_dir": place}) for place in (7, None, ["x"])],
)
def test_a_configuration_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(TransportError, match=r"config\.json does not say"):
        read_config(tmp_path / "config.json")


def test_the_email_is_the_one_that_syftbox_is_logged_in_as(tmp_path: Path, opened: Opened) -> None:
    assert opened().email == ALICE
    with pytest.raises(UsageError, match=f"logged in as {ALICE}, not as {BOB}"):
        SyftBoxTransport(config(tmp_path), BOB)
    SyftBoxTransport(config(tmp_path), ALICE.upper()).close()


def test_a_data_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"email": ALICE, "data_dir": str(tmp_path / "gone")}))
    with pytest.raises(TransportError, match="gone is not there"):
        SyftBoxTransport(tmp_path / "config.json", None)


def test_data_dir_may_be_relative_to_the_home_or_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    place = tmp_path / "config.json"
    place.write_text(json.dumps({"email": ALICE, "data_dir": "~/SyftBox"}))
    assert read_config(place).data_dir == tmp_path / "SyftBox"
    place.write_text(json.dumps({"email": ALICE, "data_dir": "here"}))
    assert read_config(place).data_dir == tmp_path / "here"
    (tmp_path / ".syftbox").mkdir()
    place.rename(tmp_path / ".syftbox" / "config.json")
    assert read_config(None).email == ALICE


# -- layout and rules


def test_files_lie_in_the_datasite_of_their_owner(tmp_path: Path, opened: Opened) -> None:
    opened().publish(REQUEST, HELLO, [BOB])
    assert (space(tmp_path) / REQUEST).read_bytes() == b"hello"


def test_rules_are_what_syftbox_reads(tmp_path: Path) -> None:
    document = yaml.safe_load(rules([BOB, ALICE, BOB.upper()]))
    assert document == {
        "terminal": True,
        "rules": [{"pattern": "**", "access": {"admin": [], "read": [ALICE, BOB], "write": []}}],
    }
    assert yaml.safe_load(rules([]))["rules"][0]["access"]["read"] == []


def test_an_outbox_is_readable_by_exactly_its_recipient(tmp_path: Path, opened: Opened) -> None:
    opened().publish(REQUEST, HELLO, [BOB])
    assert access(tmp_path, TO_BOB) == readers_only(BOB)


def test_the_rules_are_there_before_the_first_file(tmp_path: Path, opened: Opened) -> None:
    looked: list[dict[str, list[str]]] = []

    class Content:
        size = 5

        def chunks(self) -> Iterator[Buffer]:
            looked.append(access(tmp_path, TO_BOB))
            yield b"hello"

    opened().publish(REQUEST, Content(), [BOB])
    assert looked == [readers_only(BOB)]


def test_rules_are_written_only_when_they_change(tmp_path: Path, opened: Opened) -> None:
    opened().publish(REQUEST, HELLO, [BOB])
    before = (space(tmp_path) / TO_BOB / "syft.pub.yaml").stat()
    opened().publish(REQUEST, HELLO, [BOB])
    after = (space(tmp_path) / TO_BOB / "syft.pub.yaml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_rules_that_somebody_changed_are_put_right_at_the_next_start(tmp_path: Path, opened: Opened) -> None:
    opened().publish(REQUEST, HELLO, [BOB])
    (space(tmp_path) / TO_BOB / "syft.pub.yaml").write_text('rules: [{pattern: "**", access: {read: ["*"]}}]')
    opened().publish(REQUEST, HELLO, [BOB])
    assert access(tmp_path, TO_BOB) == readers_only(BOB)


def test_shared_payloads_have_a_circle_of_readers_for_each_app(tmp_path: Path, opened: Opened) -> None:
    alice = opened()
    alice.publish(f"{TO_ALL}/one/payloads/p.payload", HELLO, [BOB])
    alice.publish(f"{TO_ALL}/two/payloads/p.payload", HELLO, [BOB, CAROL])
    assert access(tmp_path, f"{TO_ALL}/one") == readers_only(BOB)
    assert access(tmp_path, f"{TO_ALL}/two") == readers_only(BOB, CAROL)
    # A terminal file above would silence both.
    assert not (space(tmp_path) / TO_ALL / "syft.pub.yaml").exists()


def test_the_readers_of_the_next_app_do_not_lock_out_those_of_the_one_before(
    tmp_path: Path, opened: Opened
) -> None:
    opened().publish("syft_flwr_identity/identity.json", HELLO, [BOB])
    opened().publish("syft_flwr_identity/identity.json", HELLO, [CAROL])
    assert access(tmp_path, "syft_flwr_identity") == readers_only(BOB, CAROL)


def test_rules_are_neither_listed_nor_told_of(tmp_path: Path, opened: Opened) -> None:
    alice = opened()
    alice.publish("syft_flwr_identity/identity.json", HELLO, [BOB])
    assert [path for path, _ in alice.list_own()] == ["syft_flwr_identity/identity.json"]
    names = [entry.name for entry in alice.watch(ALICE, "syft_flwr_identity").new()]
    assert names == ["identity.json"]


# -- the daemon


def test_a_request_is_uploaded_at_once_and_reaches_its_recipient_alone(
    tmp_path: Path, opened: Opened, daemon: SyftBoxDaemon
) -> None:
    alice, bob, carol = opened(ALICE), opened(BOB), opened(CAROL)
    alice.publish(f"{TO_BOB}/app/rpc/messages/zero.request", HELLO, [BOB])
    daemon.full_scan()  # brings the rules; from here on only writes that are seen bring anything
    watch = bob.watch(ALICE, f"{TO_BOB}/app/rpc/messages")
    alice.publish(REQUEST, HELLO, [BOB])
    heard: set[str] = set()
    for _ in range(LOOKS):
        token = bob.token()
        heard |= {entry.name for entry in watch.new()}
        if "one.request" in heard:
            break
        bob.wait(token, 1.0)
    assert "one.request" in heard
    assert bob.open(ALICE, REQUEST).read() == b"hello"
    with pytest.raises(NotThereError):
        carol.open(ALICE, REQUEST)


def test_the_write_that_wakes_the_daemon_changes_nothing(
    tmp_path: Path, opened: Opened, daemon: SyftBoxDaemon
) -> None:
    data = bytes(range(256)) * 4000
    opened(ALICE).publish(REQUEST, BytesContent(data), [BOB])
    assert (space(tmp_path) / REQUEST).read_bytes() == data


def test_a_rename_alone_does_not_wake_the_stand_in_either(
    tmp_path: Path, opened: Opened, daemon: SyftBoxDaemon
) -> None:
    alice = opened(ALICE)
    alice.publish(REQUEST, HELLO, [BOB])
    daemon.full_scan()
    beside = (space(tmp_path) / REQUEST).with_name("renamed.request")
    beside.with_suffix(".tmp").write_bytes(b"hello")
    beside.with_suffix(".tmp").rename(beside)
    alice.publish(REQUEST.replace("one", "two"), HELLO, [BOB])
    there = space(tmp_path, ALICE, of=BOB) / TO_BOB / "app" / "rpc" / "messages"
    bob = opened(BOB)
    for _ in range(LOOKS):
        if (there / "two.request").exists():
            break
        bob.wait(bob.token(), 0.05)
    assert (there / "two.request").exists()
    assert not (there / "renamed.request").exists()
    daemon.full_scan()
    assert (there / "renamed.request").exists()


# -- what was refused


MARKERS_OF_REFUSAL = (
    "one.request.rejected.20241212153045",
    "one.rejected.20241212153045.request",
    "one.request.syftrejected",
)
MARKERS_OF_CONFLICT = (
    "one.conflict.request",
    "one.conflict.20241212153045.request",
    "one.request.syftconflict",
)


@pytest.mark.parametrize("marker", MARKERS_OF_REFUSAL)
def test_a_refusal_becomes_an_error_once_and_stays_a_problem(
    tmp_path: Path, opened: Opened, marker: str
) -> None:
    alice = opened()
    alice.publish(REQUEST, HELLO, [BOB])
    assert alice.problems() == []
    (space(tmp_path) / REQUEST).rename((space(tmp_path) / REQUEST).with_name(marker))
    with pytest.raises(TransportError, match="SyftBox refused") as raised:
        for _ in range(LOOKS):
            alice.wait(alice.token(), 0.02)
    assert "one.request" in raised.value.what
    assert marker in raised.value.what
    assert str(space(tmp_path)) in raised.value.hint
    alice.publish(REQUEST, HELLO, [BOB])
    alice.wait(alice.token(), 0.02)
    (problem,) = alice.problems()
    assert "SyftBox refused" in problem
    assert [path for path, _ in alice.list_own()] == [REQUEST]


def test_several_refusals_are_told_in_one_sentence(tmp_path: Path, opened: Opened) -> None:
    alice = opened()
    for name in ("one", "two", "three"):
        alice.publish(REQUEST.replace("one", name), HELLO, [BOB])
    folder = (space(tmp_path) / REQUEST).parent
    for file in folder.iterdir():
        file.rename(f"{file}.rejected.20241212153045")
    with pytest.raises(TransportError, match="and 2 more"):
        for _ in range(LOOKS):
            alice.wait(alice.token(), 0.02)


# -- false conflicts


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("marker", MARKERS_OF_CONFLICT)
def test_what_was_set_aside_is_put_back_at_once_and_pushed_again(
    tmp_path: Path, opened: Opened, marker: str
) -> None:
    alice = opened()
    alice.publish(REQUEST, HELLO, [BOB])
    file = space(tmp_path) / REQUEST
    seen = threading.Event()
    writes = FolderWrites(file.name, seen)
    observer = Observer()
    observer.schedule(writes, str(file.parent))
    observer.start()
    try:
        file.rename(file.with_name(marker))
        assert seen.wait(30), "put back, and written to, with nobody waiting for anything"
    finally:
        observer.stop()
        observer.join()
    assert files_in(file.parent) == {"one.request": b"hello"}
    alice.wait(alice.token(), 0.02)
    assert alice.problems() == []


class FolderWrites(FileSystemEventHandler):
    def __init__(self, name: str, seen: threading.Event) -> None:
        self._name, self._seen = name, seen

    def on_modified(self, event: FileSystemEvent) -> None:
        if Path(os.fsdecode(event.src_path)).name == self._name:
            self._seen.set()


@pytest.mark.parametrize("marker", MARKERS_OF_CONFLICT)
def test_a_marker_of_the_same_content_is_no_news(tmp_path: Path, opened: Opened, marker: str) -> None:
    alice = opened()
    alice.publish(REQUEST, HELLO, [BOB])
    file = space(tmp_path) / REQUEST
    file.with_name(marker).write_bytes(b"hello")
    for _ in range(20):
        alice.wait(alice.token(), 0.02)
    assert files_in(file.parent) == {"one.request": b"hello"}


def test_a_marker_of_what_we_wrote_before_is_no_news(tmp_path: Path, opened: Opened) -> None:
    alice = opened()
    alice.publish(REQUEST, BytesContent(b"sealed the first time"), [BOB])
    alice.publish(REQUEST, HELLO, [BOB])
    file = space(tmp_path) / REQUEST
    file.with_name("one.conflict.request").write_bytes(b"sealed the first time")
    for _ in range(20):
        alice.wait(alice.token(), 0.02)
    assert files_in(file.parent) == {"one.request": b"hello"}


def test_a_marker_of_what_we_removed_is_removed(tmp_path: Path, opened: Opened) -> None:
    alice = opened()
    alice.publish(REQUEST, HELLO, [BOB])
    file = space(tmp_path) / REQUEST
    alice.remove(REQUEST)
    file.with_name("one.conflict.request").write_bytes(b"hello")
    assert alice.problems() == []
    assert files_in(file.parent) == {}


def test_a_real_conflict_is_told_once_in_a_true_sentence(tmp_path: Path, opened: Opened) -> None:
    alice = opened()
    alice.publish(REQUEST, HELLO, [BOB])
    file = space(tmp_path) / REQUEST
    file.write_bytes(b"of another machine")
    file.with_name("one.conflict.request").write_bytes(b"of a third")
    with pytest.raises(TransportError, match=r"another version of .*one\.request than we wrote"):
        for _ in range(LOOKS):
            alice.wait(alice.token(), 0.02)
    for _ in range(20):
        alice.wait(alice.token(), 0.02)
    assert len(alice.problems()) == 1


def test_markers_of_an_earlier_process_are_settled_at_the_start(tmp_path: Path, opened: Opened) -> None:
    opened().publish(REQUEST, HELLO, [BOB])
    file = space(tmp_path) / REQUEST
    file.rename(file.with_name("one.conflict.request"))
    opened()
    assert files_in(file.parent) == {"one.request": b"hello"}


# -- what is pushed


def test_nothing_is_pushed_that_the_daemon_would_lose(tmp_path: Path, opened: Opened) -> None:
    writes: set[str] = set()

    class Writes(FileSystemEventHandler):
        def on_modified(self, event: FileSystemEvent) -> None:
            writes.add(Path(os.fsdecode(event.src_path)).name)

    alice = opened()
    alice.prepare(REQUEST, [BOB])
    folder = (space(tmp_path) / REQUEST).parent
    folder.mkdir(parents=True)
    observer = Observer()
    observer.schedule(Writes(), str(folder))
    observer.start()
    try:
        for size in (2_000_000, 2_000_001, 3_200_000, 4_100_000, 22_000):
            alice.publish(REQUEST.replace("one", str(size)), BytesContent(bytes(size)), [BOB])
        deadline = time.monotonic() + 30
        while "22000.request" not in writes and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        observer.stop()
        observer.join()
    pushed = {name for name in writes if name.endswith(".request") and not name.startswith(".")}
    assert pushed == {"2000000.request", "22000.request"}


def test_the_rules_of_an_outbox_can_be_there_before_anything_is_sent(tmp_path: Path, opened: Opened) -> None:
    opened().prepare(REQUEST, [BOB])
    assert access(tmp_path, TO_BOB) == readers_only(BOB)
    opened().prepare(f"{TO_ALL}/one/payloads/any", [BOB, CAROL])
    assert access(tmp_path, f"{TO_ALL}/one") == readers_only(BOB, CAROL)
    assert opened().list_own() == []


def test_refusals_of_old_do_not_stop_a_new_run(tmp_path: Path, opened: Opened) -> None:
    opened().publish(REQUEST, HELLO, [BOB])
    (space(tmp_path) / REQUEST).rename(f"{space(tmp_path) / REQUEST}.rejected.20241212153045")
    later = opened()
    for _ in range(3):
        later.publish(REQUEST, HELLO, [BOB])
        later.wait(later.token(), 0.02)
    assert len(later.problems()) == 1
