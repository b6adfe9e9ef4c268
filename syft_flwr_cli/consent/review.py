"""What a data owner looks at before deciding: everything that would run, and what changed.

Gathers from a project, its manifest and earlier approvals one value, `Review`, that a command can show or
print as JSON. Text from the project is made visible here: control characters and characters that hide or
reorder what stands beside them are spelled out, so that a terminal shows what the file says. Nothing of the
project is run. It does not know how a review is shown, nor who decides.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.consent.approvals import Approval, code_dir, environments_dir, has_sources
from syft_flwr_cli.consent.code_scan import Finding, survey
from syft_flwr_cli.consent.environment import Environment, compare_items, kept_items
from syft_flwr_cli.consent.manifest import Changes, Manifest, compare
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.protocol.printable import visible

__all__ = ["Review", "make_review", "plain", "unified_diff"]

MAX_DIFFED = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Review:
    """What would run.

    Parameters
    ----------
    project : Project
        Read from the checked copy, where the sources are too (``project.path``).
    place : Path
        Where the participant has the project, for the commands to type.
    manifest : Manifest
        All its files.
    dependencies : tuple[str, ...]
        Requirement lines.
    config, components : Mapping[str, Any]
        The run config and the apps, of ``[tool.flwr.app]``.
    options, data : Mapping[str, Any]
        ``[tool.syft_flwr]``, and what its table ``data`` declares of data access.
    findings : tuple[Finding, ...]
        Places in the code worth a look.
    decided, before : Approval | None
        What was decided about exactly these files, and the version approved last.
    changes : Changes | None
        What became of the files since ``before``.
    environment : Environment | None
        The environment that lies in the project's folder.
    environment_changes : Changes | None
        What became of it since ``before``, where it is known what it was.
    """

    project: Project
    place: Path
    manifest: Manifest
    dependencies: tuple[str, ...]
    config: Mapping[str, Any]
    components: Mapping[str, Any]
    options: Mapping[str, Any]
    data: Mapping[str, Any]
    findings: tuple[Finding, ...]
    decided: Approval | None
    before: Approval | None
    changes: Changes | None
    environment: Environment | None
    environment_changes: Changes | None


def make_review(
    project: Project,
    place: Path,
    manifest: Manifest,
    environment: Environment | None,
    decided: Approval | None,
    before: Approval | None,
    participant: Path,
) -> Review:
    """Gather what there is to see; the parameters are those of `Review`, and the participant's directory."""
    options = dict(_table(project.raw, "tool", "syft_flwr"))
    data = options.pop("data", {})
    app = _table(project.raw, "tool", "flwr", "app")
    listed = _table(project.raw, "project").get("dependencies", [])
    return Review(
        project=project,
        place=place,
        manifest=manifest,
        dependencies=tuple(str(line) for line in listed) if isinstance(listed, list) else (str(listed),),
        config=_table(app, "config"),
        components=_table(app, "components"),
        options=options,
        data=data if isinstance(data, Mapping) else {"data": data},
        findings=tuple(survey(manifest, project.path)),
        decided=decided,
        before=before,
        changes=None if before is None else compare(before.manifest, manifest),
        environment=environment,
        environment_changes=_environment_changes(environment, before, participant),
    )


def _environment_changes(
    environment: Environment | None, before: Approval | None, participant: Path
) -> Changes | None:
    if environment is None or before is None or before.environment is None:
        return None
    was = kept_items(environments_dir(participant), before.environment)
    return None if was is None else compare_items(was, environment.items)


def unified_diff(review: Review, participant: Path) -> Iterator[str]:
    """The differences to the version approved last, line by line, made visible.

    Parameters
    ----------
    review : Review
        The review; nothing is yielded if nothing was approved before, or nothing changed.
    participant : Path
        The participant's directory, where the approved sources are kept.
    """
    before, changes = review.before, review.changes
    if before is None or not changes:
        return
    if not has_sources(participant, before):
        yield f"The sources of the version approved last ({before.digest[:16]}…) are no longer kept."
        return
    old_root, new_root = code_dir(participant) / before.digest, review.project.path
    modes = [
        {entry.path: entry.mode for entry in side.entries} for side in (before.manifest, review.manifest)
    ]
    for path in sorted((*changes.added, *changes.removed, *changes.changed)):
        old = None if path in changes.added else old_root / path
        new = None if path in changes.removed else new_root / path
        if modes[0].get(path) != modes[1].get(path):
            yield f"mode of {path}: {modes[0].get(path, 'absent')} -> {modes[1].get(path, 'absent')}"
        yield from _file_diff(path, old, new)


def plain(value: Any) -> Any:
    """``value`` (as TOML has it) in the types of JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _table(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    here: Any = raw
    for name in names:
        here = here.get(name) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def _file_diff(path: str, old: Path | None, new: Path | None) -> Iterator[str]:
    sides = [_lines(place) for place in (old, new)]
    before, after = sides
    if before is None or after is None:
        yield f"Binary or large file {path} differs."
        return
    names = (f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null")
    for line in difflib.unified_diff(before, after, *names, lineterm=""):
        yield visible(line)


def _lines(place: Path | None) -> list[str] | None:
    """The lines of a text file; none for an absent file, None for one that is no text."""
    if place is None:
        return []
    data = place.read_bytes()
    if len(data) > MAX_DIFFED or b"\0" in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], lines[-1] + " (no newline at the end)"]
