"""Sealing: what opens, what does not, and whether the library's HPKE is the one of the RFC."""

import io

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.sealing import (
    CHUNK,
    KEY_SIZE,
    MAX_PAYLOAD,
    SEAL_OVERHEAD,
    SEALING_SEED_SIZE,
    TAG,
    SealedPayload,
    SealingKey,
    content_digest,
    open_payload,
    seal,
    sealed_size,
)
from syft_flwr_cli.transports.base import Content

KEY = bytes(range(KEY_SIZE))


class Recipient:
    def __init__(self, key: SealingKey) -> None:
        self.sealing_key = key.public


def sealed(content: bytes, key: bytes = KEY) -> bytes:
    return b"".join(bytes(chunk) for chunk in SealedPayload(key, [content]).chunks())


def opened(file: bytes, content: bytes, key: bytes = KEY) -> bytes:
    out = bytearray(len(content))
    open_payload(io.BytesIO(file), key, len(content), content_digest([content]), memoryview(out))
    return bytes(out)


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def test_the_library_computes_the_hpke_of_rfc_9180() -> None:
    # RFC 9180, appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode.
    info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    enc = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
    recipient = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
    )
    key = bytes.fromhex("4531685d41d65f03dc48f6b8302c05b0")
    base_nonce = bytes.fromhex("56d890e5accaaf011cff4b7d")
    plaintext = bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")
    ciphertext = bytes.fromhex(
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
    )
    # The key schedule's key and nonce are those that open the RFC's own ciphertext (its aad is "Count-0").
    assert AESGCM(key).decrypt(base_nonce, ciphertext, b"Count-0") == plaintext
    # The library, given nothing but the encapsulated and the private key, arrives at the same two.
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)
    one_shot = enc + AESGCM(key).encrypt(base_nonce, plaintext, b"")
    assert suite.decrypt(one_shot, recipient, info) == plaintext


def test_content_digest_is_blake3_of_the_concatenation() -> None:
    assert content_digest([]).hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert content_digest([b"ab", bytearray(b"c"), memoryview(b"de")]) == blake3(b"abcde").digest()


def test_what_is_sealed_opens_for_its_recipient_with_the_same_info() -> None:
    key = SealingKey(bytes(SEALING_SEED_SIZE))
    closed = seal(b"a body", Recipient(key), b"a header")
    assert len(closed) == len(b"a body") + SEAL_OVERHEAD
    assert b"a body" not in closed
    assert key.open(closed, b"a header") == b"a body"


@pytest.mark.parametrize(
    "what", ["another key", "another info", "a flipped bit", "a missing byte", "nothing"]
)
def test_what_was_sealed_otherwise_is_undecryptable(what: str) -> None:
    key = SealingKey(bytes(SEALING_SEED_SIZE))
    closed = seal(b"a body", Recipient(key), b"a header")
    info = b"a header"
    if what == "another key":
        key = SealingKey(b"\1" * SEALING_SEED_SIZE)
    elif what == "another info":
        info = b"a headex"
    elif what == "a flipped bit":
        closed = bytes([closed[0] ^ 1]) + closed[1:]
    elif what == "a missing byte":
        closed = closed[:-1]
    else:
        closed = b""
    with pytest.raises(RefusedError) as refused:
        key.open(closed, info)
    assert refused.value.reason == "undecryptable"


def test_sealing_to_something_that_is_no_key_is_refused() -> None:
    class Broken:
        sealing_key = b"\xff" * 1216

    with pytest.raises(RefusedError) as refused:
        seal(b"a body", Broken(), b"")
    assert refused.value.reason == "key"


def test_two_sealings_of_the_same_body_share_nothing() -> None:
    recipient = Recipient(SealingKey(bytes(SEALING_SEED_SIZE)))
    assert seal(b"a body", recipient, b"")[:64] != seal(b"a body", recipient, b"")[:64]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 3])
def test_a_payload_of_any_size_comes_back(size: int) -> None:
    content = pattern(size)
    file = sealed(content)
    assert len(file) == sealed_size(size) == size + TAG * max(1, -(-size // CHUNK))
    assert opened(file, content) == content


def test_a_payload_is_published_as_the_same_bytes_every_time() -> None:
    payload = SealedPayload(KEY, [pattern(CHUNK + 9)])
    first = [bytes(chunk) for chunk in payload.chunks()]
    assert first == [bytes(chunk) for chunk in payload.chunks()]
    assert isinstance(payload, Content)
    assert payload.size == sum(len(chunk) for chunk in first)


def test_how_content_is_split_into_buffers_leaves_no_trace() -> None:
    content = pattern(2 * CHUNK + 77)
    parts = [content[:5], b"", bytearray(content[5 : CHUNK + 1]), memoryview(content)[CHUNK + 1 :]]
    assert b"".join(bytes(chunk) for chunk in SealedPayload(KEY, parts).chunks()) == sealed(content)


def test_the_plaintext_is_checked_without_keeping_it() -> None:
    content = pattern(CHUNK + 1)
    open_payload(io.BytesIO(sealed(content)), KEY, len(content), content_digest([content]), None)
    with pytest.raises(RefusedError):
        open_payload(io.BytesIO(sealed(content)), KEY, len(content), content_digest([b"else"]), None)


def test_a_stream_that_gives_little_at_a_time_is_read_to_its_end() -> None:
    class Trickle:
        def __init__(self, data: bytes) -> None:
            self.inner = io.BytesIO(data)

        def read(self, size: int) -> bytes:
            return self.inner.read(min(size, 100_003))

    content = pattern(CHUNK + 1)
    out = bytearray(len(content))
    stream = Trickle(sealed(content))
    open_payload(stream, KEY, len(content), content_digest([content]), memoryview(out))  # type: ignore[arg-type]
    assert bytes(out) == content


def swap_chunks(file: bytes) -> bytes:
    whole = CHUNK + TAG
    return file[whole : 2 * whole] + file[:whole] + file[2 * whole :]


@pytest.mark.parametrize(
    ("what", "harm"),
    [
        ("cut off by one byte", lambda file: file[:-1]),
        ("cut off after a chunk", lambda file: file[: 2 * (CHUNK + TAG)]),
        ("empty", lambda file: b""),
        ("one byte longer", lambda file: file + b"\0"),
        ("one chunk longer", lambda file: file + file[: CHUNK + TAG]),
        ("two chunks swapped", swap_chunks),
        (
            "first chunk twice",
            lambda file: file[: CHUNK + TAG] + file[: CHUNK + TAG] + file[2 * (CHUNK + TAG) :],
        ),
        ("a bit flipped", lambda file: file[:CHUNK] + bytes([file[CHUNK] ^ 128]) + file[CHUNK + 1 :]),
    ],
)
def test_a_payload_that_was_touched_is_damaged(what: str, harm) -> None:
    content = pattern(3 * CHUNK)
    with pytest.raises(RefusedError) as refused:
        opened(harm(sealed(content)), content)
    assert refused.value.reason == "damaged", what


def test_a_chunk_of_another_payload_does_not_fit() -> None:
    one, other = pattern(2 * CHUNK), bytes(2 * CHUNK)
    spliced = sealed(one)[: CHUNK + TAG] + sealed(other, bytes(KEY_SIZE))[CHUNK + TAG :]
    with pytest.raises(RefusedError, match="Chunk 2 of 2"):
        opened(spliced, one)


def test_a_payload_with_the_right_key_but_other_content_is_damaged() -> None:
    with pytest.raises(RefusedError, match="not the one"):
        opened(sealed(b"poisoned"), b"original")


def test_no_memory_is_set_aside_for_a_payload_that_is_only_announced() -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(RefusedError) as refused:
            open_payload(io.BytesIO(b"short"), KEY, MAX_PAYLOAD, bytes(32), None)
        assert tracemalloc.get_traced_memory()[1] < 8 * CHUNK
    finally:
        tracemalloc.stop()
    assert refused.value.reason == "damaged"


@pytest.mark.parametrize("size", [-1, MAX_PAYLOAD + 1])
def test_a_size_that_no_payload_can_have_is_refused(size: int) -> None:
    with pytest.raises(RefusedError) as refused:
        open_payload(io.BytesIO(b""), KEY, size, bytes(32), None)
    assert refused.value.reason == "oversized"


@pytest.mark.parametrize(("key", "digest"), [(b"short", bytes(32)), (KEY, b"short")])
def test_a_payload_announced_without_a_whole_key_or_digest_is_refused(key: bytes, digest: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        open_payload(io.BytesIO(sealed(b"")), key, 0, digest, None)
    assert refused.value.reason == "damaged"


def test_a_buffer_of_another_size_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="buffer"):
        open_payload(io.BytesIO(sealed(b"ab")), KEY, 2, content_digest([b"ab"]), memoryview(bytearray(3)))


@pytest.mark.parametrize("make", [lambda: SealedPayload(b"short", [b""]), lambda: SealingKey(b"short")])
def test_short_keys_are_a_mistake_of_the_caller(make) -> None:
    with pytest.raises(ValueError, match="bytes"):
        make()
