"""The sealing suites that a header can name, and the type of binary data that the package passes around."""

__all__ = ["SUITE", "SUITE_NONE", "Buffer"]

Buffer = bytes | bytearray | memoryview

SUITE = "HPKE-MLKEM768-X25519-HKDF-SHA256-AES-256-GCM"
"""HPKE (RFC 9180) with the post-quantum hybrid ML-KEM-768 + X25519."""

SUITE_NONE = "none"
"""Not sealed, for debugging; still signed."""
