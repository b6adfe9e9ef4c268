"""The aggregator's service, put together: the queue of runs behind Flower's Control API.

`RunService` answers the Control API's calls. It holds the shared store's view only while a bundle is taken in, or
decisions are looked at, and never a lock while it waits. A user sees and stops their own runs; an
administrator everybody's.
"""

import json
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from syft_flwr_cli.aggregator.service.processes import RunFolder
from syft_flwr_cli.aggregator.service.states import NoSuchStepError, State
from syft_flwr_cli.aggregator.service.store import RunRecord, ServiceStore
from syft_flwr_cli.aggregator.service.supervisor import RunActions, Supervisor
from syft_flwr_cli.errors import NotThereError, SyftFlwrError, TrustError
from syft_flwr_cli.flower.control_api.backend import (
    ControlError,
    Failure,
    FederationSummary,
    LogChunk,
    NodeSummary,
    RunSummary,
    Submission,
    User,
)
from syft_flwr_cli.flower.control_api.fab import FabError, read_fab, unknown_keys
from syft_flwr_cli.protocol.names import node_id
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.presence import MAX_PRESENCE, PRESENCE_PATH, read_presence
from syft_flwr_cli.services.decision_watch import DecisionWatch
from syft_flwr_cli.services.federation import Federation
from syft_flwr_cli.services.run_actions import ServiceActions, ServiceSetup
from syft_flwr_cli.services.submission import prepare
from syft_flwr_cli.storage.paths import make_private_dir, write_private

__all__ = ["RunService"]

TICKET_LASTS = 3600.0
"""Seconds for which the address of a run's results holds."""

HEARTBEAT = 1.0
"""Seconds between two signs of life of a log that says nothing."""

MAX_FRAME = 1 << 20
"""Bytes of a log that are sent as one frame, unless they came in one piece."""

ONLINE = 15 * 60.0
"""Seconds after its last sign of life for which a data owner counts as online."""


class RunService:
    """Answers the Control API; see the module's first paragraph.

    Parameters
    ----------
    setup : ServiceSetup
        What it is made of.
    directory : Path
        The service's own directory, 0700.
    """

    def __init__(self, setup: ServiceSetup, directory: Path) -> None:
        self._setup = setup
        self._directory = make_private_dir(directory)
        self.store = ServiceStore(directory)
        self._actions = actions = ServiceActions(setup, self.store)
        self.supervisor = Supervisor(
            self.store,
            directory,
            RunActions(
                waits=actions.waits,
                start=actions.start_words,
                end=actions.end_words,
                is_open=actions.is_open,
                ask=actions.ask,
                ask_no_more=actions.ask_no_more,
            ),
            setup.at_once,
        )
        self._decisions = DecisionWatch(
            setup.open_federation, actions.awaited, actions.ask_owners, self._decided
        )
        self._tickets: dict[str, tuple[int, float]] = {}
        self._taking_in = threading.Lock()
        self._thread = threading.Thread(target=self.supervisor.run, name="syft-flwr-service", daemon=True)

    @property
    def account(self) -> str:
        """How Flower calls the aggregator in the names of federations."""
        return self._setup.email.partition("@")[0]

    def start(self) -> None:
        """Begin to serve the queue."""
        self._thread.start()
        self._decisions.start()

    def close(self) -> None:
        """Stop serving; the runs' processes go on, and are taken up again by the next service."""
        self._decisions.close()
        self.supervisor.close()
        self._thread.join(timeout=30)
        self.store.close()

    # The Control API

    def authenticate(self, token: str | None) -> User | None:
        """Whose token this is."""
        found = None if token is None else self.store.user_of(token)
        return None if found is None else User(found.user, found.is_admin)

    def start_run(self, user: User, submission: Submission) -> tuple[int, str]:
        """Take a bundle in, offer its project if it is new, and put its run into the queue."""
        federation_name = submission.federation or self._federation_name("files")
        names = {self._federation_name(name): owners for name, owners in self._setup.federations.items()}
        if federation_name not in names:
            raise ControlError(Failure.FEDERATION_NOT_FOUND, f"Federations here: {', '.join(names)}.")
        try:
            fab = read_fab(submission.fab)
        except FabError as error:
            raise ControlError(Failure.FAILED_TO_CREATE_RUN, str(error)) from error
        if unknown := unknown_keys(fab, submission.run_config):
            raise ControlError(
                Failure.INVALID_RUN_CONFIG, f"The app's run config has no {', '.join(unknown)[:300]}."
            )
        with self._refusing(Failure.FAILED_TO_CREATE_RUN), self._federation() as federation:
            prepared = prepare(
                federation,
                fab,
                names[federation_name],
                make_private_dir(self._directory / "projects"),
                f"submitted by {user.name}",
            )
        run_id = secrets.randbits(62) | 1 << 61
        folder = make_private_dir(self.supervisor.folder(run_id).path)
        received = {"sha256": fab.digest, "verifications": dict(submission.verifications)}
        write_private(folder / "fab.json", json.dumps(received).encode())
        added = self.store.add(
            RunRecord(
                run_id=run_id,
                place=0,
                project=prepared.project.path,
                app_name=prepared.project.app_name or "",
                fab_id=fab.fab_id,
                fab_version=fab.version,
                fab_hash=fab.digest,
                digest=prepared.digest,
                federation=federation_name,
                user=user.name,
                run_config=submission.run_config,
                priority=0,
                state=State.QUEUED,
                detail="",
                submitted=time.time(),
            )
        )
        self._decided()
        self._decisions.look()
        asked = f"offered to {', '.join(prepared.asked)}" if prepared.asked else ""
        return added.run_id, asked

    def list_runs(self, user: User, run_id: int | None, limit: int | None, skip: int) -> Sequence[RunSummary]:
        """The newest runs first, or one run."""
        if run_id is not None:
            return [self._summary(self._run(user, run_id))]
        name = None if user.is_admin else user.name
        return [self._summary(run) for run in self.store.runs(name, limit, skip)]

    def stop_run(self, user: User, run_id: int) -> None:
        """End a run, and wait until it has ended."""
        self._run(user, run_id)
        try:
            self.supervisor.stop(run_id)
        except NoSuchStepError as error:
            raise ControlError(Failure.RUN_ALREADY_FINISHED, f"Run {run_id} has ended already.") from error
        self._decisions.look()

    def stream_log(self, user: User, run_id: int, after: float) -> Iterator[LogChunk]:
        """The log from a time on, until the run has ended."""
        run = self._run(user, run_id)
        return self._stream(run, self.supervisor.folder(run_id), after)

    def artifacts(self, user: User, run_id: int) -> str:
        """A ticket for the run's results."""
        run = self._run(user, run_id)
        if not run.state.is_final:
            raise ControlError(Failure.PULL_UNFINISHED_RUN, f"Run {run_id} is {run.state}.")
        ticket = secrets.token_urlsafe(24)
        now = time.time()
        self._tickets = {key: one for key, one in self._tickets.items() if one[1] > now}
        self._tickets[ticket] = (run_id, now + TICKET_LASTS)
        return ticket

    def open_artifacts(self, ticket: str) -> Path | None:
        """The archive of a run's results, made when it is asked for first."""
        found = self._tickets.get(ticket)
        run = None if found is None or found[1] < time.time() else self.store.run(found[0])
        return None if run is None else self._archive(run)

    def nodes(self, user: User) -> Sequence[NodeSummary]:
        """The data owners."""
        return self._nodes(self._setup.datasites)

    def federations(self, user: User) -> Sequence[FederationSummary]:
        """The named sets of data owners, and the newest runs in them."""
        runs = self.list_runs(user, None, 100, 0)
        nodes = {node.email: node for node in self.nodes(user)}
        found = []
        for name, owners in self._setup.federations.items():
            full = self._federation_name(name)
            theirs = [run for run in runs if run.federation == full]
            said = f"over folders: {', '.join(owners)}"
            found.append(FederationSummary(full, said, [nodes[email] for email in owners], theirs))
        return found

    # Behind it

    def _decided(self) -> None:
        self._actions.forget()
        self.supervisor.notify()

    def _federation_name(self, name: str) -> str:
        return f"@{self.account}/{name}"

    def _nodes(self, owners: Sequence[str]) -> list[NodeSummary]:
        with self._refusing(Failure.FAILED_TO_CREATE_RUN), self._federation() as federation:
            return [_node(email, _last_seen(federation, email)) for email in owners]

    @contextmanager
    def _federation(self) -> Iterator[Federation]:
        # One bundle after the other: two at once could both find that nothing like them was offered yet.
        with self._taking_in:
            federation = self._setup.open_federation()
            try:
                yield federation
            finally:
                federation.close()

    @contextmanager
    def _refusing(self, failure: Failure) -> Iterator[None]:
        try:
            yield
        except SyftFlwrError as error:
            raise ControlError(failure, f"{error.what} {error.hint}") from error

    def _run(self, user: User, run_id: int) -> RunRecord:
        run = self.store.run(run_id)
        if run is None:
            raise ControlError(Failure.RUN_NOT_FOUND, f"There is no run {run_id}.")
        if run.user != user.name and not user.is_admin:
            raise ControlError(Failure.RUN_OF_SOMEBODY_ELSE, f"Run {run_id} was submitted by somebody else.")
        return run

    def _stream(self, run: RunRecord, folder: RunFolder, after: float) -> Iterator[LogChunk]:
        marks = folder.marks()
        at = max((size for moment, size in marks if moment <= after), default=0)
        latest, silent = after, time.monotonic()
        while True:
            now = self.store.run(run.run_id)
            ended = now is None or now.state.is_final
            new = [mark for mark in folder.marks() if mark[1] > at]
            if new:
                # As much as there is at once: `flwr log --show` shows the first frame and no more.
                latest, end = next((mark for mark in reversed(new) if mark[1] - at <= MAX_FRAME), new[0])
                yield LogChunk(folder.read_log(at, end), latest)
                at, silent = end, time.monotonic()
            elif ended:
                return
            elif time.monotonic() - silent >= HEARTBEAT:
                yield LogChunk("", latest)
                silent = time.monotonic()
            else:
                time.sleep(0.1)

    def _archive(self, run: RunRecord) -> Path:
        folder = self.supervisor.folder(run.run_id)
        archive = folder.path / f"run-{run.run_id}.zip"
        if archive.exists():
            return archive
        fresh = archive.with_suffix(".new")
        results = self._setup.results(run.app_name, run.messages_run)
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as target:
            for file in (folder.path / "fab.json", folder.result, folder.log):
                if file.exists():
                    target.write(file, file.name)
            if results is not None:
                for file in sorted(
                    one for one in results.rglob("*") if one.is_file() and not one.is_symlink()
                ):
                    target.write(file, f"results/{file.relative_to(results)}")
        return Path(shutil.move(fresh, archive))

    def _summary(self, run: RunRecord) -> RunSummary:
        names = {
            State.QUEUED: ("pending", ""),
            State.RUNNING: ("running" if run.began is not None else "starting", ""),
            State.STOPPING: ("running", ""),
            State.COMPLETED: ("finished", "completed"),
            State.FAILED: ("finished", "failed"),
            State.STOPPED: ("finished", "stopped"),
        }
        status, sub_status = names[run.state]
        return RunSummary(
            run_id=run.run_id,
            fab_id=run.fab_id,
            fab_version=run.fab_version,
            fab_hash=run.fab_hash,
            federation=run.federation,
            user=run.user,
            status=status,
            sub_status=sub_status,
            details=run.detail,
            pending_at=_iso(run.submitted),
            starting_at=_iso(run.started),
            running_at=_iso(run.began),
            finished_at=_iso(run.ended),
            run_config=run.run_config,
        )


def _last_seen(federation: Federation, email: str) -> float | None:
    """When a data owner says it was at work last; None if it says nothing that can be believed."""
    channel = federation.session.channel
    try:
        public = channel.keys.of(email)
        if public is None:
            return None
        with channel.transport.open(email, PRESENCE_PATH) as stream:
            return float(read_presence(stream.read(MAX_PRESENCE + 1), public))
    except (NotThereError, RefusedError, TrustError):
        return None


def _node(email: str, seen: float | None) -> NodeSummary:
    online = seen is not None and time.time() - seen < ONLINE
    # Flower sorts nodes by when they were registered and cannot do without; it is not known here.
    return NodeSummary(
        node_id(email), email, "online" if online else "offline", _iso(seen or 0.0), _iso(seen)
    )


def _iso(moment: float | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
