"""The original's constants."""

__all__ = ["SYFT_FLWR_ENCRYPTION_ENABLED"]

SYFT_FLWR_ENCRYPTION_ENABLED = "SYFT_FLWR_ENCRYPTION_ENABLED"
"""The environment variable that switches encryption off for debugging, as ``false``."""
