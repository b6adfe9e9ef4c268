"""What an app says of its errors stays with the data owner; the aggregator hears a class that is known, and an id."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import AppRaised, Event
from syft_flwr_cli.execution.app_errors import KEPT, AppErrors, known_class
from syft_flwr_cli.execution.worker import Executor
from syft_flwr_cli.flower.error_codes import APP_CRASHED, APP_NOT_LOADED, APP_RAISED
from syft_flwr_cli.protocol.body import Body

ROW = "1971-03-04;HIV positive"


def task(number: int = 1) -> Task:
    return Task(f"{number:08x}-0000-8000-8000-000000000000", "7", Body("train"), [], None, None, 1)


def failing(text: str, code: int = APP_RAISED) -> TaskResult:
    return TaskResult(error=(code, text))


def test_the_text_of_an_exception_stays_and_can_be_looked_up(tmp_path: Path) -> None:
    heard: list[Event] = []
    text = f"ValueError: bad row {ROW}\nTraceback (most recent call last):\n  File '/home/clinic/secret.csv'"
    result = AppErrors(tmp_path / "errors", emit=heard.append)(task(), failing(text))
    assert result.error == (APP_RAISED, "ValueError (the data owner can look up error 00000001)")
    (event,) = heard
    assert isinstance(event, AppRaised) and event.error == "00000001"
    assert Path(event.file).read_text() == text + "\n"
    assert Path(event.file).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ValueError: x", "ValueError"),
        ("numpy.linalg.LinAlgError: x", "LinAlgError"),
        ("MFRGGZDFMZTWQ2LK: x", "Exception"),
        (f"{ROW}", "Exception"),
        ("", "Exception"),
        ("ValueErrоr: with a Cyrillic letter", "Exception"),
        ("KeyboardInterrupt: x", "KeyboardInterrupt"),
    ],
)
def test_the_class_is_one_of_a_fixed_list(text: str, said: str) -> None:
    assert known_class(text) == said


def test_how_a_process_died_stays_too(tmp_path: Path) -> None:
    result = AppErrors(tmp_path)(task(), failing(f"The process ended with exit code 77.\n{ROW}", APP_CRASHED))
    assert result.error is not None
    assert "77" not in result.error[1] and ROW not in result.error[1]
    assert result.error[1].startswith("The ClientApp's process died (")


def test_an_owner_who_says_so_lets_the_text_go(tmp_path: Path) -> None:
    result = failing(f"ValueError: {ROW}")
    assert AppErrors(tmp_path, lambda: True)(task(), result) is result

    def unreadable() -> bool:
        raise UsageError("The policy cannot be read.")

    closed = AppErrors(tmp_path, unreadable)(task(), result)
    assert closed.error is not None and ROW not in closed.error[1]


def test_only_the_newest_texts_are_kept(tmp_path: Path) -> None:
    errors = AppErrors(tmp_path)
    for number in range(KEPT + 5):
        errors(task(number), failing("ValueError"))
    assert len(list(tmp_path.iterdir())) == KEPT


def test_a_reply_is_left_as_it_is(tmp_path: Path) -> None:
    reply = TaskResult(skeleton=b"x")
    assert AppErrors(tmp_path)(task(), reply) is reply


def test_an_import_that_fails_is_said_once_for_a_run(tmp_path: Path) -> None:
    heard: list[Event] = []
    errors = AppErrors(tmp_path / "errors", emit=heard.append)
    text = "ModuleNotFoundError: No module named 'joblib' (study.client_app:app cannot be imported)"
    told = [errors(task(number), failing(text, APP_NOT_LOADED)).error for number in (1, 2, 3)]
    assert len(heard) == 1 and len(list((tmp_path / "errors").iterdir())) == 1
    assert told == [(APP_NOT_LOADED, "ModuleNotFoundError (the data owner can look up error 00000001)")] * 3
    errors(task(4), failing(f"{text} or another", APP_NOT_LOADED))
    errors(replace(task(5), run="8"), failing(f"{text} or another", APP_NOT_LOADED))
    assert len(heard) == 3


def test_an_app_that_cannot_be_imported_is_tried_once_for_a_run() -> None:
    tries = []

    def load() -> Any:
        tries.append(1)
        raise ModuleNotFoundError("No module named 'joblib'")

    executor = Executor(load, 1, {}, {})
    reason = executor.load()
    errors = [executor.execute(run, "1", b"", [], [], None, {})[1] for run in (7, 7, 7)]
    assert errors == [(APP_NOT_LOADED, reason)] * 3 and len(tries) == 1
    executor.execute(8, "1", b"", [], [], None, {})
    executor.execute(8, "2", b"", [], [], None, {})
    assert len(tries) == 2
