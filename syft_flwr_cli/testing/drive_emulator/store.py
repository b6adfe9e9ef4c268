"""The emulator's Drive itself: accounts, files, sharing, quotas and the change log; no HTTP.

What Drive promises and what it does not is kept apart here: a file by its id and the list of one
folder are right at once; everything found by searching appears after ``lag`` seconds, the change
feed after ``feed_lag``. Names are no keys. Only the owner deletes. Bodies lie in files on disk,
never in memory. Not thread-safe: the server calls it under one lock.
"""

import random
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from syft_flwr_cli.testing.drive_emulator.problems import ApiError, bad_request, forbidden, not_found
from syft_flwr_cli.testing.drive_emulator.query import Query
from syft_flwr_cli.testing.drive_emulator.records import FOLDER, Account, Body, File
from syft_flwr_cli.testing.drive_emulator.views import permission_id, resource

__all__ = ["Drive"]

_ROLES = ("reader", "commenter", "writer")


class Drive:
    """Everybody's files.

    Parameters
    ----------
    clock : Callable[[], float]
        Seconds since 1970.
    lag : float
        Seconds until a search finds what was written.
    feed_lag : float
        Seconds until the change feed tells of it.
    limit : int
        Bytes that a new account may store.
    open_accounts : bool
        Whether an e-mail that is first heard of gets an account, rather than being unknown to Google.

    Attributes
    ----------
    feed_loss : float
        The share of changes that the feed never tells of.
    feed_repeats : int
        How many entries the feed goes back each time before it goes on.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        lag: float = 0.0,
        feed_lag: float = 0.0,
        limit: int = 15 << 30,
        open_accounts: bool = True,
    ) -> None:
        self.clock = clock
        self.lag = lag
        self.feed_lag = feed_lag
        self.limit = limit
        self.feed_loss = 0.0
        self.feed_repeats = 0
        self.open_accounts = open_accounts
        self._random = random.Random(0)
        self.files: dict[str, File] = {}
        self._accounts: dict[str, Account] = {}
        self._ids: set[str] = set()
        self._gone: set[str] = set()
        self._children: dict[str, list[str]] = {}
        self._changes: list[tuple[float, str, frozenset[str]]] = []

    # -- accounts ----------------------------------------------------------------------------------

    def account(self, email: str, *, create: bool = False) -> Account | None:
        """The account of an e-mail, opened if it may be."""
        email = email.lower()
        if email not in self._accounts and (create or self.open_accounts):
            root = File(self._new_id(), "My Drive", FOLDER, None, email, self.clock(), self.clock())
            self.files[root.id] = root
            self._accounts[email] = Account(email, self.limit, root.id)
        return self._accounts.get(email)

    def used(self, email: str) -> int:
        """Bytes that an account stores."""
        return sum(file.body.size for file in self.files.values() if file.owner == email and file.body)

    def need_room(self, email: str, size: int) -> None:
        """403 storageQuotaExceeded if ``size`` more bytes do not fit."""
        account = self.account(email)
        if account is not None and self.used(email) + size > account.limit:
            raise forbidden("storageQuotaExceeded")

    # -- access ------------------------------------------------------------------------------------

    def chain(self, file: File) -> Iterator[File]:
        """The file and the folders above it, innermost first."""
        at: File | None = file
        while at is not None:
            yield at
            at = self.files.get(at.parent) if at.parent else None

    def role(self, file: File, email: str) -> str | None:
        """``owner``, ``writer``, ``reader`` or None; sharing is inherited from the folders above."""
        if file.owner == email:
            return "owner"
        roles = [
            role for at in self.chain(file) for who, role in at.shared.values() if who in (email, "anyone")
        ]
        return max(roles, key=_ROLES.index, default=None)

    def readers(self, file: File) -> frozenset[str]:
        """Everybody who has this file in their Drive: owner and those it is shared with by name."""
        return frozenset([file.owner, *(who for at in self.chain(file) for who, _ in at.shared.values())])

    def get(self, id: str, email: str) -> File:
        """The file, if this account may see it; 404 otherwise."""
        if id == "root":
            account = self.account(email)
            id = account.root if account else id
        file = self.files.get(id)
        if file is None or self.role(file, email) is None:
            raise not_found(id)
        return file

    def writable(self, id: str, email: str) -> File:
        """The file, if this account may change it."""
        file = self.get(id, email)
        if self.role(file, email) not in ("owner", "writer"):
            raise forbidden("insufficientFilePermissions")
        return file

    def owned(self, id: str, email: str) -> File:
        """The file, if it is this account's own."""
        file = self.get(id, email)
        if file.owner != email:
            raise forbidden("insufficientFilePermissions")
        return file

    # -- writing -----------------------------------------------------------------------------------

    def _new_id(self) -> str:
        return "1" + secrets.token_urlsafe(24)

    def generate_ids(self, count: int) -> list[str]:
        """Ids that a create may use once."""
        made = [self._new_id() for _ in range(count)]
        self._ids.update(made)
        return made

    def check_create(self, email: str, meta: dict[str, Any]) -> str:
        """Refuse what Drive would refuse of a create; the parent's id otherwise."""
        id = meta.get("id")
        if id is not None:
            if id in self.files or id in self._gone:
                raise ApiError(409, "fileIdInUse", "A file already exists with the provided ID.")
            if id not in self._ids:
                raise bad_request("The provided file ID is not usable.", "invalid")
        parents = meta.get("parents") or ["root"]
        if len(parents) != 1:
            raise bad_request("A file can only have a single parent.", "multipleParentsNotAllowed")
        parent = self.get(parents[0], email)
        if parent.mime != FOLDER:
            raise forbidden("parentNotAFolder")
        return self.writable(parent.id, email).id

    def create(self, email: str, meta: dict[str, Any], body: Body | None) -> File:
        """Make a file; names may repeat, ids may not."""
        parent = self.check_create(email, meta)
        if body is not None:
            self.need_room(email, body.size)
        now = self.clock()
        file = File(
            id=meta.get("id") or self._new_id(),
            name=meta.get("name", "Untitled"),
            mime=meta.get("mimeType", "application/octet-stream"),
            parent=parent,
            owner=email,
            created=now,
            modified=now,
            body=body,
            properties=dict(meta.get("properties") or {}),
            app_properties=dict(meta.get("appProperties") or {}),
            description=meta.get("description", ""),
        )
        _check_properties(file)
        self.files[file.id] = file
        self._children.setdefault(parent, []).append(file.id)
        self._changed(file)
        return file

    def update(self, email: str, id: str, meta: dict[str, Any], body: Body | None) -> File:
        """Change what ``meta`` names and, if given, the content: both at once."""
        file = self.writable(id, email)
        if body is not None:
            self.need_room(file.owner, body.size - (file.body.size if file.body else 0))
            file.body, old = body, file.body
            if old is not None:
                old.path.unlink(missing_ok=True)
        file.name = meta.get("name", file.name)
        file.description = meta.get("description", file.description)
        file.trashed = meta.get("trashed", file.trashed)
        for name, value in (meta.get("properties") or {}).items():
            if value is None:
                file.properties.pop(name, None)
            else:
                file.properties[name] = value
        _check_properties(file)
        file.modified = self.clock()
        file.version += 1
        self._changed(file)
        return file

    def delete(self, email: str, id: str) -> list[str]:
        """Delete a file of one's own for good, and all below it; the ids that are gone."""
        file = self.owned(id, email)
        return self._drop(file)

    def _drop(self, file: File) -> list[str]:
        gone = [
            below
            for child in list(self._children.get(file.id, ()))
            for below in self._drop(self.files[child])
        ]
        self._changed(file)
        if file.body is not None:
            file.body.path.unlink(missing_ok=True)
        if file.parent:
            self._children[file.parent].remove(file.id)
        self._children.pop(file.id, None)
        del self.files[file.id]
        self._gone.add(file.id)
        return [*gone, file.id]

    def share(self, email: str, id: str, kind: str, address: str, role: str, notify: bool) -> tuple[str, str]:
        """Give a permission; its id and the address. Repeating it changes the role, never doubles it."""
        file = self.owned(id, email)
        account = self.account(email)
        if account is not None and account.sharing_refused:
            raise forbidden("domainPolicy")
        if role not in _ROLES or kind not in ("user", "anyone") or (kind == "user" and not address):
            raise bad_request("The specified permission is not supported.", "invalidSharingRequest")
        who = address.lower() if kind == "user" else "anyone"
        if kind == "user" and self.account(who) is None and not notify:
            raise bad_request(
                f'Bad Request. User message: "You are trying to invite {who}. Since there is no Google '
                'account associated with this email address, you must check the "Notify people" box."',
                "invalidSharingRequest",
            )
        number = "anyoneWithLink" if who == "anyone" else permission_id(who)
        file.shared[number] = (who, role)
        file.shared_at.setdefault(who, self.clock())
        file.modified = max(file.modified, file.created)
        self._changed(file)
        return number, who

    def unshare(self, email: str, id: str, number: str) -> None:
        """Take a permission back."""
        file = self.owned(id, email)
        if number not in file.shared:
            raise not_found(f"permission {number}")
        self._changed(file)
        who, _ = file.shared.pop(number)
        file.shared_at.pop(who, None)

    # -- looking -----------------------------------------------------------------------------------

    def search(self, email: str, query: Query) -> list[File]:
        """What a query finds now, newest first (Drive's order is its own; nobody may build on it)."""
        if len(query.parents) == 1:
            folder = self.get(query.parents[0], email)
            found = [self.files[id] for id in self._children.get(folder.id, ())]
        else:
            found = [file for file in self.files.values() if file.parent is not None]
        if query.indexed:
            seen = self.clock() - self.lag
            found = [file for file in found if max(file.modified, file.shared_at.get(email, 0.0)) <= seen]
        visible = [file for file in found if self._listed(file, email, query)]
        return sorted(
            (file for file in visible if query.matches(resource(self, file, email))),
            key=lambda file: (file.modified, file.id),
            reverse=True,
        )

    def _listed(self, file: File, email: str, query: Query) -> bool:
        if query.parents:
            return self.role(file, email) is not None
        return email in self.readers(file)

    def changes(self, email: str, since: int, count: int) -> tuple[list[tuple[str, float]], int, bool]:
        """File ids that changed after position ``since``, once each; the next position; whether more."""
        seen = self.clock() - self.feed_lag
        latest: dict[str, float] = {}
        at = max(0, since - self.feed_repeats)
        for when, id, readers in self._changes[at:]:
            if when > seen or (len(latest) >= count and id not in latest):
                break
            at += 1
            if email in readers:
                latest[id] = when
        more = at < len(self._changes) and self._changes[at][0] <= seen
        return list(latest.items()), at, more

    def position(self) -> int:
        """Where the change feed is now."""
        return len(self._changes)

    def _changed(self, file: File) -> None:
        if not self.feed_loss or self._random.random() >= self.feed_loss:
            self._changes.append((self.clock(), file.id, self.readers(file)))


def _check_properties(file: File) -> None:
    for name, value in {**file.properties, **file.app_properties}.items():
        if len(name.encode()) + len(str(value).encode()) > 124:
            raise bad_request(f"The property {name!r} is longer than 124 bytes.", "propertyTooLong")
    if len(file.properties) > 100:
        raise forbidden("propertyCountExceeded")
