"""One file for an auditor: it holds as it is, and every change of it is found and named."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import bagit
import pytest
from rocrate.rocrate import ROCrate

from syft_flwr_cli.audit.crate import MAX_CRATE, BrokenCrateError, pack, unpack
from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.audit.statements import StatementError, read_checkpoint, read_envelope
from syft_flwr_cli.errors import EXIT_AUDIT, UsageError
from syft_flwr_cli.security.identity import Identity, load_or_create
from syft_flwr_cli.services.crate import export_crate, verify_crate

OWNER, EVIL = "do1@a.example", "evil@x.example"


def home_of(place: Path, email: str) -> tuple[Path, Identity]:
    directory = place / email
    directory.mkdir(mode=0o700)
    identity, _ = load_or_create(directory, email, 1000.0, lambda: None)
    return directory, identity


@pytest.fixture
def owner(tmp_path: Path) -> tuple[Path, Identity]:
    directory, identity = home_of(tmp_path, OWNER)
    log = AuditLog(directory / "audit.jsonl", identity)
    app = {"app": "ds@lab.example_study_1"}
    log.append([{"event": "approved", "time": 1001.0, "digest": "ab" * 32, "eid": "a", **app}])
    log.append([{"event": "executed", "time": 1002.0, "run": "7", "message": "m1", "eid": "b", **app}])
    log.append([{"event": "egress", "time": 1003.0, "bytes": 10, "record": "cd" * 32, "eid": "c", **app}])
    log.append([{"event": "rejected", "time": 1004.0, "digest": "ef" * 32, "eid": "d", **app}])
    return directory, identity


@pytest.fixture
def crate(owner: tuple[Path, Identity], tmp_path: Path) -> Path:
    directory, identity = owner
    path = tmp_path / "evidence.zip"
    export_crate(directory, identity, None, path, now=2000.0)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    return unpack(path.read_bytes())


def test_it_holds_and_says_that_nobody_else_vouches_for_it(crate: Path) -> None:
    checked = verify_crate(crate)
    assert (checked.email, checked.decisions, checked.egress) == (OWNER, 2, 1)
    assert (checked.witnessed, checked.witnesses) == (0, ())
    assert checked.made == 2000.0


def test_stock_libraries_read_it(crate: Path, tmp_path: Path) -> None:
    place = tmp_path / "unpacked"
    with zipfile.ZipFile(crate) as archive:
        archive.extractall(place)
    assert bagit.Bag(str(place)).validate() is True
    read = ROCrate(str(place / "data"))
    assert "https://w3id.org/5s-crate/0.4" in str(read.root_dataset["conformsTo"])
    kinds = {one.id: one.type for one in read.get_entities()}
    assert sorted(kind for kind in kinds.values() if kind == "AssessAction") == ["AssessAction"] * 3


def test_the_same_evidence_is_the_same_bytes(
    owner: tuple[Path, Identity], crate: Path, tmp_path: Path
) -> None:
    directory, identity = owner
    again = tmp_path / "again.zip"
    export_crate(directory, identity, None, again, now=2000.0)
    assert again.read_bytes() == crate.read_bytes()
    with pytest.raises(UsageError):
        export_crate(directory, identity, None, again)


def test_a_change_of_any_member_is_found_and_named(crate: Path) -> None:
    good = members_of(crate)
    for name, content in good.items():
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        crate.write_bytes(pack({**good, name: bytes(changed)}))
        with pytest.raises(BrokenCrateError) as found:
            verify_crate(crate)
        assert found.value.exit_code == EXIT_AUDIT
        listed = name in ("manifest-sha512.txt", "tagmanifest-sha512.txt")
        assert listed or name in found.value.what


def test_a_member_that_is_dropped_added_or_doubled_is_named(crate: Path) -> None:
    good = members_of(crate)
    for name in good:
        crate.write_bytes(pack({one: content for one, content in good.items() if one != name}))
        with pytest.raises(BrokenCrateError):
            verify_crate(crate)
    crate.write_bytes(pack({**good, "data/extra.txt": b"more"}))
    with pytest.raises(BrokenCrateError, match=r"data/extra\.txt"):
        verify_crate(crate)
    doubled = io.BytesIO(pack(good))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(doubled, "a") as archive:
        archive.writestr("data/log/audit.jsonl", b"another")
    crate.write_bytes(doubled.getvalue())
    with pytest.raises(BrokenCrateError, match="twice"):
        verify_crate(crate)


def test_exchanged_decisions_are_found(crate: Path) -> None:
    good = members_of(crate)
    first, second = sorted(name for name in good if name.startswith("data/decisions/"))
    crate.write_bytes(pack({**good, first: good[second], second: good[first]}))
    with pytest.raises(BrokenCrateError, match="decisions"):
        verify_crate(crate)


@pytest.mark.parametrize("place", [0, 10, -1, -15, -40])
def test_any_other_byte_of_the_file_counts_too(crate: Path, place: int) -> None:
    data = bytearray(crate.read_bytes())
    data[place] ^= 0x20
    crate.write_bytes(bytes(data))
    with pytest.raises(BrokenCrateError):
        verify_crate(crate)


@pytest.mark.parametrize(
    "change", [lambda data: data + b"x", lambda data: b"x" + data, lambda data: data[:-1]]
)
def test_what_is_put_before_or_after_it_is_found(crate: Path, change: Callable[[bytes], bytes]) -> None:
    crate.write_bytes(change(crate.read_bytes()))
    with pytest.raises(BrokenCrateError):
        verify_crate(crate)


def test_a_file_that_somebody_else_made_anew_is_not_the_owners(
    owner: tuple[Path, Identity], crate: Path, tmp_path: Path
) -> None:
    """Who has the members but not the keys signs with their own, and takes the owner's name."""
    _, public = owner
    directory, evil = home_of(tmp_path, EVIL)
    log = AuditLog(directory / "audit.jsonl", evil)
    log.append([{"event": "approved", "time": 1001.0, "digest": "ab" * 32, "eid": "a"}])
    forged = tmp_path / "forged.zip"
    export_crate(directory, evil, None, forged)
    assert verify_crate(forged).email == EVIL
    with pytest.raises(BrokenCrateError):
        verify_crate(forged, keys={EVIL: public.public})


def resigned(owner: tuple[Path, Identity], tmp_path: Path) -> Path:
    """An owner who writes their history anew without the rejection, and signs everything again."""
    _, identity = owner
    directory = tmp_path / "anew"
    directory.mkdir(mode=0o700)
    log = AuditLog(directory / "audit.jsonl", identity)
    log.append([{"event": "approved", "time": 1001.0, "digest": "ab" * 32, "eid": "a"}])
    path = tmp_path / "anew.zip"
    export_crate(directory, identity, None, path)
    return path


def test_a_history_that_its_owner_wrote_anew_is_unwitnessed(
    owner: tuple[Path, Identity], tmp_path: Path
) -> None:
    checked = verify_crate(resigned(owner, tmp_path))
    assert (checked.decisions, checked.witnessed) == (1, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda members: {**members, "signature.dsse.json": b"{}"},
        lambda members: {**members, "signature.dsse.json": b"[" * 100_000},
        lambda members: {**members, "data/keys/do1@a.example.json": b"{}"},
        lambda members: {**members, "manifest-sha512.txt": b"\xff\xfe"},
    ],
)
def test_nonsense_in_a_member_is_a_sentence(
    crate: Path, change: Callable[[Mapping[str, bytes]], dict[str, bytes]]
) -> None:
    crate.write_bytes(pack(change(members_of(crate))))
    with pytest.raises(BrokenCrateError, match=r"\.$"):
        verify_crate(crate)


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18), b"no zip at all", bytes(1000)])
def test_what_is_no_evidence_file_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    with pytest.raises(BrokenCrateError):
        verify_crate(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/zeros", bytes(64 << 20))
    assert len(out.getvalue()) < MAX_CRATE
    path = tmp_path / "x.zip"
    path.write_bytes(out.getvalue())
    with pytest.raises(BrokenCrateError, match="compressed"):
        verify_crate(path)


def test_a_statement_or_checkpoint_of_somebody_else_does_not_hold(
    owner: tuple[Path, Identity], crate: Path, tmp_path: Path
) -> None:
    members = members_of(crate)
    _, evil = home_of(tmp_path, EVIL)
    with pytest.raises(StatementError, match="signature"):
        read_checkpoint(members["data/log/checkpoint.txt"], evil.public.signing_key, evil.public.verify)
    name = next(one for one in members if one.startswith("data/decisions/"))
    with pytest.raises(StatementError, match="signature"):
        read_envelope(members[name], lambda keyid, data, signature: evil.public.verify(data, signature))
    document = json.loads(members[name])
    assert document["payloadType"] == "application/vnd.in-toto+json"
