"""What ``init`` and ``bootstrap`` share: the shared folder, what is remembered, what is said at the end."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.project.config import Project, check_participants
from syft_flwr_cli.project.plan import Plan
from syft_flwr_cli.project.settings import remember
from syft_flwr_cli.services.known_keys import KnownKey, known_keys, shared_place
from syft_flwr_cli.storage.paths import home
from syft_flwr_cli.ui import output

__all__ = ["check_root", "keys_of", "pins", "remember_here", "report", "show_plan"]


def check_root(root: Path | None) -> None:
    """Refuse a shared folder that cannot be written to, or made, before anything is done.

    Raises
    ------
    TransportError
        If it is no folder, or may not be written.
    """
    if root is None:
        return
    there = root.expanduser().absolute()
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "may not be written by you" if there.is_dir() else "is no folder"
        raise TransportError(
            f"The shared folder {root} cannot be used: {there} {why}.",
            hint="Give a folder that you may write to with --root DIR.",
        )


def remember_here(project: Project, root: Path | None) -> None:
    """Note on this machine what no project holds: the shared folder, and the e-mail of the environment."""
    app = project.app_name or ""
    email = os.environ.get("SYFTBOX_EMAIL", "").strip().lower()
    if root is not None:
        remember(home(), app, root=root)
    if email in (project.aggregator, *project.datasites):
        remember(home(), app, email=email)


def keys_of(
    project: Project,
    aggregator: str | None,
    datasites: Sequence[str],
    transport: str | None,
    root: Path | None,
) -> dict[str, KnownKey]:
    """What is known here of the keys of those who are to take part; the parameters are what was typed."""
    center, owners = check_participants(aggregator or project.aggregator, datasites or project.datasites)
    people = [*([center] if center else []), *owners]
    here = home()
    me = os.environ.get("SYFTBOX_EMAIL", "").strip().lower()
    mine = dict.fromkeys([*([me] if me in people else []), *([center] if center else [])])
    way = transport or project.transport or "local"
    return known_keys(here, people, list(mine), shared_place(here, os.environ, way, project.app_name, root))


def pins(project: Project, keys: Mapping[str, KnownKey]) -> dict[str, str]:
    """The fingerprints to write: not those of keys that one in the project has led to, which hold as they are."""
    return {
        email: key.identity.fingerprint
        for email, key in keys.items()
        if project.fingerprints.get(email) not in key.before
    }


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
) -> None:
    """Say what was written, whose keys are pinned, and which commands to type next."""
    if as_json:
        output.emit_json({**_facts(plan), "fingerprints": dict(project.fingerprints), "written": True})
    say = output.note if as_json else lambda text: output.out().print(text, markup=False)
    for change in plan.changes:
        say(f"{'made' if change.before is None else 'changed'} {_short(change.path)}")
    for path in plan.kept:
        say(f"kept {_short(path)}: it is yours; --force replaces it")
    if not plan.changes:
        say(f"{_short(plan.folder)} is federated already; nothing was changed.")
    for line in (*_pinned(project, keys or {}), *_next(project, root)):
        say(line)


def _facts(plan: Plan) -> dict[str, Any]:
    return {
        "project": str(plan.folder.absolute()),
        "app_name": plan.app_name,
        "made": [str(change.path) for change in plan.changes if change.before is None],
        "changed": [str(change.path) for change in plan.changes if change.before is not None],
        "kept": [str(path) for path in plan.kept],
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
    yield "Then for real; everybody gets this folder, the same bytes for all. The aggregator:"
    yield f"  syft-flwr run-server {where} --email {project.aggregator}{at}"
    yield "Every data owner looks at the code that is to run, approves it, and runs it:"
    for owner in project.datasites:
        yield f"  syft-flwr review {where} --email {owner}"
        yield f"  syft-flwr run-client {where} --email {owner}{at} --data DATA_FOLDER"


def _short(path: Path) -> str:
    absolute = path.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)
