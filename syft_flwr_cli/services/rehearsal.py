"""A rehearsal at a data owner: the code that is to be approved, on the owner's own data, with nothing sent.

Exactly the files of the project run in the sandbox, under the owner's policy and grants, against a stand-in for the
aggregator on this machine: the project's own ServerApp, itself in a sandbox without a network, for nobody has
approved it. All messages, keys and homes lie in a temporary folder; the store of the real federation is
neither opened nor known here. Other data owners of the project are played by the same code on the same data. Prints
and asks nothing.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomlkit

from syft_flwr_cli.consent.gate import approve
from syft_flwr_cli.consent.policy import policy_files
from syft_flwr_cli.delivery.task import Task
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import Emit, nobody
from syft_flwr_cli.execution.output import log_tail
from syft_flwr_cli.execution.sandbox.capabilities import Capability
from syft_flwr_cli.execution.sandbox.choice import choose
from syft_flwr_cli.execution.sandbox.interpreter import interpreter_paths
from syft_flwr_cli.execution.sandbox.launch import Sandbox, Sandboxed, start
from syft_flwr_cli.execution.sandbox.spec import Limits, SandboxSpec
from syft_flwr_cli.execution.worker_environment import sandbox_environment
from syft_flwr_cli.node.app_sandbox import stated
from syft_flwr_cli.node.node import AppNode
from syft_flwr_cli.project.config import Project, load_project, require_federated
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.protocol.grants import Grants
from syft_flwr_cli.services.data_choice import choose_data
from syft_flwr_cli.services.owner_app import AppOptions, open_app, prepare_app
from syft_flwr_cli.services.simulation import make_place, remove_place
from syft_flwr_cli.session.interrupts import on_interrupt
from syft_flwr_cli.storage.paths import make_private_dir, participant_dir

__all__ = ["Rehearsal", "RehearsalSetup", "rehearse"]

LINGER = 5.0
"""Seconds for which the node goes on when the stand-in's process has ended: its last message may be on the way."""

MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class RehearsalSetup:
    """What to rehearse.

    Parameters
    ----------
    home, email : Path, str
        Whose decision it is to be; only the policy is read there.
    project : Project
        The project as it lies there.
    data : Path, optional
        The owner's data; the app gets none if None.
    grants : Grants
        What would be allowed with the approval.
    sandbox : str
        The kind of sandbox.
    memory_limit : int, optional
        Bytes.
    seconds : float
        How long the whole rehearsal may take.
    """

    home: Path
    email: str
    project: Project
    data: Path | None = None
    grants: Grants = field(default_factory=Grants)
    sandbox: str = "auto"
    memory_limit: int | None = None
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would leave, what was read, and what it took.

    ``digest`` is that of the files that were run, and so that of an approval of them. ``egress`` has one record for
    each reply; ``files`` are those of the data that were opened, with their sizes. ``memory`` is in bytes, the most
    that all processes of the app used together; None where that is not measured. ``output`` is the last that the
    app printed. ``problem`` says how the stand-in for the aggregator ended, if not well.
    """

    digest: str
    sandbox: str
    egress: tuple[dict[str, Any], ...]
    files: tuple[tuple[str, int], ...]
    seconds: float
    memory: int | None
    output: str
    problem: str | None


def rehearse(setup: RehearsalSetup, emit: Emit = nobody) -> Rehearsal:
    """Rehearse; nothing is left afterwards but what is returned.

    Raises
    ------
    UsageError
        If the project is not federated, or not with this data owner.
    SyftFlwrError
        If no sandbox works here, or the app's process cannot be started.
    """
    project = require_federated(setup.project)
    if setup.email not in project.datasites:
        raise UsageError(
            f"{setup.email} is no data owner of {project.name}.", hint="Say who you are with --email."
        )
    chosen = choose(setup.sandbox)
    place = make_place()
    try:
        return _Stage(setup, project, chosen, place).play(emit)
    finally:
        remove_place(place)


class _Stage:
    """The folders and processes of one rehearsal."""

    def __init__(self, setup: RehearsalSetup, project: Project, chosen: Capability, place: Path) -> None:
        self._setup = setup
        self._project = project
        self._chosen = chosen
        self._place = place
        self._root = make_private_dir(place / "root")
        self._logs = make_private_dir(place / "logs")

    def play(self, emit: Emit) -> Rehearsal:
        setup, began = self._setup, time.monotonic()
        home = self._home(setup.email)
        _copy_policy(setup.home, home, setup.email)
        digest = approve(home, setup.email, self._project, setup.grants)
        settings = resolve(
            self._project,
            home=home,
            environ={},
            role="data owner",
            email=setup.email,
            transport="local",
            root=self._root,
            data=setup.data,
        )
        choice = choose_data(settings, home, data=setup.data, no_data=setup.data is None, environ={})
        options = AppOptions(sandbox=setup.sandbox, memory_limit=setup.memory_limit)
        # The keys that the project pins are those of the real participants, who have no part in this.
        unpinned = replace(self._project, fingerprints={})
        app = prepare_app(home, unpinned, settings, choice, options)
        with ExitStack() as cleanup:
            opened = open_app(app, home, emit=emit)
            cleanup.callback(opened.session.close)
            standin = self._standin()
            for email in self._project.datasites:
                if email != setup.email:
                    self._other_owner(cleanup, standin, email)
            server = self._server(standin)
            cleanup.callback(_end, server)
            files = cleanup.enter_context(_opened(setup.data))

            def gate(work: Task) -> str | None:
                # The stand-in's copy of the project differs in the keys it pins: what it expects is no matter here.
                return opened.gate(_expecting_nothing(work))

            node = AppNode(opened.session, opened.runner, app.options, gate, opened.gate.hold)
            timer = threading.Thread(target=_watch, args=(server, node, setup.seconds), daemon=True)
            opened.runner.start()
            timer.start()
            try:
                with on_interrupt(node.interrupt, raises=False):
                    node.serve(lambda: bool(node.stopped))
            finally:
                node.close()
            code = _end(server)
            journal = opened.session.journal
            egress = [record for run in journal.runs() for record in journal.egress(run.run)]
            if code is None and not node.stopped:
                problem: str | None = f"it was not over after {setup.seconds:g} seconds"
            else:
                problem = None if node.stopped and code in (0, None) else self._said(code)
            return Rehearsal(
                digest=digest,
                sandbox=stated(self._chosen, setup.grants),
                egress=tuple(egress),
                files=tuple(sorted(files.items()))[:MAX_LISTED],
                seconds=round(time.monotonic() - began, 3),
                memory=getattr(opened.runner, "peak_memory", None),
                output=log_tail(opened.session.channel.directory / "logs" / "app.log"),
                problem=problem,
            )

    def _home(self, email: str) -> Path:
        return make_private_dir(make_private_dir(self._place / "homes") / email)

    def _standin(self) -> Project:
        """The project as the stand-ins run it: without the keys of the real participants."""
        copy = self._place / "project"
        ignore = shutil.ignore_patterns(".venv", ".git", "__pycache__", "*.pyc")
        shutil.copytree(self._project.path, copy, ignore=ignore)
        file = copy / "pyproject.toml"
        file.chmod(0o600)
        document = tomlkit.parse(file.read_text(encoding="utf-8"))
        document["tool"]["syft_flwr"].pop("fingerprints", None)
        file.write_text(tomlkit.dumps(document), encoding="utf-8")
        return load_project(copy)

    def _environment(self, email: str) -> dict[str, str]:
        found = sandbox_environment(os.environ)
        return {**found, "SYFT_FLWR_HOME": str(self._home(email)), "FLWR_TELEMETRY_ENABLED": "0"}

    def _words(self, command: str, standin: Project, email: str) -> list[str]:
        words = [sys.executable, "-m", "syft_flwr_cli", command, str(standin.path), "--email", email]
        return [*words, "--transport", "local", "--root", str(self._root)]

    def _other_owner(self, cleanup: ExitStack, standin: Project, email: str) -> None:
        setup = self._setup
        approve(self._home(email), email, standin, setup.grants)
        words = self._words("run-client", standin, email)
        words += ["--no-data"] if setup.data is None else ["--data", str(setup.data.absolute())]
        words += ["--sandbox", self._chosen.kind]
        log = cleanup.enter_context((self._logs / f"{email}.log").open("wb"))
        process = subprocess.Popen(
            words,
            env=self._environment(email),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        cleanup.callback(_end, process)

    def _server(self, standin: Project) -> "subprocess.Popen[bytes]":
        """The aggregator's command, in a sandbox of its own: nobody has approved a ServerApp."""
        aggregator = standin.aggregator
        assert aggregator is not None
        home = self._home(aggregator)
        words = self._words("run-server", standin, aggregator)
        log = (self._logs / "aggregator.log").open("wb")
        with log:
            if self._chosen.kind == "none":
                return subprocess.Popen(
                    words, env=self._environment(aggregator), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            spec = SandboxSpec(
                programs=tuple(interpreter_paths(None)),
                readable=(str(standin.path), str(Path(__file__).parents[1])),
                writable=(str(self._root), str(home)),
                directory=str(self._root),
                limits=Limits(memory=None),
            )
            return start(
                Sandbox(self._chosen, spec),
                words,
                environment=self._environment(aggregator),
                stdout=log.fileno(),
            )

    def _said(self, code: int | None) -> str:
        """How the stand-in ended, with the last error it said."""
        text = (self._logs / "aggregator.log").read_text(errors="replace")
        errors = [line for line in text.splitlines() if line.startswith("error: ")]
        return (errors[-1].removeprefix("error: ") if errors else f"it ended with exit code {code}")[:500]


def _expecting_nothing(work: Task) -> Task:
    return replace(work, body=replace(work.body, code=None))


def _copy_policy(real: Path, home: Path, email: str) -> None:
    """The owner's rules hold in a rehearsal, too."""
    make_private_dir(home / "participants")
    make_private_dir(participant_dir(home, email))
    sources = policy_files(real, participant_dir(real, email))
    for source, target in zip(sources, policy_files(home, participant_dir(home, email)), strict=True):
        if source.exists():
            shutil.copy(source, target)
            target.chmod(0o600)


def _watch(server: "subprocess.Popen[bytes]", node: AppNode, seconds: float) -> None:
    """Let the node end when the stand-in has, or when the time is over."""
    end = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    if server.poll() is not None:
        end = time.monotonic() + LINGER
        while not node.stopped and time.monotonic() < end:
            time.sleep(0.1)
    node.interrupt()


def _end(process: "subprocess.Popen[bytes]") -> int | None:
    """End a process; its code, or None if it had to be killed."""
    try:
        code: int | None = process.wait(timeout=LINGER)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = None
    if isinstance(process, Sandboxed):
        process.report()
    return code


@contextmanager
def _opened(data: Path | None) -> Iterator[dict[str, int]]:
    """The files below ``data`` that anybody opens while this lasts, by their path in it, with their sizes."""
    files: dict[str, int] = {}
    if data is None:
        yield files
        return
    from watchdog.events import FileOpenedEvent, FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    folder = data if data.is_dir() else data.parent

    class Handler(FileSystemEventHandler):
        def on_opened(self, event: FileSystemEvent) -> None:
            path = Path(str(event.src_path))
            if isinstance(event, FileOpenedEvent) and path.is_file() and len(files) <= MAX_LISTED:
                files[str(path.relative_to(folder))] = path.stat().st_size

    observer: Any = Observer()
    observer.schedule(Handler(), str(folder), recursive=True)
    stop: Callable[[], None] = observer.stop
    observer.start()
    try:
        yield files
    finally:
        stop()
        observer.join(timeout=5)
