"""A whole federation on one machine: a server process, one process per data owner, and a folder between them.

Nothing is simulated but the distance: each participant is the real command in a process of its own, with
a home of its own. What differs from a real federation is only that all of it is started here, and that
every data owner approves the code it is given.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import tomlkit

from syft_flwr_cli.consent.environment import find_interpreter
from syft_flwr_cli.consent.gate import approve
from syft_flwr_cli.consent.manifest import remove_copy
from syft_flwr_cli.errors import SyftFlwrError, UsageError
from syft_flwr_cli.execution.sandbox.choice import choose
from syft_flwr_cli.project.config import Project, load_project, split_emails
from syft_flwr_cli.project.plan import apply
from syft_flwr_cli.project.scaffold import plan_bootstrap
from syft_flwr_cli.protocol.grants import ANY_ADDRESS, Grants, NetworkGrant
from syft_flwr_cli.session.interrupts import on_interrupt
from syft_flwr_cli.storage.paths import make_private_dir

__all__ = ["Federation", "Outcome", "simulate"]

AGGREGATOR = "aggregator@simulation.example"
"""Who runs the server where the project names nobody."""
_LEAVE = 20.0


@dataclass(frozen=True, slots=True)
class Federation:
    """What to simulate.

    Parameters
    ----------
    project : Path
        The project; federated or not.
    datasites : sequence of str
        The data owners; the project's own if empty.
    data : sequence of Path
        Data folders, in the order of the data owners; may be shorter.
    server_options, client_options : sequence of str
        Further words for the commands.
    environment : mapping
        Further environment of every process.
    python : Path, optional
        The interpreter of the apps' environment on both sides; that of the project's ``.venv`` if None, else this one.
    sandbox : str
        What the ClientApps run in; ``auto`` is none, with a notice, where no sandbox works.
    no_data : bool
        Whether the data owners say that the app needs no data.
    """

    project: Path
    datasites: Sequence[str] = ()
    data: Sequence[Path] = ()
    transport: str = "local"
    server_options: Sequence[str] = ()
    client_options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    participants_environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    python: Path | None = None
    sandbox: str = "auto"
    no_data: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went: the server's JSON document, its exit code, and where everything lies."""

    document: dict[str, Any]
    exit_code: int
    place: Path


Hear = Callable[[str, str], None]
"""Hears a line that a participant said: who, what."""


def names_for(count: int) -> list[str]:
    """E-mails for ``count`` data owners that have none."""
    return [f"do{index}@simulation.example" for index in range(1, count + 1)]


def simulate(federation: Federation, place: Path, hear: Hear) -> Outcome:
    """Run a federation below ``place``: ``root`` (the messages), ``homes``, ``logs`` and perhaps ``project``.

    Raises
    ------
    SyftFlwrError
        If a data owner's process ends with an error before the run is over, or the server says nothing.
    """
    project = _federated(federation, place)
    assert project.aggregator is not None
    if len(federation.data) > len(project.datasites):
        raise UsageError(
            f"There are {len(federation.data)} data folders for {len(project.datasites)} data owners.",
            hint="Give at most one folder per data owner with --mock-data.",
        )
    for folder in federation.data:
        if not folder.exists():
            raise UsageError(f"There is no {folder}.", hint="Give folders that are there with --mock-data.")
    (place / "root").mkdir(parents=True, exist_ok=True)
    (place / "logs").mkdir(exist_ok=True)
    cast = _Cast(federation, place, project, hear)
    try:
        # Also when it is asked to end by SIGTERM it must not leave the others behind.
        with on_interrupt(lambda: None, raises=True):
            for index, email in enumerate(project.datasites):
                cast.start_client(email, federation.data[index] if index < len(federation.data) else None)
            return cast.run_server()
    finally:
        cast.end()


def _federated(federation: Federation, place: Path) -> Project:
    project = load_project(federation.project)
    datasites = list(federation.datasites)
    if project.app_name and project.aggregator and not datasites and not project.fingerprints:
        return project
    copy = place / "project"
    ignore = shutil.ignore_patterns(".venv", ".git", "__pycache__", "*.pyc", ".pytest_cache")
    shutil.copytree(project.path, copy, ignore=ignore)
    made = plan_bootstrap(
        load_project(copy),
        aggregator=project.aggregator or AGGREGATOR,
        datasites=datasites or list(project.datasites) or names_for(2),
        transport=None if project.transport else "local",
        created=0,
        force=True,
    )
    apply(made)
    if project.fingerprints:
        _unpin(copy / "pyproject.toml")  # they are those of the real participants' keys
    return load_project(copy)


def _unpin(file: Path) -> None:
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    del document["tool"]["syft_flwr"]["fingerprints"]
    file.write_text(tomlkit.dumps(document), encoding="utf-8")


_WHOLE_NETWORK = Grants(network=(NetworkGrant(ANY_ADDRESS, 0),))
"""Who simulates a project runs it on their own word: what it downloads it may download."""


def _sandbox(wanted: str, hear: Hear) -> str:
    """What was asked for, else the strongest that works here; none, with a notice, where none does."""
    if wanted != "auto":
        return choose(wanted).kind
    try:
        return choose("auto").kind
    except SyftFlwrError as error:
        hear("simulation", f"Without a sandbox: {error.what}")
        return "none"


class _Cast:
    """The processes of one simulation."""

    def __init__(self, federation: Federation, place: Path, project: Project, hear: Hear) -> None:
        self._federation = federation
        self._place = place
        self._project = project
        self._hear = hear
        self._clients: dict[str, subprocess.Popen[str]] = {}
        self._server: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []
        self._errors: dict[str, str] = {}
        self._ended = False
        self._sandbox = _sandbox(federation.sandbox, hear)
        self._python = federation.python or find_interpreter(federation.project)

    def _environment(self, email: str) -> dict[str, str]:
        home = self._place / "homes" / email
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        inherited = {
            k: v for k, v in os.environ.items() if k not in ("DATA_DIR", "SYFTBOX_EMAIL", "SYFT_FLWR_ROOT")
        }
        return {
            **inherited,
            "SYFT_FLWR_HOME": str(home),
            "PYTHONUNBUFFERED": "1",
            "FLWR_TELEMETRY_ENABLED": inherited.get("FLWR_TELEMETRY_ENABLED", "0"),
            **self._federation.environment,
            **self._federation.participants_environment.get(email, {}),
        }

    def _words(self, command: str, email: str) -> list[str]:
        words = [sys.executable, "-m", "syft_flwr_cli", command, str(self._project.path), "--email", email]
        words += ["--transport", self._federation.transport]
        if self._federation.transport == "local":
            words += ["--root", str(self._place / "root")]
        return words

    def _start(self, words: list[str], email: str, stdout: int | IO[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words,
            env=self._environment(email),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert process.stderr is not None
        reader = threading.Thread(target=self._read, args=(email, process.stderr), daemon=True)
        reader.start()
        self._readers.append(reader)
        return process

    def _log(self, email: str) -> Path:
        return self._place / "logs" / f"{email}.log"

    def _read(self, email: str, stream: IO[str]) -> None:
        with self._log(email).open("a") as log:
            for line in stream:
                log.write(line)
                log.flush()
                if line.startswith("error: "):
                    self._errors[email] = line.removeprefix("error: ").strip()
                self._hear(email, line.rstrip("\n"))

    def start_client(self, email: str, data: Path | None) -> None:
        """Start a data owner, who approves the code that is simulated."""
        environment = self._environment(email)
        approve(Path(environment["SYFT_FLWR_HOME"]), email, self._project, _WHOLE_NETWORK)
        words = [*self._words("run-client", email), "--sandbox", self._sandbox]
        if data is not None:
            words += ["--data", str(data.absolute())]
        else:
            # A project that brings no mock data makes some up, or needs none.
            words += ["--no-data" if self._federation.no_data else "--mock"]
        if self._python is not None:
            words += [
                "--python",
                str(self._python),
            ]  # who simulates a project runs what is in it, on their own word
        words += self._federation.client_options
        self._clients[email] = self._start(words, email, subprocess.DEVNULL)

    def run_server(self) -> Outcome:
        """Start the aggregator and wait for the end."""
        email = self._project.aggregator
        assert email is not None
        words = [*self._words("run-server", email), *self._federation.server_options, "--json"]
        if self._python is not None:
            words += ["--python", str(self._python)]
        self._server = self._start(words, email, subprocess.PIPE)
        text: list[str] = []
        assert self._server.stdout is not None
        stdout = self._server.stdout
        reader = threading.Thread(target=lambda: text.append(stdout.read()), daemon=True)
        reader.start()
        while self._server.poll() is None:
            self._check_clients()
            time.sleep(0.05)
        reader.join()
        code = self._server.returncode
        try:
            document = json.loads("".join(text))
        except ValueError:
            raise SyftFlwrError(
                f"The server process ended with exit code {code} and without a result.",
                hint=f"See {self._log(email)}.",
            ) from None
        if document.get("status") == "interrupted":
            raise KeyboardInterrupt
        # Without a run there was no stop signal, and the data owners would wait for ever.
        self._ended = "run_id" in document["data"]
        return Outcome(document, code, self._place)

    def _check_clients(self) -> None:
        for email, process in self._clients.items():
            code = process.poll()
            if code not in (None, 0) and self._server is not None and self._server.poll() is None:
                for reader in self._readers:
                    reader.join(timeout=0.2)
                said = f": {self._errors[email]}" if email in self._errors else "."
                raise SyftFlwrError(
                    f"The data owner {email} ended with exit code {code} before the run was over{said}",
                    hint=f"See {self._log(email)}.",
                )

    def end(self) -> None:
        """See that every process has ended."""
        server = self._server
        if server is not None and server.poll() is None:
            server.terminate()
            _wait_or_kill(server, 5.0)
        for process in self._clients.values():
            if not self._ended and process.poll() is None:
                process.terminate()
        for process in self._clients.values():
            _wait_or_kill(process, _LEAVE)
        for reader in self._readers:
            reader.join(timeout=5)


def _wait_or_kill(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def make_place() -> Path:
    """A new temporary folder for a simulation."""
    return Path(tempfile.mkdtemp(prefix="syft-flwr-"))


def keep_results(place: Path, run: str, target: Path) -> Path | None:
    """Move what the apps of a run left behind out of the simulation's folder; None if that is nothing.

    ``target`` gets a folder for the run with one for each participant.
    """
    kept = None
    for found in sorted(place.glob(f"homes/*/participants/*/apps/*/results/{run}")):
        if all(path.name == "context.state" for path in found.rglob("*")):
            continue
        kept = make_private_dir(target / run)
        shutil.move(found, kept / found.parents[3].name)
    return kept


def remove_place(place: Path, *, but_logs: bool = False) -> None:
    """Remove a simulation's folder, with the read-only copies of approved code in it.

    With ``but_logs`` what the participants and their apps said stays: an error may have named the file.
    """
    for copy in place.glob("homes/*/participants/*/code/*"):
        remove_copy(copy)
    kept = [place / "logs", *place.glob("homes/*/participants/*/apps/*/logs")] if but_logs else []
    _remove(place, [path for path in kept if path.is_dir()])


def _remove(place: Path, kept: Sequence[Path]) -> None:
    if place in kept:
        return
    if not any(path.is_relative_to(place) for path in kept):
        shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
        return
    for path in place.iterdir():
        _remove(path, kept)


def split_datasites(text: str | None) -> list[str]:
    """``"3"`` as three made-up data owners, ``"a@x,b@y"`` as those."""
    if not text:
        return []
    if text.strip().isdecimal():
        count = int(text)
        if not 1 <= count <= 1000:
            raise UsageError(
                f"{count} data owners cannot be simulated.", hint="Give a number from 1 to 1000."
            )
        return names_for(count)
    return list(split_emails(text))
