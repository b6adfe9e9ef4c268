"""A stand-in for SyftBox: its daemons on several machines and the server between them, on one disk.

It does what the documents of SyftBox describe: a file is uploaded at the next full scan, or at once if
it is a request or a response and a write to its final name was seen; temporary, empty and marker files
are not; the rules in ``syft.pub.yaml`` decide who gets what (the topmost terminal one wins, nobody
but the owner by default); what somebody writes into another's datasite is refused and marked.
"""

import os
import threading
from pathlib import Path

import yaml
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

RULES = "syft.pub.yaml"


class SyftBoxDaemon:
    """Keeps the ``datasites`` folders of several participants in sync.

    Parameters
    ----------
    data_dirs : dict[str, Path]
        The data directory of each participant, by e-mail.
    """

    def __init__(self, data_dirs: dict[str, Path]) -> None:
        self._datasites = {email: place / "datasites" for email, place in data_dirs.items()}
        self._server: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._scans: threading.Thread | None = None
        self._observer = Observer()
        for email, place in self._datasites.items():
            (place / email).mkdir(parents=True, exist_ok=True)
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
            for email, datasites in self._datasites.items():
                mine = {
                    str(file.relative_to(datasites)): file
                    for file in (datasites / email).rglob("*")
                    if file.is_file() and not _ignored(file)
                }
                for path in [path for path in self._server if path.startswith(f"{email}/")]:
                    if path not in mine:
                        del self._server[path]
                for path, file in mine.items():
                    self._upload(path, file)
                self._refuse(email, datasites)
            self._deliver()

    def written(self, email: str, file: Path) -> None:
        """A write to ``file`` was seen on the machine of ``email``."""
        if file.suffix in {".request", ".response"} and not _ignored(file):
            with self._lock:
                self._upload(str(file.relative_to(self._datasites[email])), file)
                self._deliver()

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

    def _upload(self, path: str, file: Path) -> None:
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return
        if data:
            self._server[path] = data

    def _refuse(self, email: str, datasites: Path) -> None:
        for other in datasites.iterdir():
            if other.name != email:
                for file in other.rglob("*"):
                    path = str(file.relative_to(datasites))
                    if file.is_file() and not _ignored(file) and self._server.get(path) != file.read_bytes():
                        file.rename(f"{file}.rejected.20240101000000")

    def _deliver(self) -> None:
        for email, datasites in self._datasites.items():
            wanted = {
                path: data
                for path, data in self._server.items()
                if not path.startswith(f"{email}/") and email in self.readers(path)
            }
            for path, data in wanted.items():
                file = datasites / path
                if not file.exists() or file.read_bytes() != data:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    temporary = file.with_name(f"{file.name}.syft.tmp")
                    temporary.write_bytes(data)
                    temporary.replace(file)
            for other in datasites.iterdir():
                if other.name != email:
                    for file in other.rglob("*"):
                        if file.is_file() and str(file.relative_to(datasites)) not in wanted:
                            file.unlink()


class _WriteEvents(FileSystemEventHandler):
    def __init__(self, daemon: SyftBoxDaemon, email: str) -> None:
        self._daemon = daemon
        self._email = email

    def on_modified(self, event: FileSystemEvent) -> None:
        if not event.is_directory:
            self._daemon.written(self._email, Path(os.fsdecode(event.src_path)))


def _ignored(file: Path) -> bool:
    name = file.name
    if name.endswith(".tmp") or ".conflict" in name or ".rejected" in name:
        return True
    try:
        return file.stat().st_size == 0
    except FileNotFoundError:  # removed by its owner meanwhile
        return True
