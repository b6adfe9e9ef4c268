"""What ``init`` and ``bootstrap`` show alike: the plan, what was written, what to type next."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from syft_flwr_cli.project.config import Project
from syft_flwr_cli.project.plan import Plan
from syft_flwr_cli.services.key_discovery import KnownKey
from syft_flwr_cli.ui import output

__all__ = ["report", "show_plan"]


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Show what a plan would write (``--dry-run``)."""
    if as_json:
        output.emit_json({**_facts(plan), "written": False, "diff": plan.diff()})
        return
    output.out().print(plan.diff(), end="", markup=False)
    output.note("Nothing was written." if plan.changes else "There is nothing to do.")


def report(
    plan: Plan,
    project: Project,
    root: Path | None,
    keys: Mapping[str, KnownKey] | None = None,
    *,
    as_json: bool,
    again: bool = False,
) -> None:
    """Say what was written, whose keys are pinned, and which commands to type next."""
    if as_json:
        output.emit_json({**_facts(plan), "fingerprints": dict(project.fingerprints), "written": True})
    say = output.note if as_json else lambda text: output.out().print(text, markup=False)
    for change in plan.changes:
        say(f"{'made' if change.before is None else 'changed'} {_short(change.path)}")
    for sentence in plan.notes:
        say(sentence)
    for path in plan.kept:
        say(f"kept {_short(path)}: it is yours; --force replaces it")
    if not plan.changes:
        say(f"{_short(plan.folder)} is federated already; nothing was changed.")
    if again and plan.changes:
        say(
            "The files have changed, and with them their digest: everybody needs them as they are now, and every data "
            "owner decides about them anew."
        )
    for line in (*_pinned(project, keys or {}), *_next(project, root)):
        say(line)


def _facts(plan: Plan) -> dict[str, Any]:
    return {
        "project": str(plan.folder.absolute()),
        "app_name": plan.app_name,
        "made": [str(change.path) for change in plan.changes if change.before is None],
        "changed": [str(change.path) for change in plan.changes if change.before is not None],
        "kept": [str(path) for path in plan.kept],
        "notes": list(plan.notes),
    }


def _pinned(project: Project, keys: Mapping[str, KnownKey]) -> Iterator[str]:
    for email, key in keys.items():
        yield f"pinned {email}: {key.identity.words} ({key.how})"
    unknown = [
        email for email in (project.aggregator, *project.datasites) if email not in project.fingerprints
    ]
    if project.fingerprints and unknown:
        yield f"not pinned, because no key is known here yet: {', '.join(str(email) for email in unknown)}"


def _next(project: Project, root: Path | None) -> Iterator[str]:
    """The commands to type next; paths as short as they can be from here."""
    where = shlex.quote(_short(project.path))
    at = ""
    if project.transport == "local":
        at = f" --root {shlex.quote(str(root)) if root else 'SHARED_FOLDER'}"
    yield ""
    yield "Next, on this machine alone, with the mock data:"
    yield f"  syft-flwr simulate {where}"
    yield "Then for real. The aggregator offers the project, and runs it with those who approve it:"
    yield f"  syft-flwr share {where} --email {project.aggregator}{at}"
    yield f"  syft-flwr run-server {where} --email {project.aggregator}{at}"
    yield "Every data owner receives it, looks at what would run, decides, and runs it (before or after run-server):"
    for owner in project.datasites:
        yield f"  syft-flwr join {project.aggregator} --email {owner}{at}"


def _short(path: Path) -> str:
    absolute = path.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)
