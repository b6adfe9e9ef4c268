"""The files of a project's folder: which count, under which names, and how they are read.

What a build, an editor or a run leaves behind is left out, and what the project itself names under
``[tool.syft_flwr] exclude``. Symbolic links, pipes and the like are refused, and so are names that are not
the same on every machine or do not show as what they are. It does not know what the files are for.
"""

import os
import re
import stat
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from syft_flwr_cli.errors import NotAProjectError
from syft_flwr_cli.protocol.printable import is_hidden

__all__ = ["MAX_FILES", "check_name", "excluded_paths", "file_paths", "open_plain", "read_blocks"]

MAX_FILES = 20_000
MAX_PATH = 1024

LEFT_OUT = frozenset(
    {
        ".git",
        ".venv",
        "__pycache__",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".hypothesis",
        ".tox",
        ".nox",
        ".ipynb_checkpoints",
        ".idea",
        ".vscode",
        ".DS_Store",
        "Thumbs.db",
    }
)
"""Names that are left out wherever they stand."""

LEFT_OUT_AT_TOP = frozenset({"build", "dist", "venv"})
"""Names that are left out at the top of the project; deeper down they may be packages."""

LEFT_OUT_ENDINGS = (".pyc", ".pyo", ".egg-info")

RUN_AT_START = frozenset({"sitecustomize", "usercustomize"})
"""Modules that Python runs by itself wherever they lie on its path, as the project's folder does in an environment
that it was installed into in editable form: before anything can keep it from that, with the bytecode that may lie
beside it. No project may have one, not even an empty one."""

SOURCES = (".py", ".pyw", ".pyi", ".pth")

_BLOCK = 1 << 20
_COOKIE = re.compile(rb"#.*?coding[:=][ \t]*([-\w.]+)")
_PLAIN_ENCODINGS = frozenset({b"utf-8", b"utf8", b"ascii", b"us-ascii"})


def excluded_paths(root: Path) -> frozenset[str]:
    """What the project itself says is not part of it: relative paths of files and folders.

    Raises
    ------
    NotAProjectError
        If ``pyproject.toml`` is no TOML, or names something that cannot be left out.
    """
    file = root / "pyproject.toml"
    try:
        raw: Any = tomllib.loads(file.read_text(encoding="utf-8"))
        listed = raw.get("tool", {}).get("syft_flwr", {}).get("exclude", [])
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, AttributeError) as error:
        raise NotAProjectError(f"{file} cannot be read: {error}.", hint="Correct the file.") from error
    if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
        raise NotAProjectError(
            f"'exclude' under [tool.syft_flwr] of {file} is no list of paths.",
            hint='Write exclude = ["results"].',
        )
    for path in listed:
        plain = str(PurePosixPath(path)) == path and not path.startswith("/") and path != "."
        if not plain or ".." in path.split("/") or path == "pyproject.toml":
            raise NotAProjectError(
                f"{path!r} under [tool.syft_flwr] exclude of {file} cannot be left out.",
                hint="Name files or folders of the project by relative paths such as results/plots.",
            )
    return frozenset(listed)


def file_paths(root: Path, excluded: frozenset[str] | None) -> Iterator[str]:
    """The relative paths (POSIX) of all files below ``root``, in no order.

    Parameters
    ----------
    root : Path
        The folder.
    excluded : frozenset[str] | None
        Paths to leave out besides what is always left out; None to leave out nothing at all.

    Raises
    ------
    NotAProjectError
        If something is neither file nor folder, has a name that is refused, or there are too many.
    """
    count = 0
    folders = [""]
    while folders:
        folder = folders.pop()
        known: set[str] = set()
        for item in _listing(root / folder):
            path = folder + item.name
            if excluded is not None and item.name.partition(".")[0].casefold() in RUN_AT_START:
                raise _refused(path, "would be run by Python by itself, before anything can look after it")
            if excluded is not None and (path in excluded or _is_left_out(item.name, at_top=not folder)):
                continue
            check_name(item.name, path)
            if item.name.casefold() in known:
                raise _refused(path, "has the same name as another file but for upper and lower case")
            known.add(item.name.casefold())
            if item.is_dir(follow_symlinks=False):
                folders.append(path + "/")
                continue
            if item.is_symlink():
                raise _refused(path, "is a symbolic link")
            count += 1
            if count > MAX_FILES:
                raise _refused(str(root), f"holds more than {MAX_FILES} files")
            yield path


def open_plain(root: Path, path: str) -> int:
    """Open a file if it is one, without following a link or waiting for a pipe; its descriptor."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(root / path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refused(path, "is no plain file")
    return descriptor


def read_blocks(descriptor: int) -> Iterator[bytes]:
    """The rest of an open file, in pieces of 1 MiB."""
    while block := os.read(descriptor, _BLOCK):
        yield block


def check_encoding(root: Path, path: str) -> None:
    """Refuse a Python source that says it is in another encoding than UTF-8: it may run what reads as a comment.

    Raises
    ------
    NotAProjectError
        If one of its first two lines names an encoding (PEP 263) that is neither UTF-8 nor ASCII.
    """
    if not path.lower().endswith(SOURCES):
        return
    descriptor = open_plain(root, path)
    with os.fdopen(descriptor, "rb") as stream:
        # As Python's own tokenizer counts lines, which also ends them at a lone carriage return; and more lines than
        # the two that count, as a first line can be continued.
        head = stream.read(_BLOCK).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n", 3)[:3]
    for line in head:
        for named in _COOKIE.findall(line):
            if named.lower().replace(b"_", b"-").removesuffix(b"-sig") not in _PLAIN_ENCODINGS:
                raise NotAProjectError(
                    f"{path} says that it is written in {named.decode('ascii', 'replace')[:40]!r}: what runs could be "
                    "other than what reads, so the project has no digest.",
                    hint="Write the file in UTF-8, without a line that names an encoding.",
                )


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except OSError as error:
        raise _refused(str(folder), f"cannot be read ({error.strerror})") from error


def _is_left_out(name: str, *, at_top: bool) -> bool:
    return name in LEFT_OUT or name.endswith(LEFT_OUT_ENDINGS) or (at_top and name in LEFT_OUT_AT_TOP)


def check_name(name: str, path: str) -> None:
    """`NotAProjectError` if ``name``, a component of ``path``, is not the same on every machine, or does not show."""
    try:
        too_long = len(path.encode()) > MAX_PATH
    except UnicodeEncodeError:
        raise _refused(ascii(path), "has a name that is no UTF-8") from None
    if too_long:
        raise _refused(path, f"has a path of more than {MAX_PATH} bytes")
    if unicodedata.normalize("NFC", name) != name:
        raise _refused(path, "has a name that is not in Unicode's composed form (NFC)")
    if "\\" in name or any(is_hidden(sign) or (sign != " " and sign.isspace()) for sign in name):
        raise _refused(ascii(path), "has a name with a backslash or an invisible character")


def _refused(path: str, why: str) -> NotAProjectError:
    return NotAProjectError(
        f"{path} {why}, so the project has no digest.",
        hint="Put plain files there, move it out of the project, or name it under [tool.syft_flwr] exclude.",
    )
