"""An app at a data owner, made ready to run: approved code, chosen data, keys, store, worker. Asks and prints nothing.

`run-client` runs one, a node runs all that its owner has approved: both begin here, and both run nothing but the
approved copy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

from syft_flwr_cli.consent import approvals
from syft_flwr_cli.consent.gate import ApprovedCode, Gate, approved_code
from syft_flwr_cli.consent.interpreter import choose_interpreter
from syft_flwr_cli.consent.policy import Policy, policy_files
from syft_flwr_cli.consent.reread import Reread
from syft_flwr_cli.consent.strictest import strictest
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.errors import NotApprovedError, SyftFlwrError, UsageError
from syft_flwr_cli.events import DataChosen, Emit, Publisher, RunConfigDiffers, nobody
from syft_flwr_cli.execution.dependency_lock import read_lock
from syft_flwr_cli.execution.locked_environment import built_environment
from syft_flwr_cli.execution.runner import Runner
from syft_flwr_cli.execution.sandbox.capabilities import Capability
from syft_flwr_cli.execution.sandbox.choice import choose
from syft_flwr_cli.execution.worker_process import WorkerProcess
from syft_flwr_cli.node import node
from syft_flwr_cli.node.app_sandbox import app_sandbox, sandbox_limits, stated
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.project.settings import Settings
from syft_flwr_cli.security.identity import FILE_NAME, read_public
from syft_flwr_cli.services.asked_runs import allowed_values
from syft_flwr_cli.services.data_choice import DataChoice
from syft_flwr_cli.services.own_data import data_set_policies, data_sets_file
from syft_flwr_cli.services.run_log import RunLog
from syft_flwr_cli.session.session import Session, open_session
from syft_flwr_cli.storage.paths import app_dir, make_private_dir, participant_dir

__all__ = [
    "AppOptions",
    "OpenApp",
    "OwnerApp",
    "approved_projects",
    "open_app",
    "prepare_app",
    "start_worker",
]


@dataclass(frozen=True, slots=True)
class AppOptions:
    """How the app is run; see `node.NodeOptions`."""

    keep_alive: bool = False
    isolation: str = "subprocess"
    python: Path | None = None
    wheels: Path | None = None
    memory_limit: int | None = None
    sandbox: str = "auto"
    gpu: bool = False
    node_config: Mapping[str, Any] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnerApp:
    """An app that may run: its settings, the approved code, what it gets, and the kind of sandbox it runs in."""

    settings: Settings
    project: Project
    code: ApprovedCode
    data: DataChoice
    options: node.NodeOptions
    sandbox: Capability


@dataclass(frozen=True, slots=True)
class OpenApp:
    """An app that is open: its session, what runs it, and what decides of each request."""

    session: Session
    runner: Runner
    gate: Gate


def prepare_app(
    home: Path, project: Project, settings: Settings, data: DataChoice, options: AppOptions
) -> OwnerApp:
    """Find the approved copy of ``project`` and how it is to be run.

    Raises
    ------
    NotApprovedError
        If the owner has not approved exactly these files, or this environment.
    SyftFlwrError
        If no sandbox works here, or not the one that is asked for.
    """
    python = choose_interpreter(options.python, project.path)
    own = python is None and options.isolation == "subprocess"
    code = approved_code(home, settings.email, project, with_environment=own)
    code = _with_data_policies(home, settings.email, code, data)
    environment = code.environment
    python = python if environment is None else environment.interpreter
    if own and python is None:
        python = locked_interpreter(home, settings.email, code.copy, options.wheels)
    # A node knows the approved copy alone; whoever reviewed a folder must not import from that.
    elsewhere = None if project.path == code.copy else project.path
    digest = None if environment is None else environment.digest
    chosen = choose("none" if options.isolation == "inline" else options.sandbox)
    limits = sandbox_limits(code.policy, chosen, code.grants, options.memory_limit)
    personal = participant_dir(home, settings.email)
    return OwnerApp(
        replace(settings, data=data.path),
        project,
        code,
        data,
        node.NodeOptions(
            keep_alive=options.keep_alive,
            code=code.digest,
            mods=code.policy.required_mods,
            isolation=options.isolation,
            python=python,
            environment=digest,
            check=code.check_environment,
            elsewhere=elsewhere,
            memory_limit=limits.memory,
            stated_sandbox=stated(chosen, code.grants),
            node_config=options.node_config,
            run_config=options.run_config,
            data=data.use,
            sandbox=app_sandbox(
                chosen,
                code=code.copy,
                data=data.path,
                python=python,
                elsewhere=elsewhere,
                home=home,
                foreign=own and python is not None,
                bytecode=node.bytecode_dir(personal, digest),
                results=make_private_dir(app_dir(home, settings.email, settings.app_name) / "results"),
                grants=code.grants,
                limits=limits,
                gpu=options.gpu,
            ),
            error_texts=lambda: _readable_policy(code).error_texts,
            egress=lambda: _readable_policy(code).egress,
        ),
        chosen,
    )


def _with_data_policies(home: Path, email: str, code: ApprovedCode, data: DataChoice) -> ApprovedCode:
    """The code under the policies of the data that it gets, beside its owner's: what all of them allow."""
    file = data_sets_file(home, email)
    own = code.rules

    def policy() -> Policy:
        return reduce(strictest, data_set_policies(home, email, data.path), own.now())

    personal = participant_dir(home, email)
    rules = Reread((*policy_files(home, personal), file), policy)
    return replace(code, rules=rules, policy=rules.now())


def _readable_policy(code: ApprovedCode) -> Policy:
    """The policy as it is now; the last one that could be read, without error texts, where it cannot be.

    A reply is looked at before the gate is asked, and the gate lets none out under a policy that cannot be read: the
    node must live on to say so.
    """
    try:
        return code.rules.now()
    except SyftFlwrError:
        return replace(code.policy, error_texts=False)


def locked_interpreter(home: Path, email: str, approved: Path, wheels: Path | None) -> Path | None:
    """The interpreter of the environment that an approved copy's lock asks for, built if need be; None without a lock.

    Raises
    ------
    NotApprovedError
        If a package is not the one that was approved.
    UsageError
        If it cannot be built.
    """
    packages = read_lock(approved)
    if not packages:
        return None
    place = participant_dir(home, email) / "built"
    return built_environment(place, packages, wheels)[0]


def start_worker(app: OwnerApp, home: Path) -> WorkerProcess | None:
    """The app's process, started before the store is opened: importing flwr takes longer than all else."""
    if app.options.isolation != "subprocess":
        return None
    personal = participant_dir(home, app.settings.email)
    return WorkerProcess(
        app.options.python,
        app.options.elsewhere,
        app.code.copy,
        node.bytecode_dir(personal, app.options.environment),
        app.options.sandbox,
    )


def open_app(
    app: OwnerApp,
    home: Path,
    *,
    emit: Emit = nobody,
    require_verified: bool = False,
    early: WorkerProcess | None = None,
) -> OpenApp:
    """Open what the app needs; whoever calls closes the session.

    Parameters
    ----------
    app : OwnerApp
        What is to run.
    home : Path
        ``SYFT_FLWR_HOME``.
    emit : callable
        Hears what happens.
    require_verified : bool
        Refuse an aggregator whose key was never compared.
    early : WorkerProcess, optional
        A worker that was started before it was known what for.

    Raises
    ------
    BusyError
        If another process of this participant serves the app.
    """
    fingerprints = app.project.fingerprints
    directory = app_dir(home, app.settings.email, app.settings.app_name)
    emit = Publisher(emit, RunLog(directory))
    opened = open_session(
        app.settings, home, emit=emit, fingerprints=fingerprints, require_verified=require_verified
    )
    try:
        data = app.data
        emit(DataChosen(app.settings.app_name, data.use, str(data.path or ""), data.files, data.bytes))
        component = load_project(app.code.copy).clientapp
        runner = node.make_runner(opened, app.code.copy, component, app.options, early)
        gate = Gate(
            app.code,
            opened.journal,
            len(app.settings.datasites),
            partial(_note, opened.channel),
            partial(allowed_values, home, app.settings.email, app.settings.aggregator, app.settings.app_name),
        )
    except BaseException:
        opened.close()
        raise
    return OpenApp(opened, runner, gate)


def _note(channel: Channel, run: str, sentence: str) -> None:
    """Say what the policy let pass and the approval does not name, and keep it in the record."""
    channel.journal.hear(
        [{"event": "run-config", "time": channel.clock(), "run": run, "sentence": sentence[:500]}]
    )
    channel.emit(RunConfigDiffers(run, sentence))


def approved_projects(
    home: Path, email: str, warn: Callable[[str], None] = lambda sentence: None
) -> list[Project]:
    """The projects that ``email`` has approved, one of each app, the version approved last; from their checked copies.

    ``warn`` hears of those that cannot be used.
    """
    directory = participant_dir(home, email)
    if not (directory / FILE_NAME).exists():
        return []
    public, _ = read_public(directory, email)
    latest: dict[str, tuple[float, str]] = {}
    for path in sorted((directory / "approvals").glob("*.json")):
        try:
            found = approvals.read_decision(directory, path.stem, public)
        except NotApprovedError as error:
            warn(error.what)
            continue
        if found is None or found.decision != "approve":
            continue
        if found.time > latest.get(found.app_name, (0.0, ""))[0]:
            latest[found.app_name] = (found.time, found.digest)
    projects = []
    for name, (_, digest) in sorted(latest.items()):
        try:
            project = load_project(approvals.code_dir(directory) / digest)
        except UsageError as error:
            warn(f"{name}: {error.what}")
            continue
        if project.app_name == name and email in project.datasites:
            projects.append(project)
    return projects
