"""A lock of a project's dependencies: exact versions with hashes, and nothing else in it.

The file ``requirements.lock`` is part of the project, so its digest covers it and approving the project approves it. It
is in the form of pip's requirements files, of which only ``name==version ; marker --hash=sha256:…`` is accepted: no
options, no addresses, no other files. What syft-flwr itself brings (Flower, NumPy and what they need) is not in it.
Pure but for `provided`, which looks at what is installed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from syft_flwr_cli.errors import NotAProjectError

__all__ = [
    "LOCK",
    "Locked",
    "lock_text",
    "not_provided",
    "parse_lock",
    "provided",
    "read_lock",
    "requirement_name",
]

LOCK = "requirements.lock"
"""The file at the top of a project."""

MAX_LOCK = 4 * 1024 * 1024

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_LOCKED = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[A-Za-z0-9._, -]*\])?==(?P<version>[A-Za-z0-9.!+_-]+)"
    r"(?:\s*;\s*(?P<marker>[A-Za-z0-9_.<>=!'\" ()~]+?))?(?P<hashes>(?:\s+--hash=sha256:[0-9a-f]{64})+)\s*\Z"
)
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    """A package: its name, exact version, marker (empty: always), and the hashes that a wheel of it may have."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    def line(self) -> str:
        """As it stands in a requirements file."""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}=={self.version}{marker}" + "".join(
            f" \\\n    --hash={one}" for one in self.hashes
        )


def read_lock(project: Path) -> tuple[Locked, ...] | None:
    """The lock of the project in a folder; None if it has none.

    Raises
    ------
    NotAProjectError
        If it holds anything but exact versions with hashes.
    """
    file = project / LOCK
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_LOCK + 1)
    except FileNotFoundError:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _odd(file, "it is no text in UTF-8") from error
    if len(data) > MAX_LOCK:
        raise _odd(file, f"it has more than {MAX_LOCK:,} bytes")
    return parse_lock(text, file)


def parse_lock(text: str, file: Path) -> tuple[Locked, ...]:
    """The packages of a lock; ``file`` is for the error, see `read_lock`."""
    found: dict[tuple[str, str], Locked] = {}
    for line in text.replace("\\\n", " ").split("\n"):
        plain = re.sub(r"(^|\s)#.*", "", line).strip()
        if not plain:
            continue
        match = _LOCKED.match(plain)
        if match is None:
            raise _odd(file, f"{plain[:80]!r} is no exact version with a SHA-256 hash")
        one = Locked(
            _plain(match["name"]),
            match["version"],
            (match["marker"] or "").strip(),
            tuple(_HASH.findall(match["hashes"])),
        )
        if (one.name, one.marker) in found:
            raise _odd(file, f"{one.name} is in it twice")
        found[one.name, one.marker] = one
    return tuple(found.values())


def lock_text(locked: Iterable[Locked]) -> str:
    """A lock in its one form."""
    ordered = sorted(locked, key=lambda one: (one.name, one.marker))
    return "".join(f"{one.line()}\n" for one in ordered)


def requirement_name(requirement: str) -> str:
    """The normalised name (PEP 503) that a requirement line begins with; empty if it begins with none."""
    found = _NAME.match(requirement)
    return _plain(found[1]) if found else ""


def provided() -> frozenset[str]:
    """The names of all packages that syft-flwr and Flower need, which are wherever the tool is."""
    names, wanted = set(), ["syft-flwr-cli", "flwr"]
    while wanted:
        name = wanted.pop()
        if name in names:
            continue
        names.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        wanted += [requirement_name(line) for line in needed if "extra ==" not in line]
    return frozenset(names)


def not_provided(requirements: Iterable[str]) -> list[str]:
    """The requirement lines of packages that the tool does not bring."""
    brought = provided()
    return [line for line in requirements if requirement_name(line) not in brought]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _odd(file: Path, why: str) -> NotAProjectError:
    return NotAProjectError(
        f"{file} is no lock that can be used: {why}.",
        hint="Write it with: syft-flwr share --lock; nothing is installed from another.",
    )
