"""What a node serves: every project that its owner has approved, each with its settings, its data, and its own store.

An app about which something was never said (its data, its shared folder) is not served; it waits for a decision, which
is announced as an event with the command to type. Asks and prints nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import EXIT_OK, EXIT_UNDECIDED, NotApprovedError, SyftFlwrError, UsageError
from syft_flwr_cli.events import AppFailed, DecisionAwaited, Emit
from syft_flwr_cli.node.node import AppNode
from syft_flwr_cli.node.presence import Presence
from syft_flwr_cli.node.supervisor import Served, Supervisor
from syft_flwr_cli.node.workers import WorkerPool
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.project.own_settings import FILE_NAME
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.services.data_choice import choose_data
from syft_flwr_cli.services.offer_watch import OfferWatch
from syft_flwr_cli.services.owner_app import AppOptions, OwnerApp, approved_projects, open_app, prepare_app
from syft_flwr_cli.services.pausing import paused_since
from syft_flwr_cli.services.shared_root import check_store
from syft_flwr_cli.session.interrupts import on_interrupt
from syft_flwr_cli.storage.paths import participant_dir

__all__ = ["NodeResult", "NodeSetup", "serve", "work_off"]

LOOK_AGAIN = 5.0
"""Seconds after which a node looks again whether something was approved, or is approved no more."""


@dataclass(frozen=True, slots=True)
class NodeSetup:
    """How a node serves.

    Parameters
    ----------
    home, email : Path, str
        Whose node it is.
    places : mapping
        What was given for ``transport``, ``root`` and ``syftbox_config``; what is remembered for an app otherwise.
    data, mock, no_data
        What every app gets; what is remembered for it if nothing was given.
    options : AppOptions
        How each app is run.
    max_workers : int
        App processes at a time.
    require_verified : bool
        Refuse aggregators whose key was never compared.
    presence : bool
        Whether a sign of life is published.
    """

    home: Path
    email: str
    places: dict[str, Any] = field(default_factory=dict)
    data: Path | None = None
    mock: bool = False
    no_data: bool = False
    options: AppOptions = field(default_factory=AppOptions)
    max_workers: int = 2
    require_verified: bool = False
    presence: bool = True


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What a node did in one pass, what it could not, and what waits for its owner."""

    served: tuple[Served, ...]
    waiting: tuple[DecisionAwaited, ...]
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """The code of the first app that failed; else whether something waits."""
        failed = [one.error for one in self.served if one.error is not None]
        if failed:
            return failed[0].exit_code
        return EXIT_UNDECIDED if self.waiting else EXIT_OK


class _Finder:
    """Finds what is to be served, and remembers what waits."""

    def __init__(self, setup: NodeSetup, emit: Emit) -> None:
        self._setup = setup
        self._emit = emit
        self._pool = WorkerPool(setup.max_workers)
        self._presence = Presence(emit) if setup.presence else None
        self._seen: object = None
        self._found: list[_App] = []
        self.waiting: dict[str, DecisionAwaited] = {}

    def __call__(self) -> list["_App"]:
        self._pool.let_go_idle()
        if paused_since(self._setup.home, self._setup.email) is not None:
            return []
        seen = self._state()
        if seen != self._seen:
            self._found, self._seen = self._look(), seen
        return self._found

    def _state(self) -> object:
        """What the answer depends on; reading everything anew costs a digest of every project."""
        folder = participant_dir(self._setup.home, self._setup.email) / "approvals"
        files = [*folder.glob("*.json"), self._setup.home / FILE_NAME]
        return sorted((str(path), path.stat().st_mtime_ns) for path in files if path.exists())

    def _look(self) -> list["_App"]:
        setup, self.waiting = self._setup, {}
        found = []
        for project in approved_projects(setup.home, setup.email, self._warn):
            app = self._prepared(project)
            if app is not None:
                found.append(_App(app, setup, self._pool, self._presence, self._emit))
        return found

    def _prepared(self, project: Project) -> OwnerApp | None:
        setup = self._setup
        name = project.app_name or ""
        try:
            settings = resolve(
                project,
                home=setup.home,
                role="data owner",
                email=setup.email,
                data=setup.data,
                **setup.places,
            )
            choice = choose_data(
                settings, setup.home, data=setup.data, mock=setup.mock, no_data=setup.no_data, project=project
            )
            check_store(settings, self._emit)
            return prepare_app(setup.home, project, settings, choice, setup.options)
        except UsageError as error:
            again = f"syft-flwr run-client {project.path} --email {setup.email}"
            event = DecisionAwaited(setup.email, f"{name}: {error.what} {error.hint}", again)
            self.waiting[name] = event
            self._emit(event)
        except NotApprovedError:
            pass  # it was approved when it was listed, and is no more
        except SyftFlwrError as error:
            self._emit(AppFailed(setup.email, name, error.what, error.hint))
        return None

    def _warn(self, sentence: str) -> None:
        self._emit(AppFailed(self._setup.email, "An approval", sentence))


@dataclass(frozen=True, slots=True)
class _App:
    """An app to serve; see `supervisor.ServedApp`."""

    app: OwnerApp
    setup: NodeSetup
    pool: WorkerPool
    presence: Presence | None
    emit: Emit

    @property
    def email(self) -> str:
        return self.app.settings.email

    @property
    def app_name(self) -> str:
        return self.app.settings.app_name

    @property
    def aggregator(self) -> str:
        return self.app.settings.aggregator

    @property
    def version(self) -> str:
        return (
            f"{self.app.code.digest} {self.app.options.environment} {self.app.data.use} {self.app.data.path}"
        )

    def open(self) -> tuple[AppNode, Callable[[], None]]:
        opened = open_app(
            self.app, self.setup.home, emit=self.emit, require_verified=self.setup.require_verified
        )
        try:
            runner = self.pool.runner(opened.runner)
            node = AppNode(opened.session, runner, self.app.options, opened.gate, opened.gate.hold)
            if self.presence is not None:
                node.besides = self.presence.keeper(opened.session)
        except BaseException:
            opened.session.close()
            raise
        return node, opened.session.close


def serve(setup: NodeSetup, emit: Emit) -> NodeResult:
    """Serve until interrupted."""
    find = _Finder(setup, emit)
    supervisor = Supervisor(find, emit)
    offers = OfferWatch(setup.home, setup.email, emit, **setup.places)
    try:
        with on_interrupt(supervisor.interrupt, raises=False):
            supervisor.serve(LOOK_AGAIN, offers.look)
    finally:
        offers.close()
    return NodeResult((), (*find.waiting.values(), *offers.waiting), interrupted=True)


def work_off(setup: NodeSetup, emit: Emit) -> NodeResult:
    """Do what is there, and come back."""
    find = _Finder(setup, emit)
    supervisor = Supervisor(find, emit)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        supervisor.interrupt()

    offers = OfferWatch(setup.home, setup.email, emit, **setup.places)
    try:
        with on_interrupt(interrupt, raises=False):
            offers.look()
            served = supervisor.work_off()
    finally:
        offers.close()
    return NodeResult(tuple(served), (*find.waiting.values(), *offers.waiting), interrupted)
