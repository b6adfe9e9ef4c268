"""What the aggregator hears of an app's error: its class, if that is a known one, and an id. The text stays here.

The message of an exception, its traceback and the last lines of an app's log hold paths, and often rows of the data.
So by default they do not leave: they are kept in the data owner's own folder under the id of the request, and what
travels names the beginning of that id. The class of an exception is a name that the app chooses, and so a channel, too:
only names that Python or a widely used library has are passed on, every other one is ``Exception``. An owner whose
policy says ``error_texts = true`` lets the text go. Applied at the node, which does not believe the app's process.
"""

import builtins
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.events import AppRaised, Emit, nobody
from syft_flwr_cli.flower.error_codes import APP_CRASHED, APP_NOT_LOADED, APP_RAISED
from syft_flwr_cli.flower.reply_frame import error_of

__all__ = ["KNOWN_CLASSES", "AppErrors", "known_class"]

KEPT: Final = 200
"""Errors of an app whose texts are kept; the oldest go first."""

SHOWN_DIGITS: Final = 8
"""Digits of a request's id by which the two sides speak of an error."""

KNOWN_CLASSES: Final = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
) | {
    "ConvergenceWarning",
    "DatabaseError",
    "EmptyDataError",
    "IntegrityError",
    "InvalidIndexError",
    "JSONDecodeError",
    "LinAlgError",
    "LoadClientAppError",
    "NotFittedError",
    "OperationalError",
    "OutOfMemoryError",
    "ParserError",
    "UsageError",
    "XGBoostError",
}
"""The names of exceptions that are passed on."""


def known_class(text: str) -> str:
    """The class that an app's error begins with, if it is a known one; else ``Exception``."""
    name = text.partition("\n")[0].partition(":")[0].strip().rpartition(".")[2]
    return name if name in KNOWN_CLASSES else "Exception"


def _with_its_error(result: TaskResult) -> TaskResult:
    """The error that stands in the reply, as an error; what is not of Flower's form is for the egress rules."""
    try:
        error = error_of(result.skeleton) if result.error is None else None
    except ValueError:
        return result
    if error is None:
        return result
    code, text = error
    result.release()
    return TaskResult(error=(code if 0 < code <= APP_CRASHED else APP_RAISED, text), state=result.state)


class AppErrors:
    """Keeps the texts of an app's errors, and says what the aggregator is to hear of them.

    Parameters
    ----------
    folder : Path
        Where they are kept, one file each; made with the first.
    texts_leave : Callable[[], bool]
        Whether the owner lets the texts go; asked each time.
    emit : Emit
        Hears of each error, for the owner to read.
    """

    def __init__(
        self, folder: Path, texts_leave: Callable[[], bool] = lambda: False, emit: Emit = nobody
    ) -> None:
        self._folder = folder
        self._texts_leave = texts_leave
        self._emit = emit
        self._not_loaded: tuple[str, str, str] | None = None

    def __call__(self, work: Task, result: TaskResult) -> TaskResult:
        """``result``, with as much of its error as may leave, also of one that the app replies with itself."""
        result = _with_its_error(result)
        if result.error is None:
            return result
        code, text = result.error
        identifier = work.id[:SHOWN_DIGITS]
        if code == APP_NOT_LOADED and self._not_loaded and self._not_loaded[1:] == (work.run, text):
            identifier = self._not_loaded[
                0
            ]  # an import that fails is said once, not with each request of the run
        else:
            self._emit(
                AppRaised(work.id, identifier, text.partition("\n")[0], str(self._keep(work.id, text)))
            )
            self._not_loaded = (identifier, work.run, text) if code == APP_NOT_LOADED else None
        if self._open():
            return result
        what = "The ClientApp's process died" if code == APP_CRASHED else known_class(text)
        return replace(result, error=(code, f"{what} (the data owner can look up error {identifier})"))

    def _open(self) -> bool:
        try:
            return self._texts_leave()
        except SyftFlwrError:
            return False  # a policy that cannot be read opens nothing; the gate says so

    def _keep(self, name: str, text: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._folder / f"{name}.txt"
        with os.fdopen(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", errors="replace"
        ) as stream:
            stream.write(text + "\n")
        kept = sorted(self._folder.glob("*.txt"), key=lambda path: path.stat().st_mtime_ns)
        for old in kept[:-KEPT]:
            old.unlink(missing_ok=True)
        return file
