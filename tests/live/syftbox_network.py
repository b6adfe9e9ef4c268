"""A real SyftBox on loopback: a server, an S3 store behind it, and a daemon with a home of its own for each account.

The binaries are not ours: ``SYFT_FLWR_LIVE_SYFTBOX_SERVER`` and ``SYFT_FLWR_LIVE_SYFTBOX_CLIENT`` say where they are.
The store is moto's, or the server at ``SYFT_FLWR_LIVE_S3`` (a MinIO of the developer's, with ``minioadmin`` as key and
secret). Nothing listens beyond 127.0.0.1, and no process is left behind by `close`.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

SERVER, CLIENT, S3 = (
    "SYFT_FLWR_LIVE_SYFTBOX_SERVER",
    "SYFT_FLWR_LIVE_SYFTBOX_CLIENT",
    "SYFT_FLWR_LIVE_S3",
)
BUCKET = "syftbox-live"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, seconds: float = 60.0) -> None:
    """Wait until somebody answers at ``url``, whatever the answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Process:
    """A process with a log, in a group of its own."""

    def __init__(self, words: Sequence[str], log: Path, environ: dict[str, str], place: Path) -> None:
        self.words, self.log, self.environ, self.place = words, log, environ, place
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.words,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=self.environ,
                cwd=self.place,
                start_new_session=True,
            )

    def kill(self, how: int = signal.SIGKILL) -> None:
        """End it and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)
        self.process.wait(timeout=60)


class SyftBoxNetwork:
    """See the module's first paragraph.

    Parameters
    ----------
    place : Path
        An empty folder for everything.
    accounts : sequence of str
        The e-mails.
    """

    def __init__(self, place: Path, accounts: Sequence[str]) -> None:
        self.place = place
        self.accounts = tuple(accounts)
        server, client = os.environ[SERVER], os.environ[CLIENT]
        # SyftBox's server trusts what AWS_CA_BUNDLE names for its store, and fails on a bundle that has no AWS in it.
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self.store = None if S3 in os.environ else self._store()
        endpoint = os.environ.get(S3) or f"http://127.0.0.1:{self.s3_port}"
        bucket = f"{BUCKET}-{os.getpid()}-{free_port()}"
        make_bucket(endpoint, bucket)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = place / "server.json"
        config.write_text(
            json.dumps(
                {
                    "http": {"addr": f"127.0.0.1:{port}"},
                    "blob": {
                        "bucket_name": bucket,
                        "region": "us-east-1",
                        "endpoint": endpoint,
                        "access_key": "minioadmin",
                        "secret_key": "minioadmin",
                    },
                    "auth": {"enabled": False},
                    "email": {"enabled": False},
                    "data_dir": str(place / "server-data"),
                    "log_dir": str(place / "server-logs"),
                }
            )
        )
        self.server = Process(
            [server, "--config", str(config)], place / "server.log", self._environ, self._folder("server")
        )
        wait_for(self.url)
        self.daemons = {email: self._daemon(client, email) for email in self.accounts}
        deadline = time.monotonic() + 60
        while not all((self.datasites(email) / email).is_dir() for email in self.accounts):
            assert time.monotonic() < deadline, "the daemons have not made their datasites"
            time.sleep(0.1)

    def config(self, email: str) -> Path:
        """The ``config.json`` of an account."""
        return self.place / email / ".syftbox" / "config.json"

    def datasites(self, email: str) -> Path:
        """The datasites as the machine of ``email`` has them."""
        return self.place / email / "data" / "datasites"

    def close(self) -> None:
        """End everything."""
        for process in [*self.daemons.values(), self.server, self.store]:
            if process is not None:
                process.kill()

    def _folder(self, name: str) -> Path:
        folder = self.place / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _store(self) -> Process:
        self.s3_port = free_port()
        words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.s3_port)]
        process = Process(words, self.place / "s3.log", self._environ, self.place)
        wait_for(f"http://127.0.0.1:{self.s3_port}")
        return process

    def _daemon(self, client: str, email: str) -> Process:
        home = self._folder(email)
        self.config(email).parent.mkdir()
        self.config(email).write_text(
            json.dumps(
                {
                    "email": email,
                    "data_dir": str(home / "data"),
                    "server_url": self.url,
                    "client_url": "http://127.0.0.1:7938",
                }
            )
        )
        words = [client, "-c", str(self.config(email))]
        return Process(words, home / "daemon.log", {**self._environ, "HOME": str(home)}, home)


def make_bucket(endpoint: str, bucket: str) -> None:
    """Make a bucket at an S3 server."""
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="minioadmin",
        aws_secret_access_key="minioadmin",
        verify=not endpoint.startswith("https://127."),
    )
    s3.create_bucket(Bucket=bucket)


def given() -> bool:
    """Whether the binaries are there."""
    return all(shutil.which(os.environ.get(name, "")) for name in (SERVER, CLIENT))
