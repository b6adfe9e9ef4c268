"""The one family of errors, and the exit codes that scripts can rely on.

Every error says what happened and, in ``hint``, what to do about it. The command line prints
``error: …`` and ``hint: …`` and leaves with ``exit_code``; the library raises. An error is raised
where it is understood. This module imports nothing of the project.
"""

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "AuditError",
    "BusyError",
    "DiskError",
    "DivergenceError",
    "ExitCode",
    "ForeignHomeError",
    "NoAnswerError",
    "NobodyTookPartError",
    "NotAProjectError",
    "NotApprovedError",
    "NotThereError",
    "OnlyErrorsError",
    "RunStoppedError",
    "SyftFlwrError",
    "TooFewRepliesError",
    "TransportError",
    "TrustError",
    "UsageError",
]


@dataclass(frozen=True, slots=True)
class ExitCode:
    """A number that scripts can rely on, and what it says."""

    number: int
    meaning: str


EXIT_CODES = (
    ExitCode(0, "Done."),
    ExitCode(1, "Something that was not expected; --debug shows where. Also: the ServerApp failed."),
    ExitCode(2, "A flag, a name or a value is missing or cannot be used."),
    ExitCode(3, "The run is finished, but data owners were missing in it."),
    ExitCode(10, "The folder is no Flower project, or no federated one yet."),
    ExitCode(11, "Another process of yours holds this app on this machine."),
    ExitCode(12, "A key is missing, changed, revoked or not verified, or a signature does not hold."),
    ExitCode(13, "The shared store cannot be reached, or refuses."),
    ExitCode(14, "The data owner has not approved this code."),
    ExitCode(15, "Fewer data owners answered in time than the run needs."),
    ExitCode(16, "An audit record is broken."),
    ExitCode(17, "A ServerApp that was started again did something else than before."),
    ExitCode(18, "The ServerApp came to its end, but every answer in the last round was an error."),
    ExitCode(19, "All that could be done is done, and something waits for a decision (node --once)."),
    ExitCode(20, "This home is a restored or foreign one: another machine has gone on with it."),
    ExitCode(21, "The run was stopped by a command (stop, runs stop)."),
    ExitCode(130, "Interrupted; the same command goes on."),
)
"""Every exit code, in the order of the numbers: what ``syft-flwr help exit-codes`` prints."""

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_MISSING_OWNERS = 3
EXIT_NOT_A_PROJECT = 10
EXIT_BUSY = 11
EXIT_TRUST = 12
EXIT_TRANSPORT = 13
EXIT_NOT_APPROVED = 14
EXIT_TOO_FEW_REPLIES = 15
EXIT_AUDIT = 16
EXIT_DIVERGED = 17
EXIT_ONLY_ERRORS = 18
EXIT_UNDECIDED = 19
EXIT_FOREIGN_HOME = 20
EXIT_STOPPED = 21
EXIT_INTERRUPTED = 130


class SyftFlwrError(Exception):
    """Something went wrong that the user can be told about in a sentence.

    Parameters
    ----------
    what : str
        One sentence: what happened, to what.
    hint : str
        One sentence: what to do about it. Empty only where nothing can be done.
    """

    exit_code: ClassVar[int] = EXIT_UNEXPECTED

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(SyftFlwrError):
    """A flag, a name or a value was not of the form that is needed."""

    exit_code = EXIT_USAGE


class NotAProjectError(SyftFlwrError):
    """The folder is no Flower project, or no federated one yet."""

    exit_code = EXIT_NOT_A_PROJECT


class BusyError(SyftFlwrError):
    """Another process holds this run."""

    exit_code = EXIT_BUSY


class TrustError(SyftFlwrError):
    """A key is missing, changed, revoked or not verified; or a signature does not hold."""

    exit_code = EXIT_TRUST


class TransportError(SyftFlwrError):
    """The store cannot be reached, or refuses."""

    exit_code = EXIT_TRANSPORT


class NotThereError(TransportError):
    """A file is not there, or not there yet."""


class DiskError(SyftFlwrError):
    """This machine's own disk refuses what has to be remembered: it is full, or read-only."""


class NotApprovedError(SyftFlwrError):
    """The data owner has not approved this code."""

    exit_code = EXIT_NOT_APPROVED


class TooFewRepliesError(SyftFlwrError):
    """Fewer data owners answered in time than the run needs."""

    exit_code = EXIT_TOO_FEW_REPLIES


class NoAnswerError(SyftFlwrError):
    """No data owner answered in time, and the ServerApp could not go on without."""

    exit_code = EXIT_MISSING_OWNERS


class OnlyErrorsError(SyftFlwrError):
    """Every answer in the last round was an error, whether the ServerApp came to its end with that or failed."""

    exit_code = EXIT_ONLY_ERRORS


class AuditError(SyftFlwrError):
    """An audit log does not verify."""

    exit_code = EXIT_AUDIT


class DivergenceError(SyftFlwrError):
    """On replay the ServerApp did something else than it did before."""

    exit_code = EXIT_DIVERGED


class ForeignHomeError(SyftFlwrError):
    """This home was restored from a backup, or copied, and another machine has gone on with it since."""

    exit_code = EXIT_FOREIGN_HOME


class RunStoppedError(SyftFlwrError):
    """A command of the aggregator's has stopped the run; ``reason`` is what the data owners are told."""

    exit_code = EXIT_STOPPED

    def __init__(self, reason: str) -> None:
        super().__init__(f"The run was stopped: {reason}", hint="Begin a new one: syft-flwr run-server")
        self.reason = reason


class NobodyTookPartError(SyftFlwrError):
    """Every data owner refused to run the app."""

    exit_code = EXIT_MISSING_OWNERS
