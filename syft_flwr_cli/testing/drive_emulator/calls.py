"""What each method of the API does to the emulated Drive, once the request has been understood.

Parameters, bodies and ``fields`` have been checked against the discovery document before. A method
that Google knows and the emulator does not is refused with 501 and recorded. Called under the lock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from syft_flwr_cli.testing.drive_emulator.discovery import Api, Mask, Method, project
from syft_flwr_cli.testing.drive_emulator.problems import ApiError, bad_request
from syft_flwr_cli.testing.drive_emulator.query import parse_query
from syft_flwr_cli.testing.drive_emulator.records import Body
from syft_flwr_cli.testing.drive_emulator.store import Drive
from syft_flwr_cli.testing.drive_emulator.uploads import Session, body_at
from syft_flwr_cli.testing.drive_emulator.views import permission, permissions, person, resource, stamp

__all__ = ["Calls", "Reply"]


@dataclass(slots=True)
class Reply:
    """An answer: JSON, or a stretch of a file; and what to write down of it."""

    status: int
    document: dict[str, Any] | None
    headers: list[tuple[str, str]] = field(default_factory=list)
    media: Body | None = None
    stream: IO[bytes] | None = None
    span: tuple[int, int] | None = None
    cut: int | None = None
    files: tuple[str, ...] = ()
    detail: str = ""


class Calls:
    """The methods, over one Drive."""

    def __init__(self, drive: Drive, api: Api) -> None:
        self._drive = drive
        self._api = api

    def run(
        self,
        method: Method,
        who: str,
        values: dict[str, Any],
        meta: dict[str, Any],
        mask: Mask | None,
        label: str,
    ) -> Reply:
        """Carry a call out and project its answer."""
        methods: dict[str, Callable[[], Reply]] = {
            "about.get": lambda: self._about(who),
            "changes.getStartPageToken": self._position,
            "changes.list": lambda: self._changes(who, values),
            "files.create": lambda: self.commit("files.create", who, None, meta, None, None),
            "files.delete": lambda: self._delete(who, method.path["fileId"]),
            "files.generateIds": lambda: self._generate(values),
            "files.get": lambda: self._get(who, method.path["fileId"]),
            "files.get.media": lambda: self._media(who, method.path["fileId"]),
            "files.list": lambda: self._list(who, values),
            "files.update": lambda: self.commit("files.update", who, method.path["fileId"], meta, None, None),
            "permissions.create": lambda: self._share(who, method.path["fileId"], values, meta),
            "permissions.delete": lambda: self._unshare(
                who, method.path["fileId"], method.path["permissionId"]
            ),
            "permissions.list": lambda: self._permissions(who, method.path["fileId"], values),
        }
        if label not in methods:
            raise ApiError(501, "notImplemented", f"The emulator does not do {label}.")
        reply = methods[label]()
        if reply.document is not None and reply.media is None:
            reply.document = project(mask, reply.document)
        return reply

    def commit(
        self,
        name: str,
        who: str,
        target: str | None,
        meta: dict[str, Any],
        body: Body | None,
        mask: Mask | None,
    ) -> Reply:
        """Create or update a file, content and all."""
        if target is None:
            file = self._drive.create(who, meta, body)
        else:
            file = self._drive.update(who, target, meta, body)
        return Reply(200, project(mask, resource(self._drive, file, who)), files=(file.id,), detail=file.name)

    def check(self, name: str, who: str, target: str | None, meta: dict[str, Any], size: int) -> None:
        """Refuse at the start of a session what would be refused at its end."""
        if target is None:
            self._drive.check_create(who, meta)
            self._drive.need_room(who, size)
        else:
            file = self._drive.writable(target, who)
            self._drive.need_room(file.owner, size - (file.body.size if file.body else 0))

    def finish(self, session: Session) -> Reply:
        """Commit a session that has got everything."""
        body = body_at(session.path)
        return self.commit(session.method, session.who, session.file, session.meta, body, session.mask)

    def _about(self, who: str) -> Reply:
        account = self._drive.account(who)
        assert account is not None
        used = str(self._drive.used(who))
        quota = {"limit": str(account.limit), "usage": used, "usageInDrive": used, "usageInDriveTrash": "0"}
        return Reply(200, {"kind": "drive#about", "user": person(who, who), "storageQuota": quota})

    def _position(self) -> Reply:
        token = str(self._drive.position() + 1)
        return Reply(200, {"kind": "drive#startPageToken", "startPageToken": token})

    def _changes(self, who: str, values: dict[str, Any]) -> Reply:
        token = values["pageToken"]
        if not token.isdigit() or int(token) < 1:
            raise bad_request(f"Invalid pageToken {token!r}.", "invalidParameter")
        latest, at, more = self._drive.changes(who, int(token) - 1, values["pageSize"])
        changes = []
        for id, when in latest:
            change: dict[str, Any] = {
                "kind": "drive#change",
                "type": "file",
                "changeType": "file",
                "time": stamp(when),
                "fileId": id,
                "removed": True,
            }
            file = self._drive.files.get(id)
            if file is not None and self._drive.role(file, who) is not None:
                change |= {"removed": False, "file": resource(self._drive, file, who)}
            changes.append(change)
        answer = {"kind": "drive#changeList", "changes": changes}
        answer["nextPageToken" if more else "newStartPageToken"] = str(at + 1)
        return Reply(200, answer, files=tuple(id for id, _ in latest))

    def _generate(self, values: dict[str, Any]) -> Reply:
        ids = self._drive.generate_ids(values["count"])
        return Reply(200, {"kind": "drive#generatedIds", "space": "drive", "ids": ids})

    def _get(self, who: str, id: str) -> Reply:
        file = self._drive.get(id, who)
        return Reply(200, resource(self._drive, file, who), files=(file.id,))

    def _media(self, who: str, id: str) -> Reply:
        file = self._drive.get(id, who)
        if file.body is None:
            raise ApiError(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
        return Reply(200, None, media=file.body, files=(file.id,), detail=file.name)

    def _list(self, who: str, values: dict[str, Any]) -> Reply:
        if "orderBy" in values:
            raise bad_request("The emulator does not sort.", "invalidParameter")
        query = parse_query(values.get("q", ""), who)
        found = self._drive.search(who, query)
        offset = _offset(values.get("pageToken"), values.get("q", ""))
        page = found[offset : offset + values["pageSize"]]
        answer: dict[str, Any] = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": [resource(self._drive, file, who) for file in page],
        }
        if offset + len(page) < len(found):
            answer["nextPageToken"] = f"{offset + len(page)}~{len(values.get('q', ''))}"
        folders = tuple(self._drive.get(id, who).id for id in query.parents)
        return Reply(200, answer, files=(*folders, *(file.id for file in page)))

    def _delete(self, who: str, id: str) -> Reply:
        return Reply(204, None, files=tuple(self._drive.delete(who, id)))

    def _share(self, who: str, id: str, values: dict[str, Any], meta: dict[str, Any]) -> Reply:
        number, address = self._drive.share(
            who,
            id,
            meta.get("type", ""),
            meta.get("emailAddress", ""),
            meta.get("role", ""),
            values.get("sendNotificationEmail", True),
        )
        notified = "notified " if values.get("sendNotificationEmail", True) else ""
        answer = permission(number, address, meta["role"])
        return Reply(200, answer, files=(id,), detail=f"{notified}{address}")

    def _unshare(self, who: str, id: str, number: str) -> Reply:
        self._drive.unshare(who, id, number)
        return Reply(204, None, files=(id,))

    def _permissions(self, who: str, id: str, values: dict[str, Any]) -> Reply:
        file = self._drive.writable(id, who)
        found = permissions(self._drive, file)
        offset = _offset(values.get("pageToken"), "")
        page = found[offset : offset + values.get("pageSize", 100)]
        answer: dict[str, Any] = {"kind": "drive#permissionList", "permissions": page}
        if offset + len(page) < len(found):
            answer["nextPageToken"] = f"{offset + len(page)}~0"
        return Reply(200, answer, files=(file.id,))


def _offset(token: str | None, query: str) -> int:
    """Where a page begins; a token belongs to the query that it came from."""
    if token is None:
        return 0
    offset, _, check = token.partition("~")
    if not offset.isdigit() or check != str(len(query)):
        raise bad_request("Invalid Value", "invalid")
    return int(offset)
