"""One file for an auditor: a ZIP in exactly one form that holds a BagIt bag (RFC 8493) with an RO-Crate in it.

The ZIP is canonical: members sorted, stored, without times or comments, so that equal contents are equal bytes and a
changed byte anywhere is found by making it anew. The bag lists the SHA-512 of every member; a signed statement
names the digest of that list. It does not know what the members mean. Pure: no I/O.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping

from syft_flwr_cli.errors import AuditError

__all__ = ["DATA", "MAX_CRATE", "BrokenCrateError", "bag", "manifest_digest", "pack", "unpack"]

DATA = "data/"
"""Where a bag's payload lies."""

MAX_CRATE = 1 << 30
"""Bytes of a file, and of all its members, at the most."""

MAX_MEMBERS = 20_000

_BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_MANIFEST, _TAGS = "manifest-sha512.txt", "tagmanifest-sha512.txt"
SIGNATURE = "signature.dsse.json"
"""The statement about the manifest; the one tag file that no other lists."""

_TIME = (1980, 1, 1, 0, 0, 0)


class BrokenCrateError(AuditError):
    """The file is not what was exported; the text names the first member that shows it."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what, hint="Ask for the file again, and keep this one: it shows that something was changed."
        )


def bag(payload: Mapping[str, bytes], info: Mapping[str, str]) -> dict[str, bytes]:
    """The members of a bag: the payload below ``data/``, and the tag files.

    Parameters
    ----------
    payload : mapping
        Contents by path below ``data/``.
    info : mapping
        The lines of ``bag-info.txt``.
    """
    members = {f"{DATA}{path}": content for path, content in payload.items()}
    size = sum(len(content) for content in members.values())
    lines = {**info, "Payload-Oxum": f"{size}.{len(members)}"}
    tags = {
        "bagit.txt": _BAGIT,
        "bag-info.txt": "".join(f"{name}: {value}\n" for name, value in lines.items()).encode(),
        _MANIFEST: _listed(members),
    }
    return {**members, **tags, _TAGS: _listed(tags)}


def manifest_digest(members: Mapping[str, bytes]) -> str:
    """SHA-256 (hexadecimal) of the list of all members' digests: what the exporter signs."""
    return hashlib.sha256(members[_TAGS] + members[_MANIFEST]).hexdigest()


def pack(members: Mapping[str, bytes]) -> bytes:
    """The canonical ZIP of some members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            about = zipfile.ZipInfo(name, _TIME)
            about.create_system = 3
            about.external_attr = 0o100644 << 16
            archive.writestr(about, members[name])
    return out.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The members of a file that `pack` made of a bag.

    Raises
    ------
    BrokenCrateError
        If it is no such file, or a member was changed, added, dropped or doubled.
    """
    if len(data) > MAX_CRATE:
        raise BrokenCrateError(f"The file has {len(data)} bytes; at most {MAX_CRATE} are read.")
    members: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.infolist()
            if len(found) > MAX_MEMBERS or sum(one.file_size for one in found) > MAX_CRATE:
                raise BrokenCrateError("The file holds more than any export of ours.")
            for one in found:
                if one.filename in members:
                    raise BrokenCrateError(f"{one.filename} is in the file twice.")
                if one.compress_type != zipfile.ZIP_STORED:
                    raise BrokenCrateError(f"{one.filename} is compressed, which no export of ours is.")
                with archive.open(one) as stream:
                    members[one.filename] = stream.read(one.file_size + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BrokenCrateError(f"The file is no readable ZIP: {error}.") from error
    _check(members)
    if pack(members) != data:
        raise BrokenCrateError("Its members are whole, but bytes between or after them were changed.")
    return members


def _check(members: Mapping[str, bytes]) -> None:
    for name in ("bagit.txt", "bag-info.txt", _MANIFEST, _TAGS, SIGNATURE):
        if name not in members:
            raise BrokenCrateError(f"{name} is missing.")
    tags = _read(members, _TAGS)
    payload = _read(members, _MANIFEST)
    if set(tags) != {"bagit.txt", "bag-info.txt", _MANIFEST}:
        raise BrokenCrateError(f"{_TAGS} does not list the tag files of an export.")
    for name, digest in {**tags, **payload}.items():
        if name not in members:
            raise BrokenCrateError(f"{name} was dropped: it is listed and is not there.")
        if hashlib.sha512(members[name]).hexdigest() != digest:
            raise BrokenCrateError(f"{name} was changed: it is not what the list says.")
    extra = set(members) - set(tags) - set(payload) - {_TAGS, SIGNATURE}
    if extra:
        raise BrokenCrateError(f"{min(extra)} was added: it is in no list.")


def _listed(members: Mapping[str, bytes]) -> bytes:
    lines = [f"{hashlib.sha512(members[name]).hexdigest()}  {name}\n" for name in sorted(members)]
    return "".join(lines).encode()


def _read(members: Mapping[str, bytes], name: str) -> dict[str, str]:
    listed = {}
    try:
        lines = members[name].decode().splitlines()
    except UnicodeDecodeError as error:
        raise BrokenCrateError(f"{name} is no text.") from error
    for line in lines:
        digest, _, path = line.partition("  ")
        if len(digest) != 128 or not path or path in listed:
            raise BrokenCrateError(f"{name} has a line that is none.")
        listed[path] = digest
    return listed
