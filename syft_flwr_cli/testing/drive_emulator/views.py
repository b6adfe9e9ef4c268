"""How Drive shows a file, a permission or a person in JSON: what depends on who looks.

Pure functions over the emulated Drive. A reader sees neither permissions nor the parent of a file
whose folder it cannot see; app properties are the owner's app's own.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from syft_flwr_cli.testing.drive_emulator.records import File, Lookup

__all__ = ["permission", "permission_id", "permissions", "person", "resource", "stamp"]


def permission_id(email: str) -> str:
    """Google's stable number for a person."""
    return str(int.from_bytes(sha256(email.encode()).digest()[:8], "big") | 1 << 63)


def stamp(seconds: float) -> str:
    """RFC 3339 with milliseconds, as Drive writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def resource(drive: Lookup, file: File, email: str) -> dict[str, Any]:
    """The file in Drive's JSON, as this account sees it."""
    role = drive.role(file, email)
    value: dict[str, Any] = {
        "kind": "drive#file",
        "id": file.id,
        "name": file.name,
        "mimeType": file.mime,
        "createdTime": stamp(file.created),
        "modifiedTime": stamp(file.modified),
        "trashed": file.trashed,
        "version": str(file.version),
        "ownedByMe": file.owner == email,
        "shared": any(at.shared for at in drive.chain(file)),
        "owners": [person(file.owner, email)],
        "capabilities": {"canEdit": role in ("owner", "writer"), "canDelete": role == "owner"},
    }
    if file.properties:
        value["properties"] = dict(file.properties)
    if file.app_properties and file.owner == email:
        value["appProperties"] = dict(file.app_properties)
    if file.description:
        value["description"] = file.description
    if file.parent and drive.role(drive.files[file.parent], email):
        value["parents"] = [file.parent]
    if file.body is not None:
        body = file.body
        value |= {"size": str(body.size), "md5Checksum": body.md5, "sha256Checksum": body.sha256}
    if email in file.shared_at:
        value["sharedWithMeTime"] = stamp(file.shared_at[email])
    if role in ("owner", "writer"):
        value["permissions"] = permissions(drive, file)
    return value


def permissions(drive: Lookup, file: File) -> list[dict[str, Any]]:
    """Who may do what with a file, inherited or not."""
    found = {permission_id(file.owner): (file.owner, "owner")}
    for at in drive.chain(file):
        found |= {number: entry for number, entry in at.shared.items() if number not in found}
    return [permission(number, who, role) for number, (who, role) in found.items()]


def permission(number: str, who: str, role: str) -> dict[str, Any]:
    """One permission in Drive's JSON."""
    value = {"kind": "drive#permission", "id": number, "role": role}
    if who == "anyone":
        return {**value, "type": "anyone", "allowFileDiscovery": False}
    return {**value, "type": "user", "emailAddress": who, "displayName": who}


def person(email: str, me: str) -> dict[str, Any]:
    """Somebody in Drive's JSON."""
    return {
        "kind": "drive#user",
        "displayName": email.partition("@")[0],
        "emailAddress": email,
        "permissionId": permission_id(email),
        "me": email == me,
    }
