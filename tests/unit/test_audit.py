"""An audit log is appended to by several, survives a crash, and says everything once."""

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from syft_flwr_cli.errors import AuditError, SyftFlwrError, UsageError
from syft_flwr_cli.messaging.audit import GENESIS, AuditLog, read_entries


class Signer:
    """An identity as far as the writing of a log needs it."""

    def __init__(self, seed: int = 1, previous: str | None = None) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.previous = previous
        self.seed = seed

    @property
    def public(self) -> "Signer":
        return self

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            self._key.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def to_bytes(self) -> bytes:
        return f'{{"seed":{self.seed}}}\n'.encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "participant" / "audit.jsonl"


@pytest.fixture
def log(path: Path) -> AuditLog:
    return AuditLog(path, Signer(), clock=lambda: 1.5)


def events(path: Path) -> list[str]:
    return [entry["event"] for entry in read_entries(path)]


def test_the_first_entry_says_whose_log_it_is(log: AuditLog) -> None:
    log.append([{"event": "sent", "peer": "bob@b.example"}])
    first, second = log.entries()
    assert (first["seq"], first["event"], first["identity"]) == (1, "opened", '{"seed":1}')
    assert (second["seq"], second["event"], second["peer"], second["time"]) == (
        2,
        "sent",
        "bob@b.example",
        1.5,
    )


def test_each_entry_names_the_one_before(log: AuditLog) -> None:
    log.append([{"event": "sent"}, {"event": "received"}])
    log.append([{"event": "executed"}])
    entries = list(log.entries())
    assert [entry["prev"] for entry in entries] == [GENESIS, *(entry["hash"] for entry in entries[:-1])]


def test_append_and_head_give_the_hash_of_the_last_entry(log: AuditLog) -> None:
    assert log.head() == GENESIS
    head = log.append([{"event": "sent"}])
    assert head == log.head() == list(log.entries())[-1]["hash"]


def test_asking_for_the_head_makes_no_file(log: AuditLog, path: Path) -> None:
    log.head()
    assert not path.exists()


def test_nothing_to_say_after_the_opening_writes_nothing(log: AuditLog, path: Path) -> None:
    head = log.append([])
    before = path.read_bytes()
    assert log.append([]) == head
    assert path.read_bytes() == before


def test_only_the_owner_can_read_the_log(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_an_entry_may_bring_its_own_time(log: AuditLog) -> None:
    log.append([{"event": "sent", "time": 99.25}])
    assert list(log.entries())[-1]["time"] == 99.25


def test_an_event_id_seen_before_is_skipped(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent", "eid": "a"}, {"event": "sent", "eid": "b"}])
    head = log.head()
    assert log.append([{"event": "sent", "eid": "b"}]) == head
    log.append([{"event": "sent", "eid": "a"}, {"event": "sent", "eid": "c"}, {"event": "sent", "eid": "c"}])
    assert [entry.get("eid") for entry in read_entries(path)] == [None, "a", "b", "c"]


def test_event_ids_are_remembered_by_the_next_process(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent", "eid": f"e{number}"} for number in range(1200)])
    again = AuditLog(path, Signer())
    again.append([{"event": "sent", "eid": "e1199"}, {"event": "sent", "eid": "e201"}])
    assert len(list(read_entries(path))) == 1201
    again.append([{"event": "sent", "eid": "e0"}])
    assert len(list(read_entries(path))) == 1202


def test_entries_without_an_event_id_are_never_taken_for_doubles(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}, {"event": "sent"}])
    log.append([{"event": "sent"}])
    assert events(path) == ["opened", "sent", "sent", "sent"]


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "invented"},
        {},
        {"event": "sent", "hash": "00"},
        {"event": "sent", "identity": "me"},
        {"event": "sent", "seq": 7},
        {"event": "sent", "Upper": "x"},
        {"event": "sent", "data": b"raw"},
        {"event": "sent", "data": {"nested": 1}},
        {"event": "sent", "data": "x" * 1001},
        {"event": "sent", "data": ["x", 1]},
        {"event": "sent", "loss": float("nan")},
        {"event": "sent", "time": "now"},
        {"event": "sent", "data": ["x" * 1000] * 100},
    ],
)
def test_what_is_not_metadata_is_refused_and_nothing_is_written(
    log: AuditLog, path: Path, fields: dict[str, object]
) -> None:
    head = log.append([])
    with pytest.raises(UsageError):
        log.append([{"event": "sent"}, fields])
    assert log.head() == head


def test_any_text_is_one_line_of_ascii(log: AuditLog, path: Path) -> None:
    text = 'Grüße\r\n\x1b[31m\u2028"\\ \ud800'
    log.append([{"event": "refused", "reason": text}])
    assert path.read_bytes().isascii() and path.read_bytes().count(b"\n") == 2
    assert list(log.entries())[-1]["reason"] == text


def test_a_torn_line_is_cut_and_the_cut_is_recorded(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    whole = path.read_bytes()
    log.append([{"event": "received", "note": "x" * 900}])
    torn = path.read_bytes()[len(whole) : -1]
    path.write_bytes(whole + torn)
    AuditLog(path, Signer()).append([{"event": "executed"}])
    assert events(path) == ["opened", "sent", "repaired", "executed"]
    repaired = list(read_entries(path))[2]
    assert repaired["cut_bytes"] == len(torn)
    assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize("left", [1, 30, 600])
def test_a_torn_line_is_recorded_however_long_it_is(log: AuditLog, path: Path, left: int) -> None:
    log.append([{"event": "sent", "note": "x" * 900}])
    whole = path.read_bytes()
    path.write_bytes(whole + b"Z" * left)
    log.append([])
    assert events(path) == ["opened", "sent", "repaired"]
    assert list(read_entries(path))[-1]["cut_bytes"] == left


def test_a_crash_in_the_first_append_leaves_a_log_that_goes_on(log: AuditLog, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"seq":1,"ti')
    log.append([{"event": "sent"}])
    assert events(path) == ["opened", "repaired", "sent"]


def test_a_torn_line_is_not_read(log: AuditLog, path: Path) -> None:
    head = log.append([{"event": "sent"}])
    with path.open("ab") as stream:
        stream.write(b'{"seq":3,')
    assert events(path) == ["opened", "sent"]
    assert AuditLog(path, Signer()).head() == head


def test_a_full_disk_leaves_the_log_as_it_was(
    log: AuditLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([{"event": "sent"}])
    before = path.read_bytes()
    write = os.write
    room = [40]

    def write_until_full(descriptor: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_until_full)
        with pytest.raises(SyftFlwrError, match="No space left"):
            log.append([{"event": "received"}])
    assert path.read_bytes() == before
    log.append([{"event": "received"}])
    assert events(path) == ["opened", "sent", "received"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-3] + (b"0" if raw[-3:-2] != b"0" else b"1") + raw[-2:],
        lambda raw: raw.replace(b'"sent"', b'"kept"'),
        lambda raw: raw + b"garbage\n",
        lambda raw: raw + b"\n",
    ],
)
def test_nothing_follows_a_last_entry_that_was_altered(
    log: AuditLog, path: Path, damage: Callable[[bytes], bytes]
) -> None:
    log.append([{"event": "sent"}])
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(AuditError) as caught:
        log.append([{"event": "received"}])
    assert caught.value.exit_code == 16 and "audit verify" in caught.value.hint
    assert path.read_bytes() == before


def test_a_new_key_of_the_same_participant_is_announced_first(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    AuditLog(path, Signer(2, previous="fingerprint of 1")).append([{"event": "received"}])
    assert events(path) == ["opened", "sent", "rotated", "received"]


def test_a_log_of_somebody_else_is_not_continued(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    with pytest.raises(AuditError, match="not signed by this participant"):
        AuditLog(path, Signer(2)).append([{"event": "received"}])


def test_two_writers_in_one_process_make_one_chain(path: Path) -> None:
    logs = [AuditLog(path, Signer()), AuditLog(path, Signer())]
    for number in range(20):
        logs[number % 2].append([{"event": "sent", "eid": str(number // 2)}])
    entries = list(read_entries(path))
    assert [entry["seq"] for entry in entries] == list(range(1, 12))
    assert [entry["prev"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]


def test_a_log_moved_aside_is_begun_anew(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    path.rename(path.with_name("old.jsonl"))
    log.append([{"event": "received"}])
    assert events(path) == ["opened", "received"]


def append_many(path: Path, name: str) -> None:
    log = AuditLog(path, Signer())
    for number in range(25):
        log.append([{"event": "sent", "eid": f"{name}{number}"}, {"event": "sent", "eid": f"common{number}"}])


def test_several_processes_make_one_chain_without_doubles(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes: Sequence[multiprocessing.process.BaseProcess] = [
        spawn.Process(target=append_many, args=(path, name)) for name in "abc"
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    entries = list(read_entries(path))
    assert [entry["seq"] for entry in entries] == list(range(1, 102))
    assert [entry["prev"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]
    eids = [entry["eid"] for entry in entries[1:]]
    assert len(set(eids)) == len(eids) == 100


def test_a_line_is_the_same_bytes_for_the_same_entry(path: Path) -> None:
    log = AuditLog(path, Signer(), clock=lambda: 0.1 + 0.2, random=bytes)
    log.append([{"peer": "b", "event": "sent", "app": "a"}])
    line = path.read_bytes().splitlines()[1]
    assert list(json.loads(line)) == ["seq", "time", "event", "app", "peer", "salt", "prev", "hash", "sig"]
    assert line.startswith(b'{"seq":2,"time":0.3,"event":"sent","app":"a","peer":"b","salt":"0000')
