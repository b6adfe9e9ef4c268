"""Where the passphrase of protected keys comes from: the environment, the system's keyring, the terminal.

Asked in this order, and only when keys are protected. The keyring is used if the ``keyring`` extra is
installed and holds an entry; nobody is asked anything where there is no terminal. Knows no key files.
"""

import getpass
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.security.process_memory import hide_variable

__all__ = [
    "KEYRING_SERVICE",
    "VARIABLE",
    "ask_new_passphrase",
    "ask_passphrase",
    "has_terminal",
    "keep_in_keyring",
    "passphrase_source",
]

VARIABLE: Final = "SYFT_FLWR_PASSPHRASE"
"""The environment variable that holds the passphrase."""

KEYRING_SERVICE: Final = "syft-flwr"
"""Under which name the system's keyring keeps passphrases; the user name is the e-mail."""

MAX_PASSPHRASE: Final = 1024


def passphrase_source(email: str) -> Callable[[], bytes]:
    """What `identity.load_or_create` may call if the keys of ``email`` turn out to be protected."""
    return partial(ask_passphrase, email)


def ask_passphrase(email: str) -> bytes:
    """The passphrase of the keys of ``email``.

    Raises
    ------
    TrustError
        If it is not in the environment, not in the keyring, and there is no terminal to ask at.
    """
    hide_variable(VARIABLE)  # for programs that use the library: the command line has done so at its start
    text = os.environ.get(VARIABLE, "") or _in_keyring(email)
    if not text and has_terminal():
        text = getpass.getpass(f"Passphrase of the keys of {email}: ", stream=sys.stderr)
    if not text:
        raise TrustError(
            f"The keys of {email} are protected by a passphrase.",
            hint=f"Set {VARIABLE}, or start the command at a terminal.",
        )
    return text.encode()


def ask_new_passphrase(file: Path | None) -> bytes:
    """A new passphrase: the first line of ``file`` (``-`` for stdin), or typed twice at the terminal.

    Raises
    ------
    UsageError
        If there is neither, or it is empty, very long or typed differently.
    """
    if file is not None:
        text = _first_line(file)
    elif has_terminal():
        text = getpass.getpass("New passphrase: ", stream=sys.stderr)
        if getpass.getpass("Once more: ", stream=sys.stderr) != text:
            raise UsageError("The two passphrases differ.", hint="Try again.")
    else:
        raise UsageError(
            "There is no terminal to ask for a new passphrase at.",
            hint="Give a file whose first line it is with --passphrase-file FILE (- for stdin).",
        )
    if not text:
        raise UsageError("The passphrase is empty.", hint="Take several words that nobody can guess.")
    return text.encode()


def keep_in_keyring(email: str, passphrase: str) -> None:
    """Put the passphrase of ``email`` into the system's keyring; `UsageError` if there is none."""
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise UsageError(
            "The system's keyring cannot be used: the package keyring is not installed.",
            hint="Type: pip install 'syft-flwr-cli[keyring]'",
        ) from error
    try:
        keyring.set_password(KEYRING_SERVICE, email, passphrase)
    except keyring.errors.KeyringError as error:
        raise UsageError(
            f"The system's keyring does not take the passphrase: {error}",
            hint="Unlock it, or use a passphrase of your own: syft-flwr keys protect",
        ) from error


def has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _in_keyring(email: str) -> str:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return ""  # the extra is optional; then there is nothing in it either
    try:
        return keyring.get_password(KEYRING_SERVICE, email) or ""
    except keyring.errors.KeyringError:
        return ""  # locked or missing: the person is asked instead


def _first_line(file: Path) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.readline(MAX_PASSPHRASE).rstrip("\r\n")
        with file.open(encoding="utf-8") as stream:
            return stream.readline(MAX_PASSPHRASE).rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}", hint="Name another --passphrase-file.") from error
