"""Where a command gets the passphrase of protected keys: the environment, else the terminal."""

import getpass
import os
import sys

from syft_flwr_cli.errors import TrustError

__all__ = ["ask_passphrase"]


def ask_passphrase() -> bytes:
    """``SYFT_FLWR_PASSPHRASE``, or what the person types.

    Raises
    ------
    TrustError
        If it is not set and there is no terminal to ask at.
    """
    text = os.environ.get("SYFT_FLWR_PASSPHRASE", "")
    if not text and sys.stdin.isatty() and sys.stderr.isatty():
        text = getpass.getpass("Passphrase of your keys: ", stream=sys.stderr)
    if not text:
        raise TrustError("Your keys are protected by a passphrase.", hint="Set SYFT_FLWR_PASSPHRASE.")
    return text.encode("utf-8")
