"""Flower's error codes, by what they mean here: the ``code`` of an error reply (``flwr.app.Error``).

The numbers are Flower's ``ErrorCode`` and are compared with it by a test; flwr itself is not imported, because
the code that delivers messages and runs apps does without it.
"""

from typing import Final

__all__ = ["APP_CRASHED", "APP_NOT_LOADED", "APP_RAISED", "NOT_EXECUTED", "NO_ANSWER", "UNUSABLE"]

APP_NOT_LOADED: Final = 1
"""The ClientApp could not be imported (``LOAD_CLIENT_APP_EXCEPTION``)."""

APP_RAISED: Final = 2
"""The ClientApp raised an exception (``CLIENT_APP_RAISED_EXCEPTION``)."""

UNUSABLE: Final = 3
"""A message is not one that can be used (``MESSAGE_UNAVAILABLE``)."""

NO_ANSWER: Final = 5
"""A data owner did not answer in time (``NODE_UNAVAILABLE``)."""

NOT_EXECUTED: Final = 6
"""The data owner's approval, policy or mods did not let the message pass (``MOD_FAILED_PRECONDITION``)."""

APP_CRASHED: Final = 8
"""The ClientApp's process died (``CLIENT_APP_CRASHED``)."""
