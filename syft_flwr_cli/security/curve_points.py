"""Which encodings of Curve25519 points are no public key: those of small order, and second ways to write one.

An Ed25519 key of small order has signatures that hold for many messages or for all (Chalkias, Garillot and
Nikolaenko, "Taming the Many EdDSAs", 2020); an X25519 key of small order makes a shared secret that anybody
knows, or an error (RFC 7748, section 6.1). A point that is written in two ways has two fingerprints. No keys
that were made from random bytes are concerned. Pure arithmetic on 32 bytes; that an encoding is on the curve is
for the signature, or the key agreement, to find out.
"""

from typing import Final

__all__ = ["is_sound_ed25519", "is_sound_x25519"]

_PRIME: Final = (1 << 255) - 19

# The ordinates of the eight points of small order on edwards25519 (RFC 8032 has the curve): the neutral element,
# the one of order two, two of order four, four of order eight.
_EIGHTH: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
_SMALL_EDWARDS: Final = frozenset({0, 1, _PRIME - 1, _EIGHTH, _PRIME - _EIGHTH})

# The abscissas of the points of small order on curve25519 and on its twist (Bernstein, "Curve25519", 2006, and
# https://cr.yp.to/ecdh.html, without those that are second ways to write one of them).
_SMALL_MONTGOMERY: Final = frozenset(
    {
        0,
        1,
        _PRIME - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)


def is_sound_ed25519(raw: bytes) -> bool:
    """Whether 32 bytes are the one encoding of a point that is not of small order (if of a point at all)."""
    ordinate = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    return len(raw) == 32 and ordinate < _PRIME and ordinate not in _SMALL_EDWARDS


def is_sound_x25519(raw: bytes) -> bool:
    """Whether 32 bytes are the one encoding of an abscissa that is not of small order."""
    abscissa = int.from_bytes(raw, "little")
    return len(raw) == 32 and abscissa < _PRIME and abscissa not in _SMALL_MONTGOMERY
