"""A data owner's node: takes the aggregator's requests, runs the ClientApp, until the run is over.

The node holds the keys and the journal; the app runs in a worker process that has neither. The code that
runs is the approved copy. A failing app is an error reply; a failing store is waited out; only the stop
signal, an interrupt, or something that cannot be mended ends the node.
"""

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.consent.egress import EgressGuard, EgressRules
from syft_flwr_cli.delivery import retention
from syft_flwr_cli.delivery.inbox import Inbox, Stopped
from syft_flwr_cli.delivery.task import Hold, Task
from syft_flwr_cli.events import NodeReady, ReplyWithheld
from syft_flwr_cli.execution.app_errors import AppErrors
from syft_flwr_cli.execution.inline_runner import InlineRunner
from syft_flwr_cli.execution.output import escaped_screen
from syft_flwr_cli.execution.runner import AppSetup, Runner, SubprocessRunner
from syft_flwr_cli.execution.sandbox.launch import Sandbox
from syft_flwr_cli.execution.worker_process import WorkerProcess
from syft_flwr_cli.protocol import names
from syft_flwr_cli.session.interrupts import on_interrupt
from syft_flwr_cli.session.session import Session
from syft_flwr_cli.storage.paths import make_private_dir

__all__ = ["AppNode", "NodeOptions", "NodeResult", "bytecode_dir", "run_node", "told"]

RETRY_TIMEOUT = 5.0
"""Seconds for which a failing store is tried again at once; after that, with everything else that waits."""


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How a node runs.

    Parameters
    ----------
    keep_alive : bool
        Wait for the next run when one is over.
    isolation : str
        ``subprocess`` or ``inline``.
    python : Path, optional
        The interpreter of the app's environment.
    memory_limit : int, optional
        Bytes the app may allocate.
    node_config : mapping
        What the app sees as its node config.
    run_config : mapping
        What the app sees as its run config, over the project's; the aggregator's overrides come over it.
    mods : sequence of str
        The owner's mods, wrapped around the app whatever the app says.
    code : str, optional
        The digest of what is run.
    environment : str, optional
        The digest of the environment that ``python`` is part of, where that is an approved one.
    check : callable, optional
        Raises `NotApprovedError` if the app may no longer be started.
    elsewhere : Path, optional
        Where the project lies of which an approved copy is run: nothing is imported from there.
    data : str, optional
        What the app is given: ``private``, ``mock`` or ``none``; stated in every response.
    sandbox : Sandbox, optional
        What the app runs in; with it, ``isolation`` is ``subprocess``.
    stated_sandbox : str, optional
        The same as a text; stated in every response.
    egress : callable
        What may leave with a reply, as it is now.
    error_texts : callable
        Whether the texts of the app's errors leave for the aggregator; by default only their classes do.
    """

    keep_alive: bool = False
    isolation: str = "subprocess"
    python: Path | None = None
    memory_limit: int | None = None
    node_config: Mapping[str, Any] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)
    mods: tuple[str, ...] = ()
    code: str | None = None
    environment: str | None = None
    check: Callable[[], object] | None = None
    elsewhere: Path | None = None
    data: str | None = None
    sandbox: Sandbox | None = None
    stated_sandbox: str | None = None
    error_texts: Callable[[], bool] = lambda: False
    egress: Callable[[], EgressRules | None] = lambda: None


@dataclass(frozen=True, slots=True)
class NodeResult:
    """How a node ended: the runs that ended meanwhile, and whether it was interrupted."""

    stopped: list[Stopped]
    interrupted: bool


def default_node_config(datasites: tuple[str, ...], email: str) -> dict[str, Any]:
    """What Flower's simulation tells its nodes, too: which partition of how many this node is."""
    return {"partition-id": list(datasites).index(email), "num-partitions": len(datasites)}


def make_runner(
    session: Session,
    project: Path,
    clientapp: str,
    options: NodeOptions,
    early: WorkerProcess | None = None,
) -> Runner:
    """The runner that ``options`` ask for."""
    settings = session.settings
    config = {**default_node_config(settings.datasites, settings.email), **options.node_config}
    setup = AppSetup(
        project=project,
        clientapp=clientapp,
        app=settings.app_name,
        node=names.node_id(settings.email),
        node_config=config,
        run_config=options.run_config,
        data=settings.data,
        python=options.python,
        memory_limit=options.memory_limit,
        mods=options.mods,
        check=options.check,
        elsewhere=options.elsewhere,
        bytecode=bytecode_dir(session.channel.directory, options.environment),
        sandbox=options.sandbox,
        work=None if options.sandbox is not None else session.channel.directory / "work",
        results=make_private_dir(session.channel.directory / "results"),
    )
    log = session.channel.directory / "logs" / "app.log"
    if options.isolation == "inline":
        return InlineRunner(setup, log=log, screen=escaped_screen())
    return SubprocessRunner(setup, log, early, escaped_screen())


def bytecode_dir(directory: Path, environment: str | None) -> Path | None:
    """Where Python caches what it compiled, for an approved environment: nowhere that others can write.

    Each environment has its own, or what was compiled from one could be run with the next.
    """
    if environment is None:
        return None
    mine = make_private_dir(directory / "bytecode") / environment[:32]
    for other in mine.parent.iterdir():
        if other != mine:
            shutil.rmtree(other, ignore_errors=True)
    return make_private_dir(mine)


class AppNode:
    """Serves the requests of one app, in whichever thread calls it; `interrupt` may be called from another.

    Parameters
    ----------
    session : Session
        The data owner in this app.
    runner : Runner
        Runs the app.
    options : NodeOptions
        What is stated in the responses.
    gate : callable, optional
        Says why a genuine request is not executed; None lets it pass.
    hold : callable
        Says why what the app made is not sent after all, though it is written down; None lets it go.
    """

    def __init__(
        self,
        session: Session,
        runner: Runner,
        options: NodeOptions,
        gate: Callable[[Task], str | None] | None = None,
        hold: Hold = lambda reply: None,
    ) -> None:
        self._session = session
        self._runner = runner
        session.channel.transport.retry_timeout = RETRY_TIMEOUT
        self._prune()
        aggregator = session.settings.aggregator
        errors = AppErrors(
            session.channel.directory / "logs" / "errors", options.error_texts, session.channel.emit
        )
        guard = EgressGuard(
            lambda work: errors(work, runner(work)),
            options.egress,
            session.journal.egress_bytes,
            lambda message, sentence: session.channel.emit(ReplyWithheld(message, sentence)),
            options.mods,
            options.stated_sandbox,
        )
        self._inbox = Inbox(
            session.channel,
            aggregator,
            guard,
            code=options.code,
            gate=gate,
            data=options.data,
            sandbox=options.stated_sandbox,
            hold=hold,
        )
        self._interrupted = threading.Event()
        self._reported = 0
        self.besides: Callable[[], None] = lambda: None
        """Called now and then by whoever stays: about once a minute, and after everything that is done."""

    @property
    def stopped(self) -> list[Stopped]:
        """The runs that ended since this began."""
        return self._inbox.stopped

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to end."""
        return self._interrupted.is_set()

    def interrupt(self) -> None:
        """Let `serve` or `work_off` end soon, after the request that is being executed."""
        self._interrupted.set()
        self._inbox.interrupt()

    def serve(self, until: Callable[[], bool]) -> None:
        """Serve until ``until()``, which is asked after everything that is done, or an interrupt."""
        self._inbox.recover()
        channel = self._session.channel
        channel.emit(NodeReady(channel.email, self._session.settings.aggregator))
        self._inbox.serve(until)

    def work_off(self) -> int:
        """Do all that is there and can be done now; how many steps that took."""
        self._inbox.recover()
        steps = 0
        self.besides()
        while not self._interrupted.is_set() and self._inbox.step():
            steps += 1
            self.report_ends()
        return steps

    def report_ends(self) -> None:
        """Note that the ends of runs have been said, and tidy up after them: for whoever stays."""
        while self._reported < len(self._inbox.stopped):
            self._session.journal.mark_reported(self._inbox.stopped[self._reported].run)
            self._reported += 1
            self._prune()
        self.besides()

    def close(self) -> None:
        """Let go of the worker and the folders; the session stays open."""
        self._inbox.close()
        self._runner.close()
        self._prune()

    def _prune(self) -> None:
        settings = self._session.settings
        retention.prune_expired(self._session.channel, [settings.aggregator], settings.retention)


def run_node(
    session: Session,
    runner: Runner,
    options: NodeOptions,
    gate: Callable[[Task], str | None] | None = None,
    over: Callable[[list[Stopped]], bool] = lambda stopped: False,
    hold: Hold = lambda reply: None,
) -> NodeResult:
    """Serve requests until the run is over, or for ever with ``keep_alive``.

    ``gate`` says why a genuine request is not executed, and ``hold`` why a reply that is written down is not sent
    after all; None lets it pass. ``over`` looks at the runs that ended, and says whether the node is to end in spite
    of ``keep_alive``. Whoever has shown the result calls `told`.
    """
    runner.start()
    node = AppNode(session, runner, options, gate, hold)

    def done() -> bool:
        if not options.keep_alive:
            return bool(node.stopped)
        node.report_ends()
        return bool(node.stopped) and over(node.stopped)

    try:
        with on_interrupt(node.interrupt, raises=False):
            node.serve(done)
    finally:
        node.close()
    return NodeResult(list(node.stopped), node.interrupted)


def told(session: Session, result: NodeResult) -> None:
    """Note that the ends of these runs have been shown: repeating the command waits for the next run."""
    for ended in result.stopped:
        session.journal.mark_reported(ended.run)
