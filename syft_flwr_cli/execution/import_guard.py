"""Nothing is imported from the folder where a project lies while its approved copy is run.

An environment into which the project was installed in editable form has that folder on its import path. What the
approved copy leaves out (cached bytecode, what the project excludes) would be found there, and so would every
change. Called in the app's process before anything of the app is imported; needs nothing but the standard library.
"""

import os
import site
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

__all__ = ["keep_out"]


class _Nothing:
    """Finds no module."""

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        return None


def keep_out(places: Sequence[str]) -> None:
    """Find no module below the first of ``places``, except in the others and where Python's own packages lie.

    Parameters
    ----------
    places : Sequence[str]
        The folder, then those in it that may be imported from; nothing happens if there are none.
    """
    if not places:
        return
    folder, *others = map(os.path.realpath, places)
    prefixes = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    packages = (*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("stdlib"))
    # What this interpreter calls its own counts below the folder only as part of its environment.
    named = map(os.path.realpath, (*prefixes, *packages))
    own = [path for path in named if not _within(path, folder) or _within(path, os.path.realpath(sys.prefix))]
    allowed = [path for path in (*others, *own) if path != folder]
    sys.path_hooks.insert(0, _hook(folder, allowed))
    sys.path_importer_cache.clear()
    # Installations in editable form may bring a finder of their own, which asks no path hook.
    standard = (BuiltinImporter, FrozenImporter, PathFinder)
    sys.meta_path[:] = [
        finder if finder in standard else _Guarded(finder, folder, allowed) for finder in sys.meta_path
    ]


class _Guarded:
    """A finder, without what it finds in the folder."""

    def __init__(self, finder: Any, folder: str, allowed: Sequence[str]) -> None:
        self._finder = finder
        self._folder = folder
        self._allowed = allowed

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        find = getattr(self._finder, "find_spec", None)
        spec: ModuleSpec | None = find(name, path, target) if find is not None else None
        if spec is None:
            return None
        places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location else [])]
        kept_out = any(_kept_out(os.path.realpath(str(p)), self._folder, self._allowed) for p in places)
        return None if kept_out else spec

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def _hook(folder: str, allowed: Sequence[str]) -> Callable[[str], _Nothing]:
    def look(path: str) -> _Nothing:
        if _kept_out(os.path.realpath(path or os.curdir), folder, allowed):
            return _Nothing()
        raise ImportError(path)

    return look


def _kept_out(place: str, folder: str, allowed: Sequence[str]) -> bool:
    return _within(place, folder) and not any(
        _within(place, other) and _within(other, folder) for other in allowed
    )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
