"""SyftBox as a transport: the folder transport inside the datasites that its daemon keeps in sync.

Each participant's messages lie in ``{data_dir}/datasites/{owner}/app_data/flwr/``. Each outbox folder
there gets a ``syft.pub.yaml`` that lets exactly its recipients read, before the first file in it. A
small file is written once more in place after it has appeared, because that is what makes the daemon upload
it at once; a larger one waits for the daemon's scan. What the daemon set aside without need is put back, and what
it or its server refused becomes an error that says so. It promises what the
folder transport promises, to the extent that the daemon runs; it talks to no server itself.
"""

import os
import queue
import threading
import time
from collections.abc import Collection
from pathlib import Path

from syft_flwr_cli.errors import NotThereError, TransportError, UsageError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.transports.base import BytesContent, Content, Properties
from syft_flwr_cli.transports.folder.fs_events import Change
from syft_flwr_cli.transports.folder.sync_artifacts import is_conflict, is_rejected, original_name
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.syftbox.config import INSIDE, read_config
from syft_flwr_cli.transports.syftbox.markers import Digested, Markers
from syft_flwr_cli.transports.syftbox.rules import RULES_FILE, readers_in, rules

__all__ = ["LARGEST_PUSHED", "SyftBoxTransport"]

LARGEST_PUSHED = 2_000_000
"""Bytes of a file that the daemon pushes reliably. Up to 4 MiB it tries, and loses what is more than 3 MB: such a
file must never be written to under a name that is pushed."""

LARGEST_IN_PIECES = 20_000_000
"""Bytes up to which several pushed pieces are sooner there than one file that waits for two scans."""

PACE = 0.1
"""Seconds between two pushed pieces: the daemon's queue holds 16, the server's 8 for each reader, and a slow reader
empties it more slowly than a quick writer fills it."""

MAX_RULES = 1 << 20


class SyftBoxTransport(FolderTransport):
    """One participant's view of the datasites on its machine.

    Parameters
    ----------
    config_path : Path, optional
        SyftBox's configuration; without it, `DEFAULT_CONFIG`.
    email : str, optional
        Who we take ourselves for; refused if SyftBox is logged in as somebody else.
    poll_interval : float
        Seconds between two looks where no event comes: the ceiling.
    events : bool
        Whether to use file system events.

    Raises
    ------
    TransportError
        If there is no SyftBox, or its folders cannot be used.
    UsageError
        If SyftBox is logged in as somebody else.
    """

    def __init__(
        self,
        config_path: Path | None,
        email: str | None = None,
        poll_interval: float = 3.0,
        *,
        events: bool = True,
    ) -> None:
        config = read_config(config_path)
        if email is not None and names.check_email(email) != config.email:
            raise UsageError(
                f"SyftBox is logged in as {config.email}, not as {email}.",
                hint=f"Leave --email out, or set SYFTBOX_CLIENT_CONFIG_PATH to the SyftBox of {email}.",
            )
        super().__init__(
            config.data_dir / "datasites",
            config.email,
            poll_interval,
            events=events,
            inside=INSIDE,
            ignored=[RULES_FILE],
            after_rename=_push,
        )
        self._check_interval = poll_interval
        self._check_lock = threading.Lock()
        self._next_check = 0.0
        self._rules_lock = threading.Lock()
        self._rules: dict[str, bytes] = {}
        self._space = self.root / self.email / INSIDE
        self._markers = Markers(self._space, _push)
        self._reported = set(self._markers.settle())
        self._aside: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._restorer: threading.Thread | None = None
        self._listened: set[str] = set()

    @property
    def properties(self) -> Properties:
        """What is small is pushed at once; the rest waits for a scan of everything, here and at the reader."""
        return Properties(
            inline_limit=64 * 1024,
            listing_cost=0.0001,
            largest_quick_file=LARGEST_PUSHED,
            largest_in_pieces=LARGEST_IN_PIECES,
            pace=PACE,
        )

    def prepare(self, path: str, readers: Collection[str]) -> None:
        """Write the rules of the outbox folder: the server knows them only after the daemon's next scan."""
        folder = self._ruled_folder(path)
        with self._rules_lock:
            wanted = rules(readers if len(path.split("/")) > 2 else [*readers, *self._known_readers(folder)])
            if self._rules.get(folder) != wanted:
                place = f"{folder}/{RULES_FILE}"
                if self._present(place) != wanted:
                    super().publish(place, BytesContent(wanted), ())
                self._rules[folder] = wanted

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Let ``readers``, and nobody else, read the outbox folder; then put the file into it."""
        self.prepare(path, readers)
        if content.size <= LARGEST_PUSHED:  # only what is pushed can be taken for a conflict
            digested = Digested(content)
            super().publish(path, digested, readers)
            self._markers.written(path, digested.digest)
        else:
            super().publish(path, content, readers)
        self._listen(path.rpartition("/")[0])

    def remove(self, path: str) -> None:
        """Remove a file of one's own, and what the daemon has set aside of it."""
        super().remove(path)
        self._markers.removed(path)

    def wait(self, token: int, timeout: float) -> int:
        """Wait as ever, and then say what SyftBox has refused since."""
        token = super().wait(token, timeout)
        self._raise_new_problems()
        return token

    def problems(self) -> list[str]:
        """What SyftBox refused, or found in conflict, of what we published: one sentence each."""
        return [_problem(marker) for marker in self._markers.settle()]

    def close(self) -> None:
        """Stop listening, and let go those who wait."""
        super().close()
        self._aside.put(None)
        if self._restorer is not None:
            self._restorer.join()

    def _listen(self, folder: str) -> None:
        """Put back at once what the daemon sets aside in a folder of ours: its next scan deletes it elsewhere."""

        def changed(name: str, change: Change) -> None:
            if change is Change.WHOLE and is_conflict(name):
                self._aside.put(f"{folder}/{name}")

        with self._check_lock:
            if folder in self._listened:
                return
            self._listened.add(folder)
            place = self._space / folder
            try:
                facts = place.stat()
            except OSError:
                return
            self._events.listen(place, (facts.st_dev, facts.st_ino), changed)
            if self._restorer is None:
                self._restorer = threading.Thread(target=self._restore, name="syftbox-markers", daemon=True)
                self._restorer.start()

    def _restore(self) -> None:
        while (path := self._aside.get()) is not None:
            self._markers.settle_one(path)

    def _ruled_folder(self, path: str) -> str:
        """The folder whose rules decide who reads ``path``.

        An outbox has one recipient, whatever the app, and rules of its own. Shared payloads are read by
        the participants of one app, so there each app has them: two apps, two circles of readers.
        """
        parts = path.split("/")
        if len(parts) < 2:
            raise UsageError(f"{path!r} lies in no outbox folder.", hint="SyftBox shares folders only.")
        if len(parts) > 2 and names.payload_folder(self.email, parts[1]).startswith(f"{parts[0]}/"):
            return "/".join(parts[:2])
        return parts[0]

    def _known_readers(self, folder: str) -> list[str]:
        """Who may read a folder of single documents already.

        Such a document (an identity) is for the participants of every app; those of the next app
        must not lock out those of the one before.
        """
        return readers_in(self._present(f"{folder}/{RULES_FILE}"))

    def _present(self, place: str) -> bytes:
        try:
            with self.open(self.email, place) as stream:
                return stream.read(MAX_RULES)
        except NotThereError:
            return b""

    def _raise_new_problems(self) -> None:
        with self._check_lock:
            now = time.monotonic()
            if now < self._next_check:
                return
            self._next_check = now + self._check_interval
            new = [marker for marker in self._markers.settle() if marker not in self._reported]
            self._reported.update(new)
        if new:
            more = f" (and {len(new) - 1} more)" if len(new) > 1 else ""
            raise TransportError(
                f"{_problem(new[0])}{more}",
                hint=f"Remove the marked file below {self.root / self.email / INSIDE} once it is mended.",
            )


def _problem(marker: str) -> str:
    folder, _, name = marker.rpartition("/")
    subject = f"{folder}/{original_name(name)}"
    if is_rejected(name):
        return (
            f"SyftBox refused {subject}: its server does not let this account write there; "
            f"what we wrote is now {name}."
        )
    return (
        f"SyftBox has another version of {subject} than we wrote: another machine writes as the same participant; "
        f"ours is now {name}."
    )


def _push(descriptor: int) -> None:
    """Write the last byte of a small file once more.

    SyftBox's daemon uploads a request or a response at once when it sees a *write* to its final name.
    A file that came by a rename has had none, and would wait for the next full scan; one that is
    written under its final name could be uploaded half. So it is renamed first, whole, and then
    written to without a change. What is too large to be pushed reliably is left to the scan.
    """
    size = os.fstat(descriptor).st_size
    if 0 < size <= LARGEST_PUSHED:
        os.pwrite(descriptor, os.pread(descriptor, 1, size - 1), size - 1)
