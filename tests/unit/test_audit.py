"""An audit log is appended to by several, survives a crash, and says everything once."""

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from syft_flwr_cli.audit.entry import make_line
from syft_flwr_cli.audit.log import (
    GENESIS,
    AuditLog,
    BrokenLogError,
    read_entries,
    verify,
    verify_against_peer,
)
from syft_flwr_cli.audit.verify import export
from syft_flwr_cli.errors import AuditError, SyftFlwrError, UsageError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity

ALICE = Identity.create("alice@a.example", 1.0, bytes(range(SECRETS_SIZE)))
BOB = Identity.create("bob@b.example", 1.0, bytes(SECRETS_SIZE))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "participant" / "audit.jsonl"


@pytest.fixture
def log(path: Path) -> AuditLog:
    return AuditLog(path, ALICE, clock=lambda: 1.5)


def events(path: Path) -> list[str]:
    return [entry["event"] for entry in read_entries(path)]


def test_the_first_entry_says_whose_log_it_is(log: AuditLog) -> None:
    log.append([{"event": "sent", "peer": "bob@b.example"}])
    first, second = log.entries()
    assert (first["seq"], first["event"], first["identity"]) == (
        1,
        "opened",
        ALICE.public.to_bytes().decode().strip(),
    )
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
    again = AuditLog(path, ALICE)
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
    AuditLog(path, ALICE).append([{"event": "executed"}])
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
    assert AuditLog(path, ALICE).head() == head


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


def test_new_keys_of_the_same_participant_are_announced_first(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    rotated = ALICE.rotate(2.0)
    AuditLog(path, rotated).append([{"event": "received"}])
    AuditLog(path, rotated).append([{"event": "executed"}])
    assert events(path) == ["opened", "sent", "rotated", "received", "executed"]
    for known in (ALICE.public, rotated.public):
        assert verify(path, known).fingerprint == rotated.public.fingerprint


def test_a_process_with_old_keys_does_not_write_after_the_new_ones(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    AuditLog(path, ALICE.rotate(2.0)).append([])
    with pytest.raises(AuditError, match="number 2"):
        log.append([{"event": "received"}])
    assert events(path) == ["opened", "sent", "rotated"]


def test_a_log_of_somebody_else_is_not_continued(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    with pytest.raises(AuditError, match="do not follow"):
        AuditLog(path, BOB).append([{"event": "received"}])


def test_two_writers_in_one_process_make_one_chain(path: Path) -> None:
    logs = [AuditLog(path, ALICE), AuditLog(path, ALICE)]
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
    log = AuditLog(path, ALICE)
    for number in range(25):
        log.append([{"event": "sent", "eid": f"{name}{number}"}, {"event": "sent", "eid": f"common{number}"}])


@pytest.mark.slow
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
    log = AuditLog(path, ALICE, clock=lambda: 0.1 + 0.2, random=bytes)
    log.append([{"peer": "b", "event": "sent", "app": "a"}])
    line = path.read_bytes().splitlines()[1]
    assert list(json.loads(line)) == ["seq", "time", "event", "app", "peer", "salt", "prev", "hash", "sig"]
    assert line.startswith(b'{"seq":2,"time":0.3,"event":"sent","app":"a","peer":"b","salt":"0000')


def test_a_log_as_it_was_written_verifies(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent", "time": 7.0}, {"event": "received", "time": 9.0}])
    report = verify(path, ALICE.public)
    assert (report.entries, report.head, report.email) == (3, log.head(), "alice@a.example")
    assert (report.first, report.last, report.hidden, report.repairs) == (1.5, 9.0, 0, 0)


def test_a_repaired_log_verifies_and_says_so(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    with path.open("ab") as stream:
        stream.write(b'{"seq":3,')
    with pytest.raises(BrokenLogError, match="incomplete"):
        verify(path, ALICE.public)
    log.append([])
    assert verify(path, ALICE.public).repairs == 1


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("alter", "bad"),
    [
        (lambda lines: lines[:2] + lines[3:], 3),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
        (lambda lines: [*lines, lines[-1]], 6),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[1].replace(b'"sent"', b'"held"'), *lines[2:]], 2),
        (lambda lines: [lines[0], b" " + lines[1], *lines[2:]], 2),
        (lambda lines: [lines[0], lines[1][:-1] + b"\r\n", *lines[2:]], 2),
        (lambda lines: [*lines[:3], lines[3][:-1], *lines[4:]], 4),
        (lambda lines: [*lines[:4], lines[4][:-1]], 5),
        (lambda lines: [*lines, b"\n"], 6),
        (lambda lines: [*lines, b"[" * 70000 + b"\n"], 6),
        (lambda lines: [], 1),
    ],
)
def test_an_altered_log_does_not_verify_and_the_first_bad_entry_is_named(
    log: AuditLog, path: Path, alter: Callable[[list[bytes]], list[bytes]], bad: int
) -> None:
    log.append([{"event": "sent"}, {"event": "received"}, {"event": "executed"}, {"event": "sent"}])
    path.write_bytes(b"".join(alter(lines_of(path))))
    with pytest.raises(BrokenLogError) as caught:
        verify(path, ALICE.public)
    assert caught.value.entry == bad and f"Entry {bad} of " in caught.value.what
    assert caught.value.exit_code == 16


def test_a_log_written_anew_by_somebody_else_does_not_verify(tmp_path: Path) -> None:
    mallory = Identity.create("alice@a.example", 1.0, b"m" * SECRETS_SIZE)
    AuditLog(tmp_path / "log", mallory).append([{"event": "sent"}])
    with pytest.raises(BrokenLogError, match="keys that are not those known"):
        verify(tmp_path / "log", ALICE.public)
    AuditLog(tmp_path / "other", BOB).append([{"event": "sent"}])
    with pytest.raises(BrokenLogError, match=r"belongs to bob@b\.example"):
        verify(tmp_path / "other", ALICE.public)


def test_new_keys_that_the_old_ones_did_not_sign_end_the_log(log: AuditLog, path: Path) -> None:
    head = log.append([{"event": "sent"}])
    stranger = Identity.create("alice@a.example", 1.0, b"m" * SECRETS_SIZE).rotate(2.0)
    document = stranger.public.to_bytes().decode().strip()
    fields = {"time": 2.0, "event": "rotated", "identity": document}
    line, _ = make_line(3, fields, "00", head, stranger.sign)
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(BrokenLogError, match="does not follow the key before it") as caught:
        verify(path, ALICE.public)
    assert caught.value.entry == 3


def test_a_log_from_before_a_rotation_verifies_with_the_keys_of_today(log: AuditLog, path: Path) -> None:
    log.append([{"event": "sent"}])
    assert verify(path, ALICE.rotate(2.0).public).entries == 2


def test_no_log_is_no_proof(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no audit log"):
        verify(tmp_path / "absent", ALICE.public)


@pytest.fixture
def bobs(log: AuditLog, tmp_path: Path) -> Path:
    """Bob's log: he received two messages from Alice, each with her head of that time."""
    his = AuditLog(tmp_path / "bob.jsonl", BOB, clock=lambda: 2.0)
    for number in range(2):
        head = log.append([{"event": "run-started"}])
        log.append([{"event": "sent", "peer": "bob@b.example", "app": "demo"}])
        his.append(
            [
                {"event": "received", "peer": "alice@a.example", "peer_head": head, "app": "demo"},
                {
                    "event": "received",
                    "peer": "carol@c.example",
                    "peer_head": f"{number:064x}",
                    "app": "other",
                },
            ]
        )
    return tmp_path / "bob.jsonl"


def test_every_head_that_a_peer_saw_is_there(bobs: Path, path: Path) -> None:
    own, theirs = verify_against_peer(path, ALICE.public, bobs, BOB.public)
    assert (own.checked_heads, theirs.email) == (2, "bob@b.example")


def test_dropping_the_last_entries_shows_at_the_peer(bobs: Path, path: Path) -> None:
    path.write_bytes(b"".join(lines_of(path)[:-2]))
    assert verify(path, ALICE.public).entries == 3
    with pytest.raises(BrokenLogError, match=r"bob@b\.example recorded .* dropped or rewritten") as caught:
        verify_against_peer(path, ALICE.public, bobs)
    assert caught.value.exit_code == 16


def test_a_past_written_anew_with_the_same_keys_shows_at_the_peer(bobs: Path, path: Path) -> None:
    path.unlink()
    AuditLog(path, ALICE, clock=lambda: 1.5).append([{"event": "run-started"}, {"event": "sent"}])
    verify(path, ALICE.public)
    with pytest.raises(BrokenLogError, match="dropped or rewritten"):
        verify_against_peer(path, ALICE.public, bobs)


def test_a_peer_log_that_is_altered_or_not_the_peers_proves_nothing(bobs: Path, path: Path) -> None:
    with pytest.raises(BrokenLogError, match="belongs to bob@b"):
        verify_against_peer(
            path, ALICE.public, bobs, Identity.create("carol@c.example", 1.0, b"c" * SECRETS_SIZE).public
        )
    # The whole of Carol's first head: Alice's, which are random, begin with the same digit now and then.
    noughts = b"0" * 64
    bobs.write_bytes(
        bobs.read_bytes().replace(b'"peer_head":"%s"' % noughts, b'"peer_head":"1%s"' % noughts[1:])
    )
    with pytest.raises(BrokenLogError, match=r"Entry 3 of .*bob\.jsonl"):
        verify_against_peer(path, ALICE.public, bobs)


def test_an_export_shows_only_what_its_reader_may_see_and_still_verifies(
    bobs: Path, path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "for-alice.jsonl"
    export(bobs, BOB.public, copy, {"demo"})
    assert copy.stat().st_mode & 0o077 == 0
    assert b"carol" not in copy.read_bytes() and b'"other"' not in copy.read_bytes()
    own, theirs = verify_against_peer(path, ALICE.public, copy, BOB.public)
    assert (theirs.entries, theirs.hidden, own.checked_heads) == (5, 2, 2)
    assert theirs.head == verify(bobs, BOB.public).head


def test_a_withheld_entry_does_not_belong_into_a_log_of_ones_own(bobs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    export(bobs, BOB.public, copy, {"demo"})
    with pytest.raises(BrokenLogError, match="withheld") as caught:
        verify(copy, BOB.public)
    assert caught.value.entry == 3


def test_an_export_of_everything_is_the_log_itself(bobs: Path, tmp_path: Path) -> None:
    export(bobs, BOB.public, tmp_path / "copy.jsonl", None)
    assert (tmp_path / "copy.jsonl").read_bytes() == bobs.read_bytes()


def test_an_export_overwrites_nothing_and_proves_nothing_false(bobs: Path, tmp_path: Path) -> None:
    with pytest.raises(SyftFlwrError, match="cannot be written"):
        export(bobs, BOB.public, bobs, None)
    bobs.write_bytes(bobs.read_bytes().replace(b"carol", b"darol"))
    with pytest.raises(BrokenLogError):
        export(bobs, BOB.public, tmp_path / "copy.jsonl", None)
    assert not (tmp_path / "copy.jsonl").exists()


def append_for_ever(path: Path) -> None:
    log = AuditLog(path, ALICE)
    number = len(list(read_entries(path)))
    while True:
        log.append([{"event": "sent", "eid": f"{number}-{part}", "note": "x" * 500} for part in range(40)])
        number += 1


@pytest.mark.slow
def test_a_process_killed_while_it_appends_leaves_a_log_that_goes_on_and_verifies(path: Path) -> None:
    log = AuditLog(path, ALICE)
    spawn = multiprocessing.get_context("spawn")
    for _ in range(3):
        head = log.append([{"event": "run-started"}])
        process = spawn.Process(target=append_for_ever, args=(path,))
        process.start()
        while log.head() == head:
            assert process.is_alive()
        process.kill()
        process.join()
        log.append([{"event": "stopped"}])
        verify(path, ALICE.public)
