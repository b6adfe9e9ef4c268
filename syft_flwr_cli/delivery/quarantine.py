"""Files of peers that are refused: noted with a reason, told once each, never in the way of what is good.

Who drops files without end fills neither the disk nor the log nor the screen: of each peer a bounded number is
noted one by one, and the rest is counted by reason. Nothing here waits for a disk to be synced.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

from syft_flwr_cli.events import Emit, MessageRejected
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.text import make_text
from syft_flwr_cli.storage.journal import Journal

__all__ = ["MAX_REFUSED", "Quarantine", "in_ascii"]

MAX_REFUSED: Final = 1000
"""Refused files of one peer that a process notes one by one."""

COUNTED_TOGETHER: Final = 1000
"""Of those beyond, how many are counted before the journal hears of them."""


class Quarantine:
    """What one participant refuses in one app. Thread-safe.

    Parameters
    ----------
    journal : Journal
        Where it is noted.
    clock : callable
        Seconds since 1970.
    emit : callable
        Hears of each refusal once.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float], emit: Emit) -> None:
        self._journal = journal
        self._clock = clock
        self._emit = emit
        self._noted: Counter[str] = Counter()
        self._uncounted: Counter[tuple[str, str]] = Counter()
        self._counted: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def refuse(self, owner: str, path: str, data: bytes, error: RefusedError) -> bool:
        """Note that a file was not taken; True if this content was not refused there before."""
        if self._noted[owner] >= MAX_REFUSED:
            return self._count(owner, error)
        digest = hashlib.sha256(data).hexdigest()
        first = self._note(owner, in_ascii(path), digest, error.reason, error.what, error.hint)
        if first:
            with self._lock:
                self._noted[owner] += 1
        return first

    def refuse_name(self, owner: str, path: str, file_type_error: str = "") -> bool:
        """As `refuse`, for what is not looked into: no message has such a name, or it is no file (see `FileInfo`)."""
        name = in_ascii(path.rpartition("/")[2], 60)
        error = RefusedError("garbage", f"{name} is {file_type_error or 'not the name of a message'}")
        return self.refuse(owner, path, path.encode(errors="surrogateescape"), error)

    def flush(self) -> None:
        """Have the journal hear of what was only counted."""
        with self._lock:
            counted, self._uncounted = self._uncounted, Counter()
        for (owner, reason), times in counted.items():
            self._note_counted(owner, reason, times)

    def _count(self, owner: str, error: RefusedError) -> bool:
        key = (owner, error.reason)
        with self._lock:
            self._uncounted[key] += 1
            times = self._uncounted[key]
            if key in self._counted and times < COUNTED_TOGETHER:
                return False
            self._counted.add(key)
            del self._uncounted[key]
        return self._note_counted(owner, error.reason, times)

    def _note_counted(self, owner: str, reason: str, times: int) -> bool:
        what = f"{MAX_REFUSED} files of {owner} were refused since this began; more are only counted"
        return self._note(owner, "(more)", reason, reason, what, "", times)

    def _note(
        self, owner: str, path: str, digest: str, reason: str, what: str, hint: str, times: int = 1
    ) -> bool:
        now, what = self._clock(), make_text(what, 500)
        entry = {
            "event": "refused",
            "time": now,
            "peer": owner,
            "path": path,
            "reason": reason,
            "sentence": what,
            "digest": digest,
        }
        first = self._journal.quarantine(digest, owner, path, reason, what, now, entry, times=times)
        if first:
            self._emit(MessageRejected(owner, path, reason, what, hint))
        return first


def in_ascii(text: str, limit: int = 500) -> str:
    """A name that a peer gave, so that neither a terminal nor a log can be fooled by it."""
    return text.encode("unicode_escape").decode("ascii")[:limit]
