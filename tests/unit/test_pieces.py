"""Payloads in pieces: who gets them, how they are read, and what a hostile or an older peer does to them."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol.names import IDENTITY_PATH, direct_payload_path, payload_path
from syft_flwr_cli.transports.base import BytesContent, Properties
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.piece import MAX_HEADER, Piece, parse_header, piece_name
from syft_flwr_cli.transports.pieces import Pieces

ALICE, BOB, CAROL = "alice@a.example", "bob@b.example", "carol@c.example"
ID, OTHER = "01234567-89ab-4def-8123-456789abcdef", "11111111-89ab-4def-8123-456789abcdef"
PATH = payload_path(ALICE, "study", ID)
HELLO = BytesContent(b"hello")
QUICK, PAYS = 10_000, 200_000

Opened = Callable[..., Pieces]


class Store(FolderTransport):
    """Quick with files of up to 10 kB; pieces pay up to 200 kB."""

    @property
    def properties(self) -> Properties:
        return replace(super().properties, largest_quick_file=QUICK, largest_in_pieces=PAYS, pace=0.5)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def opened(tmp_path: Path, pauses: list[float]) -> Iterator[Opened]:
    made: list[Pieces] = []

    def view(email: str, *, able: bool = True) -> Pieces:
        made.append(Pieces(Store(tmp_path, email), sleep=pauses.append))
        if able:
            made[-1].publish(IDENTITY_PATH, HELLO, [ALICE, BOB, CAROL])
        return made[-1]

    yield view
    for transport in made:
        transport.close()


def files(place: Path, path: str = PATH) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in (place / ALICE / path).parent.iterdir()}


@pytest.mark.parametrize("size", [1, 5000, QUICK, 25_000, PAYS])
def test_a_payload_travels_in_quick_files_and_is_read_as_one(
    tmp_path: Path, opened: Opened, size: int
) -> None:
    alice, bob = opened(ALICE), opened(BOB)
    data = os.urandom(size)
    alice.publish(PATH, BytesContent(data), [BOB])
    there = files(tmp_path)
    assert there.keys() == {piece_name(ID, number) for number in range(len(there))}
    assert all(0 < length <= QUICK for length in there.values())
    for name in there:
        line = (tmp_path / ALICE / PATH).with_name(name).read_bytes().split(b"\n", 1)[0]
        assert json.loads(line)["payload"] == ID
    with bob.open(ALICE, PATH) as stream:
        assert stream.seek(0, os.SEEK_END) == size and stream.seek(0) == 0
        assert stream.read() == data
        stream.seek(size // 2)
        assert stream.read(100) == data[size // 2 :][:100]
    bob.fetch(ALICE, PATH, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    assert [
        (path, entry.size) for path, entry in alice.list_own("syft_outbox_inbox_alice@a.example_to_all")
    ] == [(PATH, size)]
    folder = PATH.rpartition("/")[0]
    assert [(entry.name, entry.size) for entry in bob.watch(ALICE, folder).new()] == [(f"{ID}.payload", size)]
    alice.remove(PATH)
    assert files(tmp_path) == {}
    with pytest.raises(NotThereError):
        bob.open(ALICE, PATH)


def test_what_does_not_pay_travels_whole(tmp_path: Path, opened: Opened) -> None:
    alice, _ = opened(ALICE), opened(BOB)
    alice.publish(PATH, BytesContent(bytes(PAYS + 1)), [BOB])
    assert files(tmp_path) == {f"{ID}.payload": PAYS + 1}


def test_a_reader_who_has_not_said_that_it_reads_pieces_gets_the_whole(
    tmp_path: Path, opened: Opened
) -> None:
    alice, _, carol = opened(ALICE), opened(BOB), opened(CAROL, able=False)
    alice.publish(PATH, BytesContent(bytes(30_000)), [BOB, CAROL])
    assert files(tmp_path) == {f"{ID}.payload": 30_000}
    with carol.open(ALICE, PATH) as stream:
        assert len(stream.read()) == 30_000
    carol.publish(IDENTITY_PATH, HELLO, [ALICE])
    alice.publish(PATH, BytesContent(bytes(30_000)), [BOB, CAROL])
    assert f"{ID}.payload" not in files(tmp_path) and len(files(tmp_path)) == 4


@pytest.mark.parametrize("document", [b"{", b"[]", b'{"pieces":"x"}', b'{"pieces":0}', b"\xff", b"[" * 4000])
def test_nonsense_about_what_a_reader_understands_means_that_it_does_not(
    tmp_path: Path, opened: Opened, document: bytes
) -> None:
    alice, bob = opened(ALICE), opened(BOB, able=False)
    bob.publish("syft_flwr_identity/transport.json", BytesContent(document), [ALICE])
    alice.publish(PATH, BytesContent(bytes(30_000)), [BOB])
    assert files(tmp_path) == {f"{ID}.payload": 30_000}


def test_the_pace_is_kept_over_all_payloads(opened: Opened, pauses: list[float]) -> None:
    alice, _ = opened(ALICE), opened(BOB)
    alice.publish(PATH, BytesContent(bytes(30_000)), [BOB])
    alice.publish(payload_path(ALICE, "study", OTHER), BytesContent(bytes(30_000)), [BOB])
    assert len(pauses) == 7 and pauses[-1] > 3.0


def test_a_payload_is_there_when_the_last_piece_is(tmp_path: Path, opened: Opened) -> None:
    alice, bob = opened(ALICE), opened(BOB)
    data = os.urandom(35_000)
    path = direct_payload_path(ALICE, BOB, "study", ID)
    alice.publish(path, BytesContent(data), [BOB])
    watch = bob.watch(ALICE, path.rpartition("/")[0])
    late = (tmp_path / ALICE / path).with_name(piece_name(ID, 2))
    late.rename(tmp_path / "on its way")
    assert watch.new() == []
    with pytest.raises(NotThereError):
        bob.open(ALICE, path)
    with pytest.raises(NotThereError):
        bob.fetch(ALICE, path, tmp_path / "copy")
    assert alice.list_own(path.rpartition("/")[0]) == [], "what is incomplete is written again by its owner"
    token = bob.token()
    (tmp_path / "on its way").rename(late)
    bob.wait(token, 30.0)
    assert [entry.name for entry in watch.new()] == [f"{ID}.payload"]
    with bob.open(ALICE, path) as stream:
        assert stream.read() == data


def test_who_looked_in_vain_is_woken_when_it_comes(opened: Opened) -> None:
    alice, bob = opened(ALICE), opened(BOB)
    with pytest.raises(NotThereError):
        bob.open(ALICE, PATH)
    token = bob.token()
    alice.publish(PATH, BytesContent(bytes(30_000)), [BOB])
    assert bob.wait(token, 3600.0) > token


def test_pieces_of_two_writings_are_never_mixed(tmp_path: Path, opened: Opened) -> None:
    alice, bob = opened(ALICE), opened(BOB)
    alice.publish(PATH, BytesContent(b"a" * 30_000), [BOB])
    kept = (tmp_path / ALICE / PATH).with_name(piece_name(ID, 1)).read_bytes()
    with bob.open(ALICE, PATH) as stream:
        assert stream.read(10) == b"a" * 10
        alice.publish(PATH, BytesContent(b"b" * 30_000), [BOB])
        with pytest.raises(NotThereError, match="written anew"):
            stream.read()
    (tmp_path / ALICE / PATH).with_name(piece_name(ID, 1)).write_bytes(kept)
    with pytest.raises(NotThereError):
        bob.open(ALICE, PATH)


def test_a_shorter_writing_leaves_nothing_of_the_longer(tmp_path: Path, opened: Opened) -> None:
    alice, bob = opened(ALICE), opened(BOB)
    alice.publish(PATH, BytesContent(b"a" * 90_000), [BOB])
    alice.publish(PATH, BytesContent(b"b" * 12_000), [BOB])
    assert len(files(tmp_path)) == 2
    alice.publish(PATH, BytesContent(b"c" * (PAYS + 1)), [BOB])
    assert files(tmp_path) == {f"{ID}.payload": PAYS + 1}
    alice.publish(PATH, BytesContent(b"d" * 12_000), [BOB])
    with bob.open(ALICE, PATH) as stream:
        assert stream.read() == b"d" * 12_000


HEADER = Piece(ID, 1, 3, 100, 50, 300, "abc")


def test_a_header_says_what_it_was_made_of() -> None:
    assert parse_header(HEADER.line(), ID, 1) == HEADER
    assert len(Piece(ID, 1023, 1024, 1 << 39, 1 << 38, 1 << 39 << 0, "f" * 64).line()) <= MAX_HEADER


@pytest.mark.parametrize(
    "change",
    [
        {"number": 2},
        {"number": -1},
        {"number": 3},
        {"number": True},
        {"number": 1.0},
        {"pieces": 1},
        {"pieces": 10**9},
        {"offset": 280},
        {"size": 1 << 60},
        {"total": "300"},
        {"payload": OTHER},
        {"payload": None},
        {"version": 2},
        {"format": "another"},
        {"written": 7},
    ],
)
def test_a_header_that_is_not_sound_is_none(change: dict[str, object]) -> None:
    document = json.loads(HEADER.line()) | change
    assert parse_header(json.dumps(document).encode(), ID, 1) is None


@pytest.mark.parametrize("line", [b"", b"\n", b"[]", b"{}", b"null", b"\xff", b"[" * 500, HEADER.line()[:40]])
def test_what_is_no_header_is_none(line: bytes) -> None:
    assert parse_header(line, ID, 1) is None


def test_a_piece_that_is_shorter_than_it_says_is_not_there_yet(tmp_path: Path, opened: Opened) -> None:
    alice, bob = opened(ALICE), opened(BOB)
    alice.publish(PATH, BytesContent(bytes(30_000)), [BOB])
    piece = (tmp_path / ALICE / PATH).with_name(piece_name(ID, 1))
    piece.write_bytes(piece.read_bytes()[:-1])
    with bob.open(ALICE, PATH) as stream, pytest.raises(NotThereError, match="shorter"):
        stream.read()
