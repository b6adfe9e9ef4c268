"""The lock of a project's dependencies, at the data scientist: written, and missed. Prints nothing and asks nobody."""

from pathlib import Path

from syft_flwr_cli.execution.dependency_lock import LOCK, not_provided, parse_lock, read_lock
from syft_flwr_cli.execution.locked_environment import compile_lock
from syft_flwr_cli.project.config import Project

__all__ = ["lock_project", "unlocked"]


def lock_project(project: Project, wheels: Path | None) -> list[str]:
    """Write ``requirements.lock`` into a project; the packages in it. None is written where the tool brings everything.

    Raises
    ------
    UsageError
        If no versions are found that fit.
    """
    wanted = not_provided(_dependencies(project))
    file = project.path / LOCK
    text = compile_lock(wanted, wheels) if wanted else ""
    if not text:
        file.unlink(missing_ok=True)
        return []
    file.write_text(text, encoding="utf-8")
    return [f"{one.name} {one.version}" for one in parse_lock(text, file)]


def unlocked(project: Project) -> list[str]:
    """What a project depends on that neither the tool brings nor a lock holds."""
    if read_lock(project.path) is not None:
        return []
    return not_provided(_dependencies(project))


def _dependencies(project: Project) -> list[str]:
    table = project.raw.get("project", {})
    listed = table.get("dependencies", []) if isinstance(table, dict) else []
    return [str(line) for line in listed] if isinstance(listed, list) else []
