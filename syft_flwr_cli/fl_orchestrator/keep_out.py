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
from importlib.machinery import ModuleSpec
from types import ModuleType

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
    own = map(os.path.realpath, (*prefixes, *packages))
    allowed = [path for path in (*others, *own) if path != folder]
    sys.path_hooks.insert(0, _hook(folder, allowed))
    sys.path_importer_cache.clear()


def _hook(folder: str, allowed: Sequence[str]) -> Callable[[str], _Nothing]:
    def look(path: str) -> _Nothing:
        real = os.path.realpath(path or os.curdir)
        if _within(real, folder) and not any(
            _within(real, place) and _within(place, folder) for place in allowed
        ):
            return _Nothing()
        raise ImportError(path)

    return look


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
