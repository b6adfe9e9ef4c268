"""Which paths a Python interpreter needs to be seen, found without running it unless it is this one.

For a virtual environment these are its folder and the installation that its ``pyvenv.cfg`` names; for packages
that were installed in editable form, the folders that its ``.pth`` files name. What an environment says that others
have put together (it came with a project, or holds the packages of a project's lock) is not believed: it shows nothing
but itself, Python installations and what this program runs with.
"""

import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["interpreter_paths"]

_LIBRARIES = ("/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo")
_CERTIFICATES = ("/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
_SHARED_PREFIXES = ("/", "/usr", "/usr/local")
_MOST_PTH = 1 << 20


def interpreter_paths(
    program: Path | None, hidden: Sequence[Path] = (), private: Sequence[Path] = (), *, foreign: bool = False
) -> list[str]:
    """Existing paths that hold the interpreter, its standard library, its packages and the system's libraries.

    Parameters
    ----------
    program : Path, optional
        The interpreter; the one that runs this if None.
    hidden : sequence of Path
        Folders that are left out, with all that lies in them, unless the interpreter itself lies there.
    private : sequence of Path
        Folders in which nothing is shown but the interpreter's own environment; what holds them is not left out.
    foreign : bool
        Whether others have put the interpreter's environment together.
    """
    executable = Path(program or sys.executable).absolute()
    places = [*_LIBRARIES, *_CERTIFICATES, *_installation(executable)]
    if program is None:
        places += [*_prefix(Path(sys.base_prefix)), *_prefix(Path(sys.prefix))]
        places += [path for path in (*site.getsitepackages(), site.getusersitepackages()) if path in sys.path]
    prefixes = [Path(place) for place in places]
    for packages in {folder for prefix in prefixes for folder in _packages(prefix)}:
        places += _editable(packages)
    out = [os.path.realpath(folder) for folder in hidden]
    own = os.path.realpath(_environment(executable))
    secret = [os.path.realpath(folder) for folder in private]
    if foreign:
        known = [*_LIBRARIES, *_CERTIFICATES, own, *_tool()]
        places = [place for place in places if _is_python(place) or _in_one_of(place, known)]
    return [
        place
        for place in dict.fromkeys(places)
        if os.path.exists(place)
        and not _hides(place, out, own)
        and (_within(os.path.realpath(place), own) or not _in_one_of(place, secret))
    ]


def _tool() -> list[str]:
    """Where what this program runs with lies; the folders of what was installed into it in editable form are named."""
    purelib, platlib = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
    editable = [path for folder in (purelib, platlib) for path in _editable(Path(folder))]
    return [*_prefix(Path(sys.base_prefix)), *_prefix(Path(sys.prefix)), purelib, platlib, *editable]


def _is_python(place: str) -> bool:
    """Whether a path is a Python installation, or a program, which nothing else than running it can be done with."""
    if os.path.isfile(place):
        return os.access(place, os.X_OK)
    real = Path(os.path.realpath(place))
    if str(real) in _SHARED_PREFIXES:
        return False
    return any(real.glob("lib*/python3*/os.py")) and (real / "bin").is_dir()


def _in_one_of(place: str, folders: Sequence[str]) -> bool:
    real = os.path.realpath(place)
    return any(_within(real, os.path.realpath(folder)) for folder in folders)


def _hides(place: str, out: Sequence[str], own: str) -> bool:
    real = os.path.realpath(place)
    within = any(_within(real, folder) or _within(folder, real) for folder in out)
    return within and not _within(real, own)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _environment(executable: Path) -> Path:
    folder = executable.parent.parent
    return folder if (folder / "pyvenv.cfg").exists() else executable


def _installation(executable: Path) -> Iterator[str]:
    """The folders of an interpreter, of the one it was made from, and so on."""
    yield str(executable)
    environment = executable.parent.parent
    settings = environment / "pyvenv.cfg"
    if settings.exists():
        yield str(environment)
        for line in settings.read_text(errors="replace").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home" and value.strip():
                yield from _prefix(Path(value.strip()).parent)
    step = executable
    for _ in range(8):
        yield str(step)
        yield from _prefix(step.parent.parent)
        if not step.is_symlink():
            break
        step = step.parent / os.readlink(step)
    yield from _prefix(Path(os.path.realpath(executable)).parent.parent)


def _prefix(folder: Path) -> list[str]:
    """A prefix as a whole, unless the whole system has it."""
    return [] if str(folder) in _SHARED_PREFIXES else [str(folder)]


def _packages(prefix: Path) -> Iterator[Path]:
    yield from prefix.glob("lib*/python3*/site-packages")
    if prefix.name in ("site-packages", "dist-packages"):
        yield prefix


def _editable(packages: Path) -> Iterator[str]:
    for file in packages.glob("*.pth"):
        if file.stat().st_size < _MOST_PTH:
            for line in file.read_text(errors="replace").splitlines():
                if line.strip() and not line.startswith(("import ", "import\t", "#")):
                    yield os.path.join(packages, line.strip())
