"""A stand-in for SyftBox: its daemons on several machines and the server between them, on one disk.

It does what the real ones were measured to do. A scan of everything uploads, downloads and deletes by comparing the
disk, the server and each daemon's journal. A request or a response that is *written to* under its final name goes to
its readers at once, if it is small; between two limits it is lost, and larger ones wait for the scan. Rules
(``syft.pub.yaml``) go by the scan, and the topmost terminal one decides who reads what (nobody but the owner by
default). What is delivered is renamed in from a folder outside the datasites. Zero-byte files, ``*.tmp``, ``*.log``
and what lies below ``logs``, ``dist``, ``venv`` or ``.git`` are never synchronised; what somebody writes into another's
datasite is refused and marked. The rest of what it does wrong is switched on in `Behaviour`, by chance from a seed:
pushes that the server drops, files that the scan finds before the push, conflicts that are none, and deletions after
them. What it did is counted.
"""

import fnmatch
import os
import random
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

RULES = "syft.pub.yaml"

IGNORED_NAMES = (
    "*.tmp",
    "*.log",
    "*.conflict.*",
    "*.rejected.*",
    "*syftconflict*",
    "*syftrejected*",
    ".syftkeep",
)
IGNORED_FOLDERS = ("logs", "dist", "venv", ".venv", ".git", "__pycache__")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the daemons and the server do wrong, and how often.

    Parameters
    ----------
    seed : int
        Where the chances come from.
    quick : bool
        Whether there is a quick way at all.
    lost_from, quick_most : int
        Bytes: a pushed file of more than the first and up to the second never arrives, and counts as delivered; a
        larger one is left to the scan.
    dropped : float
        Chance that the server drops a push for one of its readers, who has it after its next scan.
    overtaken : float
        Chance that the scan finds a file before the push does: it is uploaded, and nobody is told.
    conflicts : float
        Chance that a pushed file is taken for a conflict, and set aside under another name.
    deleted : float
        Chance that a file that was set aside is deleted on the server, before its owner can do anything about it.
    """

    seed: int = 0
    quick: bool = True
    lost_from: int = 3_000_000
    quick_most: int = 4 << 20
    dropped: float = 0.0
    overtaken: float = 0.0
    conflicts: float = 0.0
    deleted: float = 0.0


EVERYTHING = Behaviour(dropped=0.1, overtaken=0.08, conflicts=0.25, deleted=0.6)
"""Everything on, more often than it was measured: once in forty messages overtaken, once in sixty set aside."""


class SyftBoxDaemon:
    """Keeps the ``datasites`` folders of several participants in sync.

    Parameters
    ----------
    data_dirs : dict[str, Path]
        The data directory of each participant, by e-mail.
    behaviour : Behaviour, optional
        What it does wrong; by default only what is always so.
    """

    def __init__(self, data_dirs: dict[str, Path], behaviour: Behaviour | None = None) -> None:
        self._datasites = {email: place / "datasites" for email, place in data_dirs.items()}
        self._temporary = {email: place / ".syft-tmp" for email, place in data_dirs.items()}
        self._behaviour = behaviour or Behaviour()
        self._random = random.Random(self._behaviour.seed)
        self.counts: Counter[str] = Counter()
        self._server: dict[str, bytes] = {}
        self._journals: dict[str, dict[str, bytes]] = {email: {} for email in data_dirs}
        self._left_to_scan: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._scans: threading.Thread | None = None
        self._observer = Observer()
        for email, place in self._datasites.items():
            (place / email).mkdir(parents=True, exist_ok=True)
            self._temporary[email].mkdir(exist_ok=True)
            self._observer.schedule(_WriteEvents(self, email), str(place / email), recursive=True)
        self._observer.start()

    def start_full_scans(self, interval: float) -> None:
        """Scan everything every ``interval`` seconds, as the daemon does every five."""

        def scan() -> None:
            while not self._stop.wait(interval):
                self.full_scan()

        self._scans = threading.Thread(target=scan, daemon=True)
        self._scans.start()

    def full_scan(self) -> None:
        """Bring everything up to date, everywhere."""
        with self._lock:
            for email in self._datasites:
                self._upload_all(email)
                self._refuse(email)
            for email in self._datasites:
                self._download_all(email)

    def written(self, email: str, file: Path) -> None:
        """A write to ``file`` was seen on the machine of ``email``."""
        self.counts["seen"] += 1
        behaviour = self._behaviour
        if not behaviour.quick or file.suffix not in {".request", ".response"} or self._ignored(email, file):
            return
        with self._lock:
            path = str(file.relative_to(self._datasites[email]))
            data = _read(file)
            if data is None or len(data) > behaviour.quick_most or self._journals[email].get(path) == data:
                return
            if path not in self._left_to_scan and self._chance(behaviour.overtaken):
                self._left_to_scan.add(path)
            if path in self._left_to_scan:
                return
            self._journals[email][path] = data
            if len(data) > behaviour.lost_from:
                self.counts["lost"] += 1
                return
            self._push(email, path, data)
            if self._chance(behaviour.conflicts):
                self._set_aside(email, path, file)

    def close(self) -> None:
        """Sync no more."""
        self._stop.set()
        if self._scans is not None:
            self._scans.join()
        self._observer.stop()
        self._observer.join()

    def readers(self, path: str) -> list[str]:
        """Who may read a file, by the rules that the server knows."""
        parts = path.split("/")
        decisive: dict[str, list[str]] = {"read": []}
        for depth in range(1, len(parts)):
            rules = self._server.get("/".join([*parts[:depth], RULES]))
            if rules is not None:
                document = yaml.safe_load(rules)
                decisive = document["rules"][0]["access"]
                assert document["rules"][0]["pattern"] == "**"
                if document["terminal"]:
                    break
        return decisive["read"]

    def _push(self, email: str, path: str, data: bytes) -> None:
        self._server[path] = data
        self.counts["pushed"] += 1
        for reader in self.readers(path):
            if reader == email or reader not in self._datasites:
                continue
            if self._chance(self._behaviour.dropped):
                self.counts["dropped"] += 1
            else:
                self._deliver(reader, path, data)

    def _set_aside(self, email: str, path: str, file: Path) -> None:
        marker = file.with_name(f"{file.stem}.conflict{file.suffix}")
        deleted = self._chance(self._behaviour.deleted)
        if deleted:
            # What the next scan does, as if the participant had slept through the time between.
            self._server.pop(path, None)
            self._journals[email].pop(path, None)
            self.counts["deleted"] += 1
        self.counts["conflicts"] += 1
        try:
            file.rename(marker)
        except FileNotFoundError:  # removed by its owner meanwhile
            self.counts["conflicts"] -= 1
            self.counts["deleted"] -= deleted

    def _upload_all(self, email: str) -> None:
        journal, place = self._journals[email], self._datasites[email]
        mine: dict[str, bytes] = {}
        for file in (place / email).rglob("*"):
            if file.is_file() and not self._ignored(email, file):
                data = _read(file)
                if data is not None:
                    mine[str(file.relative_to(place))] = data
        for path, data in mine.items():
            if journal.get(path) != data:
                if path in self._left_to_scan:
                    self._left_to_scan.discard(path)
                    self.counts["overtaken"] += 1
                self._server[path] = journal[path] = data
                self.counts["uploaded"] += 1
        for path in [path for path in journal if path.startswith(f"{email}/") and path not in mine]:
            del journal[path]
            if self._server.pop(path, None) is not None:
                self.counts["removed"] += 1

    def _refuse(self, email: str) -> None:
        place = self._datasites[email]
        for other in place.iterdir():
            if other.name != email:
                for file in other.rglob("*"):
                    path = str(file.relative_to(place))
                    known = self._server.get(path) or self._journals[email].get(path)
                    if file.is_file() and not self._ignored(email, file) and known != _read(file):
                        file.rename(f"{file}.rejected.20240101000000")

    def _download_all(self, email: str) -> None:
        place, journal = self._datasites[email], self._journals[email]
        wanted = {
            path: data
            for path, data in self._server.items()
            if not path.startswith(f"{email}/") and email in self.readers(path)
        }
        for path, data in wanted.items():
            if journal.get(path) != data or _read(place / path) != data:
                self._deliver(email, path, data)
        for path in [path for path in journal if not path.startswith(f"{email}/") and path not in wanted]:
            del journal[path]
            (place / path).unlink(missing_ok=True)

    def _deliver(self, email: str, path: str, data: bytes) -> None:
        file = self._datasites[email] / path
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._temporary[email] / f"{threading.get_ident()}-{file.name}"
        temporary.write_bytes(data)
        temporary.replace(file)
        self._journals[email][path] = data

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _ignored(self, email: str, file: Path) -> bool:
        if any(fnmatch.fnmatch(file.name, pattern) for pattern in IGNORED_NAMES):
            return True
        if any(part in IGNORED_FOLDERS for part in file.relative_to(self._datasites[email]).parts[:-1]):
            return True
        try:
            return file.stat().st_size == 0
        except FileNotFoundError:  # removed by its owner meanwhile
            return True


class _WriteEvents(FileSystemEventHandler):
    def __init__(self, daemon: SyftBoxDaemon, email: str) -> None:
        self._daemon = daemon
        self._email = email

    def on_modified(self, event: FileSystemEvent) -> None:
        if not event.is_directory:
            self._daemon.written(self._email, Path(os.fsdecode(event.src_path)))


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
