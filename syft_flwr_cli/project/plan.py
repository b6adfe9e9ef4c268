"""A plan: which files of a project will be made or changed, from which bytes to which.

A plan is a value. It can be shown as a diff, thrown away, or applied. A new project appears whole or not at
all, a file is replaced whole or not at all, and a file that somebody changed in the meantime stops it.
"""

import difflib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.errors import UsageError

__all__ = ["Change", "Plan", "apply"]

_LONGEST_SHOWN = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """One file: what it holds now (None if it is not there) and what it will hold."""

    path: Path
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done to the project in ``folder``; ``kept`` are files of the user left as they are.

    ``notes`` are sentences for the person about what a diff alone does not explain.
    """

    folder: Path
    app_name: str
    changes: tuple[Change, ...]
    kept: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def diff(self) -> str:
        """The whole plan as a unified diff; of long data files only their size is told."""
        return "".join(_diff_of(change, self.folder) for change in self.changes)


def apply(plan: Plan) -> None:
    """Do what the plan says.

    Raises
    ------
    UsageError
        If a file cannot be written, or is no longer what it was when the plan was made.
    """
    try:
        for change in plan.changes:
            there = change.path.read_bytes() if change.path.is_file() else None
            if there != change.before:
                raise UsageError(
                    f"{change.path} was changed by somebody else in the meantime.",
                    hint="Run the command again.",
                )
        if plan.folder.exists():
            for change in plan.changes:
                _replace(change.path, change.after)
        else:
            _make(plan)
    except OSError as error:
        raise UsageError(
            f"{error.filename or plan.folder} cannot be written: {error.strerror or error}.",
            hint="Choose a place where you may write.",
        ) from error


def _diff_of(change: Change, folder: Path) -> str:
    name = change.path.relative_to(folder).as_posix()
    old = f"a/{name}" if change.before is not None else "/dev/null"
    if len(change.after) > _LONGEST_SHOWN:
        return f"--- {old}\n+++ b/{name}\n({len(change.after):,} bytes)\n"
    lines = difflib.unified_diff(
        (change.before or b"").decode("utf-8", "replace").splitlines(keepends=True),
        change.after.decode("utf-8", "replace").splitlines(keepends=True),
        old,
        f"b/{name}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _make(plan: Plan) -> None:
    """Write a new project beside its place and move it there."""
    staging = plan.folder.with_name(f".{plan.folder.name}.{os.getpid()}.new")
    staging.mkdir(parents=True)
    try:
        for change in plan.changes:
            file = staging / change.path.relative_to(plan.folder)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(change.after)
        staging.rename(plan.folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.write_bytes(data)
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
