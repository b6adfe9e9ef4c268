"""Points of small order and second encodings: refused as keys, whoever shows them, because they prove nothing."""

import hashlib
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.curve_points import is_sound_ed25519, is_sound_x25519
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity, parse_public
from syft_flwr_cli.security.public_identity import SELF_TAG
from syft_flwr_cli.security.sealing import seal

PRIME = (1 << 255) - 19
EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
NEUTRAL = (1).to_bytes(32, "little")
SIGN = 1 << 255


def point(number: int) -> bytes:
    return number.to_bytes(32, "little")


SMALL_ED25519 = [point(y | sign) for y in (0, 1, PRIME - 1, EIGHTH, PRIME - EIGHTH) for sign in (0, SIGN)]
SECOND_ED25519 = [point(PRIME + y) for y in (0, 1, 3, 18)]
SMALL_X25519 = [
    point(u)
    for u in (
        0,
        1,
        PRIME - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    )
]
SECOND_X25519 = [point(PRIME + 9), point(9 | SIGN), point(PRIME), point(PRIME + 1)]


def identity(seed: str = "alice") -> Identity:
    return Identity.create("alice@lab.example", 0, hashlib.shake_256(seed.encode()).digest(SECRETS_SIZE))


def constant_signature_holds(key: bytes) -> bool:
    """Whether one made-up signature holds for one message in a hundred, with a key that nobody has made."""
    signature = NEUTRAL + bytes(32)
    for number in range(100):
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, b"message %d" % number)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def test_the_signature_that_holds_for_everything_is_real() -> None:
    """What is refused below is refused for a reason: OpenSSL takes each of these keys that is on the curve."""
    assert sum(constant_signature_holds(key) for key in SMALL_ED25519) >= 5


@pytest.mark.parametrize("raw", [*SMALL_ED25519, *SECOND_ED25519], ids=bytes.hex)
def test_signing_keys_that_prove_nothing_are_not_sound(raw: bytes) -> None:
    assert not is_sound_ed25519(raw)


@pytest.mark.parametrize("raw", [*SMALL_X25519, *SECOND_X25519], ids=bytes.hex)
def test_sealing_keys_that_hide_nothing_are_not_sound(raw: bytes) -> None:
    assert not is_sound_x25519(raw)


@pytest.mark.parametrize("raw", SMALL_X25519, ids=bytes.hex)
def test_the_library_makes_no_secret_with_the_sealing_keys_of_small_order(raw: bytes) -> None:
    private = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    with pytest.raises(ValueError, match="shared key"):
        private.exchange(X25519PublicKey.from_public_bytes(raw))


def test_keys_that_were_made_are_sound() -> None:
    for number in range(50):
        public = identity(str(number)).public
        assert is_sound_ed25519(public.signing_key)
        assert is_sound_x25519(public.sealing_key[-32:])


@pytest.mark.parametrize("raw", [*SMALL_ED25519, *SECOND_ED25519], ids=bytes.hex)
def test_no_document_shows_such_a_signing_key_and_no_signature_counts_under_it(raw: bytes) -> None:
    forged = replace(identity().public, signing_key=raw, signature=NEUTRAL + bytes(32))
    with pytest.raises(RefusedError) as refused:
        parse_public(forged.to_bytes())
    assert refused.value.reason == "key"
    assert not any(forged.verify(b"message %d" % number, forged.signature) for number in range(100))


@pytest.mark.parametrize("raw", [*SMALL_X25519, *SECOND_X25519], ids=bytes.hex)
def test_no_document_shows_such_a_sealing_key_and_nothing_is_sealed_to_it(raw: bytes) -> None:
    mallory = identity("mallory")
    shown = replace(mallory.public, sealing_key=mallory.public.sealing_key[:-32] + raw)
    shown = replace(shown, signature=mallory.sign(SELF_TAG + shown.statement()))
    with pytest.raises(RefusedError) as refused:
        parse_public(shown.to_bytes())
    assert refused.value.reason == "key"
    with pytest.raises(RefusedError) as refused:
        seal(b"a model", shown, b"")
    assert refused.value.reason == "key"
