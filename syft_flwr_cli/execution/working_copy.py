"""The folder an app works in: a writable copy of its project, in which it may leave what it likes.

Imports come from elsewhere (the project, or its approved copy), so nothing that is written here is ever imported.
`leftovers` says what is new or changed in it. Standard library only: the worker makes its own copy.
"""

import os
import shutil
import stat
from pathlib import Path

__all__ = ["leftovers", "make_copy", "remove_copy"]

LEFT_OUT = shutil.ignore_patterns(".venv", ".git", "__pycache__", "*.pyc")


def make_copy(project: Path, place: Path) -> Path:
    """Copy a project's files to ``place``, which must not be there yet; only its owner can use it."""
    shutil.copytree(project, place, ignore=LEFT_OUT, symlinks=True, ignore_dangling_symlinks=True)
    for folder, _, files in os.walk(place):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & stat.S_IXUSR | stat.S_IWUSR | stat.S_IRUSR)
    return place


def leftovers(project: Path, place: Path) -> list[Path]:
    """Files of the copy that the project does not have or has otherwise, as relative paths."""
    found = []
    for folder, names, files in os.walk(place):
        names[:] = [name for name in names if name not in ("__pycache__", ".venv", ".git")]
        for name in files:
            path = Path(folder) / name
            relative = path.relative_to(place)
            if path.is_symlink() or not path.is_file() or name.endswith(".pyc"):
                continue
            if not _same(project / relative, path):
                found.append(relative)
    return sorted(found)


def _same(one: Path, other: Path) -> bool:
    try:
        if one.stat().st_size != other.stat().st_size:
            return False
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def remove_copy(place: Path) -> None:
    """Remove a working copy, whatever an app has made of it."""

    def again(function: object, path: str, error: object) -> None:
        Path(path).parent.chmod(0o700)
        Path(path).unlink(missing_ok=True) if not Path(path).is_dir() else shutil.rmtree(path, True)

    if place.exists():
        shutil.rmtree(place, onerror=again)
