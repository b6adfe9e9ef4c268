"""SyftBox as a transport: the folder transport inside the datasites that its daemon keeps in sync.

Each participant's messages lie in ``{data_dir}/datasites/{owner}/app_data/flwr/``. Each outbox folder
there gets a ``syft.pub.yaml`` that lets exactly its recipients read, before the first file in it. A
file is written once more in place after it has appeared, because that is what makes the daemon upload
it at once. What the daemon or its server refused becomes an error that says so. It promises what the
folder transport promises, to the extent that the daemon runs; it talks to no server itself.
"""

import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from syft_flwr_cli.errors import NotThereError, TransportError, UsageError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.transports.base import BytesContent, Content
from syft_flwr_cli.transports.folder.sync_artifacts import is_conflict, is_rejected, original_name
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.syftbox.config import INSIDE, read_config
from syft_flwr_cli.transports.syftbox.rules import RULES_FILE, readers_in, rules

__all__ = ["SyftBoxTransport"]

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
            after_rename=_write_again,
        )
        self._check_interval = poll_interval
        self._check_lock = threading.Lock()
        self._reported = set(self._markers())
        self._next_check = 0.0
        self._rules_lock = threading.Lock()
        self._rules: dict[str, bytes] = {}

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Let ``readers``, and nobody else, read the outbox folder; then put the file into it."""
        self._raise_new_problems()
        folder = self._ruled_folder(path)
        with self._rules_lock:
            wanted = rules(readers if len(path.split("/")) > 2 else [*readers, *self._known_readers(folder)])
            if self._rules.get(folder) != wanted:
                place = f"{folder}/{RULES_FILE}"
                if self._present(place) != wanted:
                    super().publish(place, BytesContent(wanted), ())
                self._rules[folder] = wanted
        super().publish(path, content, readers)

    def wait(self, token: int, timeout: float) -> int:
        """Wait as ever, and then say what SyftBox has refused since."""
        token = super().wait(token, timeout)
        self._raise_new_problems()
        return token

    def problems(self) -> list[str]:
        """What SyftBox refused, or found in conflict, of what we published: one sentence each."""
        return [_problem(marker) for marker in self._markers()]

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

    def _markers(self) -> Sequence[str]:
        return sorted(self._walk(self.root / self.email / INSIDE, ""))

    def _walk(self, here: Path, path: str) -> Iterator[str]:
        try:
            entries = os.scandir(here)
        except OSError:
            return  # whatever is wrong with the folder, the next read or write says it
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(here / entry.name, f"{path}{entry.name}/")
                elif is_conflict(entry.name) or is_rejected(entry.name):
                    yield f"{path}{entry.name}"

    def _raise_new_problems(self) -> None:
        with self._check_lock:
            now = time.monotonic()
            if now < self._next_check:
                return
            self._next_check = now + self._check_interval
            new = [marker for marker in self._markers() if marker not in self._reported]
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
        f"SyftBox found two versions of {subject}: another machine writes as the same participant; "
        f"ours is now {name}."
    )


def _write_again(descriptor: int) -> None:
    """Write the last byte of a file once more.

    SyftBox's daemon uploads a request or a response at once when it sees a *write* to its final name.
    A file that came by a rename has had none, and would wait for the next full scan; one that is
    written under its final name could be uploaded half. So it is renamed first, whole, and then
    written to without a change.
    """
    last = os.fstat(descriptor).st_size - 1
    os.pwrite(descriptor, os.pread(descriptor, 1, last), last)
