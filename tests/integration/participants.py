"""A federation of real processes: one home per participant, one shared folder, the command line in between.

Everything a test does with a participant goes through `Federation`; what a process says is read while it
says it, so that a test waits for words and files and never for a time. Waiting has an end only so that a
test that fails does not hang.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from doubles.json_documents import check_document

from syft_flwr_cli.consent.policy import write_open_policy
from syft_flwr_cli.storage.paths import participant_dir

REFERENCE = Path(__file__).with_name("reference_run.py")
APPS = Path(__file__).with_name("apps")
AGGREGATOR = "ds@lab.example"
OWNERS = ("do1@a.example", "do2@b.example")

PATIENCE = 90.0
"""Seconds after which something that has not happened is taken not to happen."""


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait until ``condition()`` is true; what it returned."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.02)
    return found


class Process:
    """A participant's process, whose words can be waited for."""

    def __init__(self, words: Sequence[str], environ: dict[str, str], folder: Path) -> None:
        self.words = list(words)
        self._popen = subprocess.Popen(
            self.words,
            env=environ,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._said = threading.Condition()
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        assert self._popen.stdout is not None and self._popen.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self._popen.stdout), ("err", self._popen.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: IO[str]) -> None:
        for line in stream:
            with self._said:
                self._lines[name].append(line.rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self._said.notify_all()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def out(self) -> str:
        return "".join(f"{line}\n" for line in self._lines["out"])

    @property
    def err(self) -> str:
        return "".join(f"{line}\n" for line in self._lines["err"])

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout; anything else there is an error."""
        found = json.loads(self.out)
        assert list(found) == ["schema_version", "status", "data"]
        assert found["schema_version"] == 1
        if "syft_flwr_cli" in self.words:
            check_document(self.words[self.words.index("syft_flwr_cli") + 1 :], self.out)
        return dict(found)

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.document["data"])

    def wait_for(self, words: str, times: int = 1) -> str:
        """Wait until ``words`` were said on stderr, in ``times`` lines; the last of these lines."""
        end = time.monotonic() + PATIENCE
        with self._said:
            while True:
                found = [line for line in self._lines["err"] if words in line]
                if len(found) >= times:
                    return found[times - 1]
                silent = not any(reader.is_alive() for reader in self._readers)
                assert time.monotonic() < end and not silent, f"never said {words!r}:\n{self}"
                self._said.wait(1.0)

    def signal(self, number: int) -> "Process":
        self._popen.send_signal(number)
        return self

    def wait(self, code: int | None = 0) -> "Process":
        """Wait for the end, which must be with exit code ``code`` (None: with any)."""
        try:
            self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {PATIENCE:g} s:\n{self}") from None
        for reader in self._readers:
            reader.join(PATIENCE)
        assert code is None or self._popen.returncode == code, str(self)
        return self

    @property
    def code(self) -> int | None:
        return self._popen.poll()

    def end(self) -> None:
        """End it if it is still there, softly first: a data owner's process takes its worker with it."""
        if self.running:
            self._popen.terminate()
            try:
                self._popen.wait(10)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        for reader in self._readers:
            reader.join(10)

    def __str__(self) -> str:
        words = " ".join(self.words[1:])
        return f"$ {words}\n--- exit code {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


@dataclass
class Federation:
    """A project, a shared folder and the participants' homes below one place."""

    place: Path
    project: Path
    owners: Sequence[str] = OWNERS
    aggregator: str = AGGREGATOR
    transport: str = "local"
    variables: dict[str, str] = field(default_factory=dict)
    own: dict[str, dict[str, str]] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.place / "root"

    def home(self, email: str) -> Path:
        return self.place / "homes" / email

    def data(self, email: str) -> Path:
        """The folder that this data owner's app sees as its data."""
        folder = self.place / "data" / email
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def app_name(self) -> str:
        import tomllib

        table = tomllib.loads((self.project / "pyproject.toml").read_text())
        return str(table["tool"]["syft_flwr"]["app_name"])

    def environ(self, email: str | None, **more: str) -> dict[str, str]:
        """A participant's environment: nothing of ours from outside, a home of its own."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SYFT", "DATA_DIR", "FLWR", "PYTEST", "COV"))
        }
        home = self.home(email or "nobody")
        home.mkdir(parents=True, exist_ok=True)
        return {
            **kept,
            "HOME": str(self.place),
            "SYFT_FLWR_HOME": str(home),
            "SYFT_FLWR_SANDBOX": os.environ.get("SYFT_FLWR_SANDBOX", "none"),
            "FLWR_HOME": str(self.place / ".flwr"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.variables,
            **self.own.get(email or "", {}),
            **more,
        }

    def start(
        self, words: Sequence[str], email: str | None = None, folder: Path | None = None, **variables: str
    ) -> Process:
        """Start a program of a participant's, in ``folder`` if that matters."""
        process = Process(words, self.environ(email, **variables), folder or self.place)
        self.processes.append(process)
        return process

    def command(
        self, *words: str, email: str | None = None, folder: Path | None = None, **variables: str
    ) -> Process:
        """Start ``syft-flwr …``. Whoever approves here approves any run config, too: tests choose one often."""
        if email is not None and words[0] == "review" and "--approve" in words:
            write_open_policy(participant_dir(self.home(email), email))
        return self.start([sys.executable, "-m", "syft_flwr_cli", *words], email, folder, **variables)

    def run(
        self,
        *words: str,
        email: str | None = None,
        folder: Path | None = None,
        code: int = 0,
        **variables: str,
    ) -> Process:
        """``syft-flwr …`` to its end."""
        return self.command(*words, email=email, folder=folder, **variables).wait(code)

    def _place(self, email: str) -> list[str]:
        words = ["--email", email]
        return [*words, "--root", str(self.root)] if self.transport == "local" else words

    def approve(self, *emails: str) -> None:
        """The consent of these data owners to the project as it is now."""
        place = str(self.project)
        reviews = [self.command("review", place, "--email", who, "--approve", email=who) for who in emails]
        for review in reviews:
            review.wait(0)

    def start_client(self, email: str, *words: str, **variables: str) -> Process:
        """``run-client`` of a data owner who approves the project; returns when it has begun."""
        self.approve(email)
        return self.start_approved_client(email, *words, **variables)

    def start_approved_client(self, email: str, *words: str, **variables: str) -> Process:
        """``run-client`` of a data owner, and nothing else."""
        given = ["run-client", str(self.project), *self._place(email)]
        if "--data" not in words:
            given += ["--data", str(self.data(email))]
        return self.command(*given, *words, email=email, **variables)

    def start_clients(self, *words: str) -> list[Process]:
        """Every data owner's ``run-client``, ready."""
        self.approve(*self.owners)
        clients = [self.start_approved_client(email, *words) for email in self.owners]
        for email, client in zip(self.owners, clients, strict=True):
            client.wait_for(f"{email} is ready")
        return clients

    def start_server(self, *words: str, timeout: str | None = "60s", **variables: str) -> Process:
        """``run-server``; an answer may take a minute, or, if ``timeout`` is None, as long as the app says."""
        given = ["run-server", str(self.project), *self._place(self.aggregator)]
        if timeout is not None:
            given += ["--timeout", timeout]
        return self.command(*given, *words, email=self.aggregator, **variables)

    def complete(self, *words: str) -> Process:
        """All data owners, the server, a run to its end, everybody content; the server's process."""
        clients = self.start_clients()
        server = self.start_server("--json", *words).wait(0)
        for client in clients:
            client.wait(0)
        return server

    def messages(self, owner: str, suffix: str) -> list[Path]:
        """The envelopes in ``owner``'s space that end in ``suffix``."""
        return sorted((self.root / owner).rglob(f"*.{suffix}"))

    def close(self) -> None:
        """End what is still running."""
        for process in self.processes:
            process.end()


def copy_app(name: str, place: Path) -> Path:
    """A copy of an app of these tests, as a user has it: a plain Flower project."""
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(APPS / name, place / name, ignore=ignore))


class Federate(Protocol):
    """Makes a federation of an app of these tests."""

    def __call__(
        self, app: str, owners: Sequence[str] = OWNERS, *, transport: str = "local"
    ) -> Federation: ...


def federate(
    place: Path,
    app: str,
    owners: Sequence[str] = OWNERS,
    *,
    transport: str = "local",
) -> Federation:
    """An app of these tests, bootstrapped by its command."""
    project = copy_app(app, place)
    federation = Federation(place, project, tuple(owners), transport=transport)
    federation.root.mkdir(exist_ok=True)
    words = ["--aggregator", AGGREGATOR, "--datasites", ",".join(owners), "--transport", transport]
    federation.run("bootstrap", str(project), *words)
    return federation


def interrupt(process: Process) -> Process:
    """Press Ctrl-C."""
    return process.signal(signal.SIGINT)


def reference(federation: Federation, result: Path, **config: Any) -> Path:
    """What the app writes when it is run in one process."""
    place = result.with_name(f"reference-{result.name}")
    done = subprocess.run(
        [
            sys.executable,
            str(REFERENCE),
            str(federation.project),
            str(len(federation.owners)),
            json.dumps({**config, "save-to": str(place)}),
        ],
        env=federation.environ(None),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return place


def bits(file: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """The arrays of a file, to the bit."""
    with np.load(file) as arrays:
        return {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}


def run_config(result: Path, **more: Any) -> tuple[str, str]:
    """``--run-config`` with the place for the app's result."""
    words = {"save-to": str(result), **{key.replace("_", "-"): value for key, value in more.items()}}
    return "--run-config", " ".join(f"{k}={json.dumps(v)}" for k, v in words.items())
