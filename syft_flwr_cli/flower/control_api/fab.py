"""Flower App Bundles: what is in the ZIP that ``flwr run`` sends, checked before any of it is believed.

`read_fab` returns files and configuration, all in memory and bounded: at most 10 MB packed (Flower's
limit), no link, no path that leaves the folder, nothing twice, no more unpacked than announced. It writes
nothing.
"""

import hashlib
import io
import lzma
import stat
import tomllib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

__all__ = ["MAX_FAB", "Fab", "FabError", "read_fab", "unknown_keys"]

MAX_FAB = 10 << 20
"""Bytes of an FAB at the most (``FAB_MAX_SIZE`` of flwr)."""

MAX_UNPACKED = 64 << 20
MAX_FILES = 5000
CONFIG = "pyproject.toml"


class FabError(Exception):
    """An FAB that is refused, in a sentence."""


@dataclass(frozen=True, slots=True)
class Fab:
    """An app bundle: SHA-256 of the ZIP in hexadecimal, files by path, parsed ``pyproject.toml``."""

    digest: str
    files: Mapping[str, bytes]
    config: Mapping[str, Any]

    @property
    def fab_id(self) -> str:
        """Publisher and name, as Flower shows them."""
        publisher = self.config["tool"]["flwr"]["app"].get("publisher", "unknown")
        return f"{publisher}/{self.config['project']['name']}"

    @property
    def version(self) -> str:
        """The app's version."""
        return str(self.config["project"].get("version", ""))

    @property
    def run_config(self) -> dict[str, Any]:
        """The run config's defaults, flattened with dots."""
        return dict(_flat(self.config["tool"]["flwr"]["app"].get("config", {})))


def read_fab(data: bytes) -> Fab:
    """Take an FAB apart.

    Raises
    ------
    FabError
        If it is too large, no ZIP, holds something that a project cannot, or has no usable configuration.
    """
    if len(data) > MAX_FAB:
        raise FabError(f"The FAB has {len(data)} bytes; at most {MAX_FAB} are allowed.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = _files(archive)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise FabError(f"The FAB is no readable ZIP: {error}.") from error
    try:
        config = tomllib.loads(files[CONFIG].decode())
    except KeyError:
        raise FabError(f"The FAB has no {CONFIG}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise FabError(f"{CONFIG} of the FAB cannot be read: {error}.") from error
    fab = Fab(hashlib.sha256(data).hexdigest(), files, config)
    try:
        named = isinstance(fab.fab_id, str) and isinstance(fab.run_config, dict)
        components = config["tool"]["flwr"]["app"]["components"]
        named = named and all(isinstance(components[part], str) for part in ("serverapp", "clientapp"))
    except (KeyError, TypeError, AttributeError):
        named = False
    if not named:
        raise FabError(f"{CONFIG} of the FAB names no ServerApp and ClientApp in [tool.flwr.app.components].")
    return fab


def unknown_keys(fab: Fab, overrides: Mapping[str, object]) -> list[str]:
    """The keys of ``overrides`` that the app's run config does not have: Flower refuses them."""
    return sorted(set(overrides) - set(fab.run_config))


def _files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    members = archive.infolist()
    if len(members) > MAX_FILES:
        raise FabError(f"The FAB holds {len(members)} files; at most {MAX_FILES} are allowed.")
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise FabError(f"The FAB unpacks to more than {MAX_UNPACKED} bytes.")
    files: dict[str, bytes] = {}
    for member in members:
        name = member.filename
        if not name:
            raise FabError("A file of the FAB has no name.")
        if member.is_dir():
            continue
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise FabError(f"{name[:80]!r} in the FAB is a link or a device.")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or str(path) != name:
            raise FabError(f"{name[:80]!r} in the FAB would lie outside the project.")
        if name in files:
            raise FabError(f"{name[:80]!r} is in the FAB twice.")
        with archive.open(member) as stream:
            content = stream.read(member.file_size + 1)
        if len(content) != member.file_size:
            raise FabError(f"{name[:80]!r} in the FAB is not as long as it says.")
        files[name] = content
    return files


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        found += _flat(value, f"{name}.") if isinstance(value, dict) else [(name, value)]
    return found
