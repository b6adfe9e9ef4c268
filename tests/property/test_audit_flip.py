"""No byte of an audit log can be changed, added or taken away without it being noticed, and named."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syft_flwr_cli.audit.log import AuditLog, BrokenLogError, verify
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity

ALICE = Identity.create("alice@a.example", 1.0, bytes(range(SECRETS_SIZE)))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a rotation, text that JSON must escape, and numbers of every kind."""
    path = tmp_path_factory.mktemp("log") / "audit.jsonl"
    ticks = iter(range(1, 100))
    log = AuditLog(path, ALICE, clock=lambda: next(ticks) + 0.25, random=bytes)
    log.append([{"event": "sent", "peer": "bob@b.example", "size": 10**15, "digest": "ab" * 32, "eid": "x"}])
    log.append([{"event": "refused", "reason": 'Größe "\\\n', "share": -0.5e-9, "late": True, "why": None}])
    AuditLog(path, ALICE.rotate(2.0), clock=lambda: 3, random=bytes).append(
        [{"event": "received", "lines": ["a", "b"]}]
    )
    return path


@pytest.fixture(scope="module")
def whole(path: Path) -> bytes:
    verify(path, ALICE.public)
    return path.read_bytes()


def bad_entry(whole: bytes, altered: bytes) -> int:
    """The number of the line in which the first difference lies."""
    same = next((place for place, (a, b) in enumerate(zip(whole, altered, strict=False)) if a != b), None)
    if same is None:
        same = min(len(whole), len(altered))
    return whole.count(b"\n", 0, same) + 1


def assert_noticed(directory: Path, whole: bytes, altered: bytes) -> None:
    file = directory / "altered.jsonl"
    file.write_bytes(altered)
    with pytest.raises(BrokenLogError) as caught:
        verify(file, ALICE.public)
    assert caught.value.entry == bad_entry(whole, altered)


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.full)])
def test_every_single_byte_counts(whole: bytes, tmp_path: Path, step: int) -> None:
    for place in range(0, len(whole), step):
        mask = 1 << place % 8
        altered = whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :]
        assert_noticed(tmp_path, whole, altered)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_byte_can_become_any_other(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    altered = whole[:place] + bytes([value]) + whole[place + 1 :]
    assert_noticed(tmp_path_factory.getbasetemp(), whole, altered)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_nothing_can_be_put_in(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(whole)))
    extra = data.draw(
        st.one_of(st.binary(min_size=1, max_size=3), st.sampled_from([b" ", b"\n", b"\t", b"\r"]))
    )
    altered = whole[:place] + extra + whole[place:]
    file = tmp_path_factory.getbasetemp() / "longer.jsonl"
    file.write_bytes(altered)
    with pytest.raises(BrokenLogError):
        verify(file, ALICE.public)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_nothing_can_be_taken_out_but_whole_entries_at_the_end(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    altered = whole[:start] + whole[end:]
    file = tmp_path_factory.getbasetemp() / "shorter.jsonl"
    file.write_bytes(altered)
    if altered and whole.startswith(altered) and altered.endswith(b"\n"):
        assert verify(file, None).entries == altered.count(b"\n")
    else:
        with pytest.raises(BrokenLogError):
            verify(file, ALICE.public)
