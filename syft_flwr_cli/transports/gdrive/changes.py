"""The change feed of one Google account, read from where it was read last.

One call tells of everything that has changed in all that the account can see. It may be late, and what it
tells is a hint; nothing is lost if it loses its place. Not thread-safe.
"""

from typing import Any

from googleapiclient.errors import HttpError

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.transports.gdrive.client import DriveClient
from syft_flwr_cli.transports.gdrive.folders import LISTING

__all__ = ["Changes"]

FIELDS = f"nextPageToken,newStartPageToken,changes(removed,fileId,file({LISTING},trashed))"
PAGE = 1000


class Changes:
    """A place in the feed.

    Parameters
    ----------
    client : DriveClient
        Who asks.
    patience : float
        Seconds for which a call is tried again.
    """

    def __init__(self, client: DriveClient, patience: float) -> None:
        self._client = client
        self._patience = patience
        self._place: str | None = None

    def begin(self) -> None:
        """Take a place, unless there is one."""
        if self._place is None:
            request = self._client.api.changes().getStartPageToken()
            answer = self._client.call("changes.getStartPageToken", request, "follow changes", self._patience)
            self._place = answer["startPageToken"]

    def read(self) -> list[dict[str, Any]] | None:
        """What has changed since the last time; the first time nothing. None if something was missed."""
        if self._place is None:
            self.begin()
            return []
        changes = self._client.api.changes()
        found: list[dict[str, Any]] = []
        while True:
            request = changes.list(
                pageToken=self._place, pageSize=PAGE, fields=FIELDS, includeRemoved=True, spaces="drive"
            )
            try:
                answer = self._client.call("changes.list", request, "follow changes", self._patience)
            except (HttpError, TransportError) as error:
                if not _has_lost_its_place(error):
                    raise
                self._place = None
                self.begin()
                return None
            found += answer.get("changes", [])
            self._place = answer.get("nextPageToken") or answer["newStartPageToken"]
            if "nextPageToken" not in answer:
                return found


def _has_lost_its_place(error: BaseException) -> bool:
    """Whether Google does not know the place in the feed (any more)."""
    cause = error if isinstance(error, HttpError) else error.__cause__
    return isinstance(cause, HttpError) and int(cause.resp.status) in (400, 404, 410)
