"""Every promise of ``transports/base.py``, against every transport.

Nothing here assumes that a change arrives at once: what is waited for is waited for by looking again
until it is there, the way a participant does, and only a hopelessly long time counts as failure.
"""

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from federations import ALICE, BOB, CAROL, Federation

from syft_flwr_cli.errors import NotThereError, TransportError, UsageError
from syft_flwr_cli.transports.base import (
    Buffer,
    BytesContent,
    Content,
    FileInfo,
    Properties,
    TransientError,
    Transport,
    Watch,
)

T = TypeVar("T")

OUTBOX = "syft_outbox_inbox_alice@a.example_to_bob@b.example/app/rpc/messages"


def text(data: str) -> BytesContent:
    return BytesContent(data.encode())


class Pieces:
    """Content in several chunks that all lie in one buffer, as sealed payloads come."""

    def __init__(self, data: bytes, piece: int, promised: int | None = None) -> None:
        self.data, self.piece = data, piece
        self.size = len(data) if promised is None else promised

    def chunks(self) -> Iterator[Buffer]:
        buffer = bytearray(self.piece)
        for start in range(0, len(self.data), self.piece):
            part = self.data[start : start + self.piece]
            buffer[: len(part)] = part
            yield memoryview(buffer)[: len(part)]
        buffer[:] = bytes(self.piece)


class Broken:
    """Content that cannot be produced to its end."""

    size = 1 << 20

    def chunks(self) -> Iterator[Buffer]:
        yield bytes(1 << 19)
        raise RuntimeError("no more")


def eventually(federation: Federation, transport: Transport, look: Callable[[], T]) -> T:
    """What ``look`` finds, once it finds something; looked for the way a participant waits."""
    deadline = time.monotonic() + federation.patience
    while True:
        token, found = transport.token(), None
        with suppress(TransientError):  # whoever waits looks again
            found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError("it never arrived")
        transport.wait(token, 1.0)


def content_of(transport: Transport, owner: str, path: str) -> bytes | None:
    try:
        with transport.open(owner, path) as stream:
            return stream.read()
    except NotThereError:
        return None


def arrives(federation: Federation, transport: Transport, owner: str, path: str, data: bytes) -> bool:
    return eventually(federation, transport, lambda: content_of(transport, owner, path) == data)


def told(federation: Federation, transport: Transport, watch: Watch, *expected: str) -> list[str]:
    """All names that a watch tells of until it has told of the expected ones."""
    heard: list[str] = []

    def look() -> bool:
        heard.extend(entry.name for entry in watch.new())
        return set(expected) <= set(heard)

    eventually(federation, transport, look)
    return heard


# -- publish and open


def test_what_is_published_is_read_by_its_reader(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")


def test_chunks_that_share_a_buffer_arrive_in_order(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    data = bytes(range(256)) * 1000
    alice.publish(f"{OUTBOX}/one.payload", Pieces(data, 4097), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.payload", data)


def test_the_owner_reads_its_own_files(alice: Transport) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert content_of(alice, ALICE, f"{OUTBOX}/one.request") == b"hello"


def test_publishing_again_is_harmless(federation: Federation, alice: Transport, bob: Transport) -> None:
    for _ in range(3):
        alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")
    assert [path for path, _ in alice.list_own()] == [f"{OUTBOX}/one.request"]


def test_other_content_replaces_the_file(federation: Federation, alice: Transport, bob: Transport) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")
    alice.publish(f"{OUTBOX}/one.request", text("something longer"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"something longer")


def test_a_reader_never_sees_a_part(federation: Federation, alice: Transport, bob: Transport) -> None:
    size = 300_000
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not (done.is_set() and seen):
            data = None
            with suppress(TransientError):  # replaced while it was read, and the store noticed
                data = content_of(bob, ALICE, f"{OUTBOX}/one.payload")
            if data is not None:
                assert len(data) == size
                seen.update({data[:1], data[size // 2 : size // 2 + 1], data[-1:]})
                assert data == data[:1] * size
            done.wait(0.001)

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(read)
        for turn in range(federation.load):
            alice.publish(f"{OUTBOX}/one.payload", Pieces(bytes([65 + turn % 2]) * size, 9000), [BOB])
        assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.payload", bytes([65 + turn % 2]) * size)
        done.set()
        reading.result(federation.patience)


def test_a_publish_that_fails_leaves_what_was_there(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")
    for name in ("one.request", "two.request"):
        with pytest.raises(RuntimeError):
            alice.publish(f"{OUTBOX}/{name}", Broken(), [BOB])
    assert [path for path, _ in alice.list_own()] == [f"{OUTBOX}/one.request"]
    assert content_of(bob, ALICE, f"{OUTBOX}/one.request") == b"hello"


@pytest.mark.parametrize("promised", [1, 9])
def test_content_of_another_size_than_promised_is_refused(alice: Transport, promised: int) -> None:
    with pytest.raises(ValueError, match="5"):
        alice.publish(f"{OUTBOX}/one.request", Pieces(b"hello", 2, promised), [BOB])
    assert alice.list_own() == []


def test_nothing_empty_is_published(alice: Transport) -> None:
    with pytest.raises(ValueError, match="empty"):
        alice.publish(f"{OUTBOX}/one.request", BytesContent(b""), [BOB])
    assert alice.list_own() == []


def test_a_file_is_for_its_readers_only(
    federation: Federation, alice: Transport, bob: Transport, carol: Transport
) -> None:
    if not federation.enforces_readers:
        pytest.skip("this store shows everything to everybody; the messages are sealed")
    watch = carol.watch(ALICE, OUTBOX)
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")
    assert content_of(carol, ALICE, f"{OUTBOX}/one.request") is None
    assert watch.new() == []


def test_a_file_for_several_is_read_by_each(
    federation: Federation, alice: Transport, bob: Transport, carol: Transport
) -> None:
    path = "syft_outbox_inbox_alice@a.example_to_all/app/payloads/one.payload"
    alice.publish(path, text("for both"), [BOB, CAROL])
    assert arrives(federation, bob, ALICE, path, b"for both")
    assert arrives(federation, carol, ALICE, path, b"for both")


def test_what_is_published_is_there_for_the_next_view(federation: Federation, alice: Transport) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    later = federation.view(ALICE)
    assert [path for path, _ in later.list_own()] == [f"{OUTBOX}/one.request"]
    later.publish(f"{OUTBOX}/one.request", text("again"), [BOB])
    assert content_of(later, ALICE, f"{OUTBOX}/one.request") == b"again"


def test_an_open_stream_never_mixes_two_files(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    old, new = b"o" * 200_000, b"n" * 200_000
    alice.publish(f"{OUTBOX}/one.payload", BytesContent(old), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.payload", old)
    with bob.open(ALICE, f"{OUTBOX}/one.payload") as stream:
        begun = stream.read(10)
        alice.publish(f"{OUTBOX}/one.payload", BytesContent(new), [BOB])
        assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.payload", new)
        with suppress(TransportError):  # from a store that cannot keep the old bytes
            assert begun + stream.read() == old


# -- what is not there


def test_opening_or_fetching_what_is_not_there_says_so(bob: Transport, tmp_path: Path) -> None:
    with pytest.raises(NotThereError) as raised:
        bob.open(ALICE, f"{OUTBOX}/one.request")
    assert raised.value.hint
    with pytest.raises(NotThereError):
        bob.fetch(ALICE, f"{OUTBOX}/one.request", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_reading_creates_nothing_in_anybodys_space(
    federation: Federation, alice: Transport, bob: Transport, tmp_path: Path
) -> None:
    assert bob.watch(ALICE, OUTBOX).new() == []
    assert bob.watch("nobody@x.example", OUTBOX).new() == []
    for owner in (ALICE, "nobody@x.example"):
        with pytest.raises(NotThereError):
            bob.open(owner, f"{OUTBOX}/one.request")
    assert alice.list_own() == []
    assert bob.list_own() == []


def test_a_folder_is_no_file(federation: Federation, alice: Transport, bob: Transport) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")
    with pytest.raises(NotThereError):
        bob.open(ALICE, OUTBOX)


# -- fetch


def test_a_fetched_file_outlives_its_removal(
    federation: Federation, alice: Transport, bob: Transport, tmp_path: Path
) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")
    bob.fetch(ALICE, f"{OUTBOX}/one.request", tmp_path / "copy")
    alice.publish(f"{OUTBOX}/one.request", text("other"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"other")
    alice.remove(f"{OUTBOX}/one.request")
    assert (tmp_path / "copy").read_bytes() == b"hello"


def test_a_fetch_replaces_what_was_there_and_leaves_nothing_else(
    federation: Federation, alice: Transport, bob: Transport, tmp_path: Path
) -> None:
    target = tmp_path / "fetched"
    target.mkdir()
    (target / "copy").write_bytes(b"before")
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")
    for _ in range(2):
        bob.fetch(ALICE, f"{OUTBOX}/one.request", target / "copy")
    assert [(file.name, file.read_bytes()) for file in target.iterdir()] == [("copy", b"hello")]


# -- watch


def test_a_watch_tells_of_what_was_there_before_in_order_of_creation(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    written = [f"{name}.request" for name in ("c", "a", "e", "b", "d")]
    for name in written:
        alice.publish(f"{OUTBOX}/{name}", text(name), [BOB])
        assert arrives(federation, bob, ALICE, f"{OUTBOX}/{name}", name.encode())
    watch = bob.watch(ALICE, OUTBOX)
    heard: list[FileInfo] = []

    def look() -> bool:
        entries = watch.new()
        assert [entry.created for entry in entries] == sorted(entry.created for entry in entries)
        if federation.knows_order:
            assert [entry.name for entry in entries] == sorted(
                (entry.name for entry in entries), key=written.index
            )
        heard.extend(entries)
        return {entry.name for entry in heard} == set(written)

    assert eventually(federation, bob, look)
    assert {entry.size for entry in heard} == {len("a.request")}
    assert all(abs(time.time() - entry.created) < 3600 for entry in heard)


def test_a_watch_tells_of_what_comes_later(federation: Federation, alice: Transport, bob: Transport) -> None:
    watch = bob.watch(ALICE, OUTBOX)
    assert watch.new() == []
    for name in ("a.request", "b.request"):
        alice.publish(f"{OUTBOX}/{name}", text(name), [BOB])
        assert name in told(federation, bob, watch, name)


def test_a_watch_may_begin_before_any_folder_is_there(federation: Federation, bob: Transport) -> None:
    watch = bob.watch(ALICE, OUTBOX)
    assert watch.new() == []
    federation.view(ALICE).publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert told(federation, bob, watch, "one.request")


def test_a_watch_tells_again_of_a_file_that_was_replaced(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    watch = bob.watch(ALICE, OUTBOX)
    told(federation, bob, watch, "one.request")
    alice.publish(f"{OUTBOX}/one.request", text("something longer"), [BOB])
    sizes: list[int] = []

    def look() -> bool:
        sizes.extend(entry.size for entry in watch.new())
        return len("something longer") in sizes

    assert eventually(federation, bob, look)


def test_two_watches_do_not_take_files_from_each_other(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    first, second = bob.watch(ALICE, OUTBOX), bob.watch(ALICE, OUTBOX)
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert told(federation, bob, first, "one.request")
    assert told(federation, bob, second, "one.request")
    first.close()
    alice.publish(f"{OUTBOX}/two.request", text("hello"), [BOB])
    assert told(federation, bob, second, "two.request")


def test_a_watch_tells_of_its_folder_only(federation: Federation, alice: Transport, bob: Transport) -> None:
    deep, beside = f"{OUTBOX}/deeper/two.request", f"{OUTBOX}s/three.request"
    for path in (f"{OUTBOX}/one.request", deep, beside):
        alice.publish(path, text("hello"), [BOB])
        assert arrives(federation, bob, ALICE, path, b"hello")
    watch = bob.watch(ALICE, OUTBOX)
    heard = told(federation, bob, watch, "one.request")
    heard += [entry.name for entry in watch.new()]
    assert set(heard) == {"one.request"}


def test_no_file_is_missed_when_many_are_written_at_once(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    watch = bob.watch(ALICE, OUTBOX)
    written = [f"{number}.request" for number in range(federation.load)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        publishing = pool.map(lambda name: alice.publish(f"{OUTBOX}/{name}", text(name), [BOB]), written)
        heard = told(federation, bob, watch, *written)
        assert list(publishing) == [None] * len(written)
    assert set(heard) == set(written)
    for name in written:
        assert content_of(bob, ALICE, f"{OUTBOX}/{name}") == name.encode()


def test_control_files_of_the_store_are_not_told_of(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    alice.publish("syft_flwr_identity/identity.json", text("me"), [BOB])
    watch = bob.watch(ALICE, "syft_flwr_identity")
    assert set(told(federation, bob, watch, "identity.json")) == {"identity.json"}
    assert [path for path, _ in alice.list_own()] == ["syft_flwr_identity/identity.json"]
    assert len(alice.list_own()) == 1


# -- wait


def test_waiting_ends_when_a_peer_writes(federation: Federation, alice: Transport, bob: Transport) -> None:
    watch = bob.watch(ALICE, OUTBOX)
    token = bob.token()
    assert watch.new() == []
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(bob.wait, token, 3600.0)
        alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
        assert waiting.result(federation.patience) > token
    assert told(federation, bob, watch, "one.request")


def test_waiting_ends_when_somebody_calls(federation: Federation, bob: Transport) -> None:
    token = bob.token()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(bob.wait, token, 3600.0) for _ in range(3)]
        bob.wake()
        assert all(one.result(federation.patience) > token for one in waiting)


def test_waiting_ends_at_once_when_something_has_changed_since_the_token(bob: Transport) -> None:
    token = bob.token()
    bob.wake()
    assert bob.wait(token, 3600.0) > token


def test_waiting_ends_when_the_time_is_over(bob: Transport) -> None:
    assert bob.wait(bob.token() + 1000, 0.01) < bob.token() + 1000


def test_the_token_never_shrinks(federation: Federation, alice: Transport, bob: Transport) -> None:
    tokens = [bob.token()]
    watch = bob.watch(ALICE, OUTBOX)
    for number in range(3):
        alice.publish(f"{OUTBOX}/{number}.request", text("hello"), [BOB])
        told(federation, bob, watch, f"{number}.request")
        tokens.append(bob.token())
    assert tokens == sorted(tokens)


# -- remove, list_own


def test_a_removed_file_is_gone_for_everybody(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello")
    alice.remove(f"{OUTBOX}/one.request")
    assert alice.list_own() == []
    assert eventually(federation, bob, lambda: content_of(bob, ALICE, f"{OUTBOX}/one.request") is None)
    assert bob.watch(ALICE, OUTBOX).new() == []


def test_removing_what_is_not_there_is_no_error(alice: Transport) -> None:
    alice.remove(f"{OUTBOX}/one.request")
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    alice.remove(f"{OUTBOX}/one.request")
    alice.remove(f"{OUTBOX}/one.request")


def test_a_file_can_be_published_again_after_its_removal(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB])
    watch = bob.watch(ALICE, OUTBOX)
    told(federation, bob, watch, "one.request")
    alice.remove(f"{OUTBOX}/one.request")
    alice.publish(f"{OUTBOX}/one.request", text("hello again"), [BOB])
    assert arrives(federation, bob, ALICE, f"{OUTBOX}/one.request", b"hello again")


def test_ones_own_files_are_listed_and_counted_however_deep(alice: Transport, bob: Transport) -> None:
    sizes = {"a_to_b/app/one.request": 3, "a_to_b/app/x/y/two.request": 5, "a_to_c/app/three.request": 7}
    for path, size in sizes.items():
        alice.publish(path, BytesContent(bytes(size)), [BOB])
    bob.publish("b_to_a/app/four.request", text("not alice's"), [ALICE])
    assert {path: entry.size for path, entry in alice.list_own()} == sizes
    assert {entry.name for _, entry in alice.list_own()} == {path.rsplit("/", 1)[1] for path in sizes}
    assert {path for path, _ in alice.list_own("a_to_b")} == {path for path in sizes if "a_to_b" in path}
    assert alice.list_own("a_to_b/app/x/y")[0][0] == "a_to_b/app/x/y/two.request"
    assert alice.list_own("nowhere") == []
    assert sum(entry.size for _, entry in alice.list_own()) == 15
    assert sum(entry.size for _, entry in alice.list_own("a_to_b")) == 8
    assert alice.list_own("nowhere") == []


# -- names, threads, failures, properties

BAD_PATHS = [
    "",
    "/etc/passwd",
    "a//b",
    "a/",
    "../x",
    "a/../b",
    "a/..",
    ".hidden/x",
    "a/.x",
    "a/b\n",
    "a/\0",
    "a/é",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_could_leave_the_space_is_refused(alice: Transport, tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError):
        alice.publish(path, text("x"), [BOB])
    with pytest.raises(UsageError):
        alice.open(BOB, path)
    with pytest.raises(UsageError):
        alice.fetch(BOB, path, tmp_path / "copy")
    with pytest.raises(UsageError):
        alice.remove(path)
    if path:
        with pytest.raises(UsageError):
            alice.watch(BOB, path)
        with pytest.raises(UsageError):
            alice.list_own(path)
    assert alice.list_own() == []


@pytest.mark.parametrize("email", ["", "nobody", "a@b/c", "../a@b.example", "a@b.example\n/x", "a@..example"])
def test_an_owner_or_reader_that_is_no_email_is_refused(alice: Transport, email: str) -> None:
    with pytest.raises(UsageError):
        alice.open(email, f"{OUTBOX}/one.request")
    with pytest.raises(UsageError):
        alice.watch(email, OUTBOX)
    with pytest.raises(UsageError):
        alice.publish(f"{OUTBOX}/one.request", text("x"), [email])


def test_emails_do_not_depend_on_case(federation: Federation, alice: Transport, bob: Transport) -> None:
    alice.publish(f"{OUTBOX}/one.request", text("hello"), [BOB.upper()])
    assert arrives(federation, bob, ALICE.upper(), f"{OUTBOX}/one.request", b"hello")
    assert alice.email == ALICE


def test_every_method_may_be_called_from_several_threads(
    federation: Federation, alice: Transport, bob: Transport, tmp_path: Path
) -> None:
    watch = bob.watch(ALICE, OUTBOX)

    def one(number: int) -> bytes:
        path = f"{OUTBOX}/{number}.request"
        alice.publish(path, text(f"number {number}"), [BOB])
        assert arrives(federation, bob, ALICE, path, f"number {number}".encode())
        watch.new()
        alice.list_own()
        bob.fetch(ALICE, path, tmp_path / f"copy {number}")
        alice.remove(path)
        return (tmp_path / f"copy {number}").read_bytes()

    with ThreadPoolExecutor(max_workers=6) as pool:
        copies = list(pool.map(one, range(federation.load)))
    assert copies == [f"number {number}".encode() for number in range(federation.load)]
    assert alice.list_own() == []


def test_a_store_that_goes_away_is_named_and_used_again_when_it_is_back(
    federation: Federation, alice: Transport, bob: Transport
) -> None:
    if federation.outage is None:
        pytest.skip("this store cannot be taken away")
    watch = bob.watch(ALICE, OUTBOX)
    alice.publish(f"{OUTBOX}/one.request", text("before"), [BOB])
    told(federation, bob, watch, "one.request")
    with federation.outage():
        with pytest.raises(TransientError) as raised:
            alice.publish(f"{OUTBOX}/two.request", text("during"), [BOB])
        assert raised.value.hint
        with pytest.raises(TransportError):
            bob.open(ALICE, f"{OUTBOX}/one.request")
    alice.publish(f"{OUTBOX}/three.request", text("after"), [BOB])
    assert "two.request" not in told(federation, bob, watch, "three.request")
    assert content_of(bob, ALICE, f"{OUTBOX}/one.request") == b"before"


def test_properties_are_sensible(alice: Transport) -> None:
    properties = alice.properties
    assert isinstance(properties, Properties)
    assert 0 < properties.inline_limit <= 1 << 20
    assert 0 <= properties.listing_cost < 10


def test_a_transport_can_be_closed_while_somebody_waits(federation: Federation) -> None:
    transport = federation.open(CAROL)
    watch = transport.watch(ALICE, OUTBOX)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(transport.wait, transport.token(), 3600.0)
        watch.close()
        transport.close()
        assert isinstance(waiting.result(federation.patience), int)


def test_bytes_content_is_content() -> None:
    content = BytesContent(b"hello")
    assert isinstance(content, Content)
    assert content.size == 5
    assert b"".join(content.chunks()) == b"".join(content.chunks()) == b"hello"
    assert isinstance(io.BytesIO(b"".join(content.chunks())).read(), bytes)
