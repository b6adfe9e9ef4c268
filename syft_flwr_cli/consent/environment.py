"""The environment that a project's folder holds: what exactly is in it, in one digest.

``.venv`` differs from machine to machine, so it is no part of the project's digest. Yet it is what the app is
run with: the interpreter, every package, every hook that runs at the start of Python. So it has a manifest and a
digest of its own, over all its files and links; left out is only the bytecode that Python caches, which is never
used (see `fl_orchestrator.runner`). A link counts by where it points, not by what is there: `leads` lists
the places outside. It costs nothing where there is no environment. It does not know who approved what.
"""

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from syft_flwr_cli.consent.manifest import EXECUTABLE, PLAIN, Changes
from syft_flwr_cli.errors import NotApprovedError, TrustError
from syft_flwr_cli.storage.file_index import FileIndex
from syft_flwr_cli.storage.paths import read_private, write_private

__all__ = [
    "ENVIRONMENT",
    "Environment",
    "Item",
    "compare_items",
    "find_interpreter",
    "keep_items",
    "kept_items",
    "read_environment",
]

ENVIRONMENT = ".venv"
"""Where a project holds its environment."""

_BESIDE_INTERPRETER = ("", "bin", "Scripts")
LINK = "120000"
MAX_FILES = 1_000_000
MAX_MANIFEST = 512 << 20

_INTERPRETERS = ("bin/python", "Scripts/python.exe")
_TAG = b"syft-flwr environment 1\0"
_BLOCK = 1 << 20
_CACHED = re.compile(r".+\..+\.pyc(\.\d+)?")
"""What Python writes into ``__pycache__``, a torn write included: no module can be imported under such a name."""


class Item(NamedTuple):
    """A file or link: mode (``100644``, ``100755``, ``120000``), BLAKE3 (hex) of the content or target, bytes, path."""

    mode: str
    blake3: str
    size: int
    path: str


@dataclass(frozen=True)
class Environment:
    """What lies in an environment.

    Parameters
    ----------
    root : Path
        Its folder, as it is named.
    interpreter : Path
        What runs the app, below ``root``.
    items : tuple[Item, ...]
        All files and links, sorted by the bytes of their paths.
    leads : tuple[str, ...]
        The places outside that it uses: where links point, and what is added to the import path.
    """

    root: Path
    interpreter: Path
    items: tuple[Item, ...] = field(repr=False)
    leads: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """The canonical form: one line ``{mode} {blake3} {size} {path}`` per file or link."""
        return b"".join(
            b"%s %s %d %s\n" % (item.mode.encode(), item.blake3.encode(), item.size, os.fsencode(item.path))
            for item in self.items
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over all of it."""
        return hashlib.sha256(_TAG + self.to_bytes()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(item.size for item in self.items if item.mode != LINK)

    @property
    def distributions(self) -> tuple[str, ...]:
        """What is installed, as ``name version``, sorted."""
        ending = ".dist-info/METADATA"
        named = (item.path for item in self.items if item.path.endswith(ending))
        return tuple(
            sorted(path.removesuffix(ending).rpartition("/")[2].replace("-", " ", 1) for path in named)
        )


def find_interpreter(project: Path) -> Path | None:
    """The interpreter of the project's own environment, if it has one."""
    for name in _INTERPRETERS:
        own = project / ENVIRONMENT / name
        if own.exists():
            return own.absolute()
    return None


def read_environment(project: Path, keep: Path, clock: Callable[[], float] = time.time) -> Environment | None:
    """Read the environment of a project; None if it has none.

    Parameters
    ----------
    project : Path
        The project's folder.
    keep : Path
        A private folder for what saves reading everything again the next time.
    clock : Callable[[], float]
        Seconds since 1970.

    Raises
    ------
    NotApprovedError
        If something in it cannot be read, is no file, folder or link, or points back into the project.
    """
    interpreter = find_interpreter(project)
    if interpreter is None:
        return None
    named = project.absolute() / ENVIRONMENT
    root, inside = Path(os.path.realpath(named)), os.path.realpath(project)
    index = FileIndex(keep / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.index", clock)
    leads = {os.path.realpath(interpreter)}
    items = []
    for path, facts in _walk(root):
        leads |= _named_in(root, path, inside) - {str(Path(os.path.realpath(interpreter)).parent)}
        if stat.S_ISLNK(facts.st_mode):
            target = os.readlink(root / path)  # noqa: PTH115 - the text as it lies there
            items.append(Item(LINK, blake3(os.fsencode(target)).hexdigest(), len(os.fsencode(target)), path))
            leads.add(_led_to(root, path, inside))
            continue
        digest = index.find(path, facts)
        if digest is None:
            facts, digest = _read(root, path)
            index.enter(path, facts, digest)
        items.append(Item(EXECUTABLE if facts.st_mode & 0o100 else PLAIN, digest, facts.st_size, path))
    index.save()
    return Environment(
        named,
        interpreter,
        tuple(sorted(items, key=lambda item: os.fsencode(item.path))),
        tuple(sorted(lead for lead in leads if not _within(lead, str(root)))),
    )


def compare_items(old: tuple[Item, ...], new: tuple[Item, ...]) -> Changes:
    """What became of the files between two states of an environment."""
    before, after = ({item.path: item for item in side} for side in (old, new))
    return Changes(
        added=tuple(path for path in after if path not in before),
        removed=tuple(path for path in before if path not in after),
        changed=tuple(path for path in after if path in before and after[path] != before[path]),
    )


def keep_items(folder: Path, environment: Environment) -> None:
    """Keep what an environment was, under its digest, to tell later what changed."""
    write_private(folder / f"{environment.digest}.manifest", environment.to_bytes())


def kept_items(folder: Path, digest: str) -> tuple[Item, ...] | None:
    """What the environment of this digest was; None if that is not kept, or not whole."""
    try:
        data = read_private(folder / f"{digest}.manifest", MAX_MANIFEST)
    except (FileNotFoundError, TrustError):
        return None
    if hashlib.sha256(_TAG + data).hexdigest() != digest:
        return None
    rows = (line.split(b" ", 3) for line in data.split(b"\n")[:-1])
    return tuple(
        Item(mode.decode(), content.decode(), int(size), os.fsdecode(path))
        for mode, content, size, path in rows
    )


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file and link below ``root``, links not followed, with its status."""
    count = 0
    folders = [""]
    while folders:
        folder = folders.pop()
        caches = folder.endswith("/__pycache__/")
        try:
            with os.scandir(root / folder) as entries:
                found = [(entry, entry.stat(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            raise _refused(f"{root / folder} cannot be read ({error.strerror})") from error
        for entry, facts in found:
            path = folder + entry.name
            if "\n" in path:
                raise _refused(f"{path!a} has a line break in its name")
            if stat.S_ISDIR(facts.st_mode):
                folders.append(path + "/")
                continue
            if caches and stat.S_ISREG(facts.st_mode) and _CACHED.fullmatch(entry.name):
                continue
            if not stat.S_ISREG(facts.st_mode) and not stat.S_ISLNK(facts.st_mode):
                raise _refused(f"{path!a} is neither a file nor a link")
            count += 1
            if count > MAX_FILES:
                raise _refused(f"it holds more than {MAX_FILES} files")
            yield path, facts


def _read(root: Path, path: str) -> tuple[os.stat_result, str]:
    """The status of a file from before it was read, and the digest of its content."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    hash_, size = blake3(), 0
    try:
        descriptor = os.open(root / path, flags)
        try:
            facts = os.fstat(descriptor)
            while block := os.read(descriptor, _BLOCK):
                hash_.update(block)
                size += len(block)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _refused(f"{path!a} cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(facts.st_mode) or size != facts.st_size:
        raise _refused(f"{path!a} changed while it was read")
    return facts, hash_.hexdigest()


def _led_to(root: Path, path: str, project: str) -> str:
    """Where a link ends. One that ends among the project's own files would run them unapproved."""
    end = os.path.realpath(root / path)
    if _within(end, project) and not _within(end, str(root)):
        raise _refused(f"{path!a} leads to {end!a}, back into the project")
    return end


def _named_in(root: Path, path: str, project: str) -> set[str]:
    """The places that a file names to Python, as to where the interpreter and the packages are."""
    folder, _, name = path.rpartition("/")
    try:
        if name.endswith(".pth") and f"/{folder}/".find("/site-packages/") >= 0:
            return _import_paths(root / path)
        if folder not in _BESIDE_INTERPRETER:
            return set()
        if name == "pybuilddir.txt" or name.endswith("._pth"):
            raise _refused(f"{path!a} moves the interpreter's own library elsewhere")
        if name == "pyvenv.cfg":
            return _system_packages(root / path) | _home(root, path, project)
    except OSError as error:
        raise _refused(f"{path!a} cannot be read ({error.strerror})") from error
    return set()


def _home(root: Path, path: str, project: str) -> set[str]:
    """Where Python takes its own library from; not from the project's other files, which would run unapproved."""
    text = (root / path).read_text(encoding="utf-8", errors="replace")
    found = set()
    for place in re.findall(r"(?im)^\s*home\s*=\s*(.*?)\s*$", text):
        end = os.path.realpath(place)
        if not Path(place).is_absolute() or (_within(end, project) and not _within(end, str(root))):
            raise _refused(f"{path!a} takes Python's own library from {place!a}, in the project")
        found.add(end)
    return found


def _import_paths(file: Path) -> set[str]:
    """What a ``.pth`` file adds to the import path, as `site` reads it; lines of code are not followed."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    named = (
        line.rstrip() for line in lines if line.strip() and not line.startswith(("#", "import ", "import\t"))
    )
    return {os.path.realpath(file.parent / line) for line in named if "\0" not in line}


def _system_packages(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8", errors="replace")
    if re.search(r"(?im)^\s*include-system-site-packages\s*=\s*true\s*$", text):
        return {"the packages of the system's Python"}
    return set()


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _refused(what: str) -> NotApprovedError:
    return NotApprovedError(
        f"The environment {ENVIRONMENT} of the project has no digest: {what}.",
        hint="Make it anew, remove it, or name another interpreter with --python PATH.",
    )
