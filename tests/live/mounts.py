"""Stores that are mounted by rclone, one mount for each participant, as on machines of their own.

Behind a mount lies a server on loopback: moto's S3, or rclone's own WebDAV or SFTP server over a plain folder. The
options of the mounts are those of docs/how-to-rclone.md.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from syftbox_network import Process, free_port, make_bucket, wait_for

BUCKET = "federation"

MOUNT_OPTIONS = (
    "--vfs-cache-mode",
    "full",
    "--dir-cache-time",
    "1s",
    "--vfs-write-back",
    "0s",
    "--attr-timeout",
    "1s",
)

KINDS = ("s3", "webdav", "sftp")


def possible() -> bool:
    """Whether this machine can mount."""
    return Path("/dev/fuse").exists() and bool(shutil.which("rclone")) and bool(shutil.which("fusermount3"))


class Mounts:
    """One store and its mounts.

    Parameters
    ----------
    place : Path
        An empty folder.
    kind : str
        One of `KINDS`.
    """

    def __init__(self, place: Path, kind: str) -> None:
        self.place, self.kind = place, kind
        plain = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self._environ = {**plain, "HOME": str(place), "RCLONE_CONFIG": str(place / "rclone.conf")}
        self._processes: dict[str, Process] = {}
        port = free_port()
        folder = place / "behind"
        folder.mkdir()
        if kind == "s3":
            words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
            remote = (
                f"[store]\ntype = s3\nprovider = Other\nendpoint = http://127.0.0.1:{port}\nregion = us-east-1\n"
                "access_key_id = minioadmin\nsecret_access_key = minioadmin\nforce_path_style = true\n"
            )
        elif kind == "webdav":
            words = ["rclone", "serve", "webdav", str(folder), "--addr", f"127.0.0.1:{port}"]
            words += ["--vfs-cache-mode", "writes", "--dir-cache-time", "1s"]
            remote = f"[store]\ntype = webdav\nurl = http://127.0.0.1:{port}\nvendor = rclone\n"
        else:
            words = ["rclone", "serve", "sftp", str(folder), "--addr", f"127.0.0.1:{port}"]
            words += ["--user", "u", "--pass", "p", "--vfs-cache-mode", "writes", "--dir-cache-time", "1s"]
            hidden = subprocess.run(["rclone", "obscure", "p"], capture_output=True, text=True, check=True)
            remote = (
                f"[store]\ntype = sftp\nhost = 127.0.0.1\nport = {port}\nuser = u\npass = {hidden.stdout.strip()}\n"
                "shell_type = none\n"
            )
        (place / "rclone.conf").write_text(remote)
        self._processes["server"] = Process(words, place / "server.log", self._environ, place)
        if kind == "sftp":
            time.sleep(1.0)  # speaks first, so nothing can be asked; the mount waits for it anyway
        else:
            wait_for(f"http://127.0.0.1:{port}")
        if kind == "s3":
            make_bucket(f"http://127.0.0.1:{port}", BUCKET)

    def folder(self, who: str) -> Path:
        """Where ``who`` has the store."""
        return self.place / "mounts" / who

    def mount(self, who: str) -> Path:
        """Mount the store for ``who``, again if it was there before."""
        folder = self.folder(who)
        folder.mkdir(parents=True, exist_ok=True)
        remote = f"store:{BUCKET}" if self.kind == "s3" else "store:"
        cache = self.place / "caches" / who
        words = ["rclone", "mount", remote, str(folder), *MOUNT_OPTIONS, "--cache-dir", str(cache)]
        before = folder.stat().st_dev
        self._processes[who] = Process(words, self.place / f"{who}.mount.log", self._environ, self.place)
        deadline = time.monotonic() + 60
        while folder.stat().st_dev == before:
            assert time.monotonic() < deadline, (self.place / f"{who}.mount.log").read_text()
            time.sleep(0.05)
        return folder

    def kill(self, who: str) -> None:
        """Let the mount of ``who`` die: what is left of it answers nothing any more."""
        self._processes.pop(who).kill()

    def unmount(self, who: str) -> None:
        """Take away what is left of a mount."""
        subprocess.run(["fusermount3", "-uz", str(self.folder(who))], capture_output=True, check=False)

    def close(self) -> None:
        """Unmount everything and end the server."""
        for who in [who for who in self._processes if who != "server"]:
            self.unmount(who)
            self.kill(who)
        for folder in (self.place / "mounts").glob("*"):
            self.unmount(folder.name)
        self._processes.pop("server").kill()


@contextlib.contextmanager
def mounted(place: Path, kind: str) -> Iterator[Callable[[str], Path]]:
    """A store, as a function that mounts it."""
    place.mkdir(parents=True, exist_ok=True)
    mounts = Mounts(place, kind)
    try:
        yield mounts.mount
    finally:
        mounts.close()
