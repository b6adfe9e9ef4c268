"""Sealing, for any content: it comes back whole, and nothing that was touched does."""

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.sealing import (
    CHUNK,
    KEY_SIZE,
    SEALING_SEED_SIZE,
    TAG,
    SealedPayload,
    SealingKey,
    content_digest,
    open_payload,
    seal,
    sealed_size,
)

WHOLE = CHUNK + TAG
KEYS = st.binary(min_size=KEY_SIZE, max_size=KEY_SIZE)
AROUND_EDGES = st.builds(
    lambda chunks, off: max(0, chunks * CHUNK + off), st.integers(0, 3), st.integers(-TAG - 1, TAG + 1)
)
SIZES = st.one_of(st.integers(0, 70_000), AROUND_EDGES)

RECIPIENT = SealingKey(bytes(SEALING_SEED_SIZE))


class Shown:
    sealing_key = RECIPIENT.public


def content_of(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def sealed(key: bytes, parts: list[bytes]) -> bytes:
    return b"".join(bytes(chunk) for chunk in SealedPayload(key, parts).chunks())


def opens(file: bytes, key: bytes, content: bytes) -> bool:
    out = bytearray(len(content))
    try:
        open_payload(io.BytesIO(file), key, len(content), content_digest([content]), memoryview(out))
    except RefusedError as error:
        assert error.reason == "damaged"
        return False
    assert bytes(out) == content
    return True


@settings(max_examples=60, deadline=None)
@given(key=KEYS, size=SIZES, cuts=st.lists(st.floats(0, 1), max_size=4))
def test_any_content_in_any_buffers_comes_back(key: bytes, size: int, cuts: list[float]) -> None:
    content = content_of(size)
    places = sorted(int(cut * size) for cut in cuts)
    parts = [content[a:b] for a, b in zip([0, *places], [*places, size], strict=True)]
    file = sealed(key, parts)
    assert len(file) == sealed_size(size) == SealedPayload(key, parts).size
    assert opens(file, key, content)


@settings(max_examples=60, deadline=None)
@given(key=KEYS, size=SIZES, at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(key: bytes, size: int, at: float, bit: int) -> None:
    content = content_of(size)
    file = bytearray(sealed(key, [content]))
    file[int(at * len(file))] ^= 1 << bit
    assert not opens(bytes(file), key, content)


@settings(max_examples=60, deadline=None)
@given(key=KEYS, size=SIZES, keep=st.floats(0, 1, exclude_max=True), more=st.binary(min_size=1, max_size=40))
def test_any_truncation_and_any_tail_is_found(key: bytes, size: int, keep: float, more: bytes) -> None:
    content = content_of(size)
    file = sealed(key, [content])
    assert not opens(file[: int(keep * len(file))], key, content)
    assert not opens(file + more, key, content)


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(4)), size=st.integers(3 * CHUNK + 1, 4 * CHUNK))
def test_any_reordering_of_chunks_is_found(order: list[int], size: int) -> None:
    content = content_of(size)
    file = sealed(bytes(KEY_SIZE), [content])
    chunks = [file[at : at + WHOLE] for at in range(0, len(file), WHOLE)]
    assert opens(b"".join(chunks[place] for place in order), bytes(KEY_SIZE), content) == (
        order == sorted(order)
    )


@settings(max_examples=40, deadline=None)
@given(size=SIZES, announced=SIZES)
def test_a_payload_opens_only_under_its_own_size(size: int, announced: int) -> None:
    file = sealed(bytes(KEY_SIZE), [content_of(size)])
    assert opens(file, bytes(KEY_SIZE), content_of(announced)) == (size == announced)


@settings(max_examples=60, deadline=None)
@given(file=st.binary(max_size=200), size=st.one_of(st.integers(0, 300), st.integers(-(2**70), 2**70)))
def test_any_bytes_are_refused_as_a_payload(file: bytes, size: int) -> None:
    with pytest.raises(RefusedError):
        open_payload(io.BytesIO(file), bytes(KEY_SIZE), size, bytes(32), None)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=5000), info=st.binary(max_size=100))
def test_any_body_opens_with_its_info(body: bytes, info: bytes) -> None:
    assert RECIPIENT.open(seal(body, Shown(), info), info) == body


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=300),
    harm=st.one_of(
        st.builds(
            lambda at, bit: lambda data: flipped(data, at, bit),
            st.floats(0, 1, exclude_max=True),
            st.integers(0, 7),
        ),
        st.builds(lambda keep: lambda data: data[: int(keep * len(data))], st.floats(0, 1, exclude_max=True)),
        st.builds(lambda more: lambda data: data + more, st.binary(min_size=1, max_size=20)),
        st.builds(lambda junk: lambda data: junk, st.binary(max_size=1500)),
    ),
)
def test_a_body_that_was_touched_never_opens(body: bytes, harm: Callable[[bytes], bytes]) -> None:
    with pytest.raises(RefusedError):
        RECIPIENT.open(harm(seal(body, Shown(), b"")), b"")


def flipped(data: bytes, at: float, bit: int) -> bytes:
    changed = bytearray(data)
    changed[int(at * len(data))] ^= 1 << bit
    return bytes(changed)
