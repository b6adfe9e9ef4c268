"""What the service does with a run: when it may begin, the commands that begin and end it, whether it is open.

It reads the records and journals of the aggregator; what it changes is that a run's process is asked to end it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syft_flwr_cli.aggregator.service.processes import as_run_config
from syft_flwr_cli.aggregator.service.states import State
from syft_flwr_cli.aggregator.service.store import RunRecord, ServiceStore
from syft_flwr_cli.aggregator.stopping import ask_to_stop, withdraw_request
from syft_flwr_cli.catalogue.run_asks import RunAsk
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.services.asked_runs import ask_for_runs, values_beyond
from syft_flwr_cli.services.federation import Federation, record_store
from syft_flwr_cli.services.offers import Standing, standing
from syft_flwr_cli.services.participation import parse_start_rule
from syft_flwr_cli.storage.journal_reader import read_runs
from syft_flwr_cli.storage.paths import app_dir

__all__ = ["ServiceActions", "ServiceSetup"]

LOOK_AGAIN = 1.0
"""Seconds for which what is known of decisions is not read again, unless something has changed."""


@dataclass(frozen=True, slots=True)
class ServiceSetup:
    """What a service is made of.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    email : str
        The aggregator.
    datasites : sequence of str
        All data owners.
    federations : mapping
        Sets of them, by name; ``files`` is all.
    words : sequence of str
        Options that every run's command gets: e-mail, shared folder.
    start_with : str, optional
        When a run of an offered project may start before every decision is in.
    at_once : int
        Runs that go on at the same time.
    open_federation : callable
        Opens the aggregator's part in the exchange of offers.
    results : callable
        The folder with a run's results, by app and the id that its messages carry; None if there is none.
    """

    home: Path
    email: str
    datasites: Sequence[str]
    federations: Mapping[str, Sequence[str]]
    words: Sequence[str]
    start_with: str | None
    at_once: int
    open_federation: Callable[[], Federation]
    results: Callable[[str, str], Path | None]


class ServiceActions:
    """See the module's first paragraph.

    Parameters
    ----------
    setup : ServiceSetup
        What the service is made of.
    store : ServiceStore
        Its runs.
    """

    def __init__(self, setup: ServiceSetup, store: ServiceStore) -> None:
        self._setup, self._store = setup, store
        self._rule = parse_start_rule(setup.start_with)
        self._beyond: dict[int, dict[str, Any]] = {}
        self._known: dict[str, tuple[float, Standing | None]] = {}

    def waits(self, run: RunRecord) -> str:
        """Whose decision a run waits for, before it begins."""
        found = self._standing(run.app_name)
        if found is None or found.offer.digest != run.digest:
            return ""
        since = datetime.fromtimestamp(run.submitted, UTC).strftime("%H:%M UTC")
        ask = self._ask(run)
        if ask is not None:
            return self._waits_for_answers(found, ask, since)
        if not found.undecided or self._rule.enough(len(found.approved), len(found.asked)):
            return ""
        return f"waiting for the decision of {', '.join(found.undecided)} since {since}"

    def _waits_for_answers(self, found: Standing, ask: RunAsk, since: str) -> str:
        """Who has still to say whether a run may have a run config that was not approved."""
        approved = [one for one in found.asked if one.decision is not None and one.decision.holds(found.now)]
        answers = {one.email: one.decision.answer_to(ask) for one in approved if one.decision is not None}
        allowed = [email for email, answer in answers.items() if answer is not None and answer.allowed]
        if self._rule.enough(len(allowed), len(found.asked)):
            return ""
        silent = [*found.undecided, *(email for email, answer in answers.items() if answer is None)]
        if not silent:
            return ""
        return (
            f"waiting for {', '.join(silent)} to allow {ask.sentence()} since {since}; what was approved says "
            "otherwise, and their policy does not allow it"
        )

    def _ask(self, run: RunRecord) -> RunAsk | None:
        """What data owners are asked to allow for a run; None if its run config is what they have approved."""
        if not run.run_config:
            return None
        values = self._beyond.get(run.run_id)
        if values is None:
            values = self._beyond[run.run_id] = values_beyond(load_project(run.project), run.run_config)
        return RunAsk(run.messages_run, values, run.user) if values else None

    def ask_owners(self, federation: Federation) -> None:
        """Have the offers ask for the open runs whose run config was not approved."""
        asks: dict[tuple[str, str], list[RunAsk]] = {}
        for run in sorted(self._store.open_runs(), key=lambda one: one.place):
            ask = self._ask(run)
            asks.setdefault((run.app_name, run.digest), []).extend([ask] if ask is not None else [])
        for (app, digest), found in asks.items():
            if ask_for_runs(federation, app, digest, found):
                self.forget()

    def forget(self) -> None:
        """Look anew: something may have changed."""
        self._known.clear()

    def _standing(self, app: str) -> Standing | None:
        now = time.time()
        seen, found = self._known.get(app, (0.0, None))
        if not seen <= now < seen + LOOK_AGAIN:
            found = standing(record_store(self._setup.home, self._setup.email), app, now)
            self._known[app] = (now, found)
        return found

    def awaited(self) -> dict[str, list[str]]:
        """Of which projects decisions are awaited, and from whom."""
        awaited: dict[str, list[str]] = {}
        for run in self._store.open_runs():
            if run.state is not State.QUEUED or run.app_name in awaited:
                continue
            found = self._standing(run.app_name)
            if found is not None and (found.undecided or self._ask(run) is not None):
                awaited[run.app_name] = [one.email for one in found.asked]
        return awaited

    def start_words(self, run: RunRecord) -> list[str]:
        """The command that begins a run, or goes on with it."""
        words = ["run-server", str(run.project), *self._setup.words, "--run-id", run.messages_run, "--json"]
        if self._setup.start_with is not None:
            words += ["--start-with", self._setup.start_with]
        if run.run_config:
            words += ["--run-config", as_run_config(run.run_config)]
        return words

    def end_words(self, run: RunRecord, reason: str) -> list[str]:
        """The command that ends a run and tells its data owners."""
        return ["runs", "stop", run.messages_run, *self._setup.words, "--reason", reason[:300], "--json"]

    def is_open(self, run: RunRecord) -> bool:
        """Whether a run has begun, and its data owners were not told that it has ended."""
        journal = self._directory(run) / "journal.sqlite3"
        return any(one.run == run.messages_run and one.ended is None for one in read_runs(journal))

    def ask(self, run: RunRecord, reason: str) -> None:
        """Ask the process that works on a run to end it."""
        ask_to_stop(self._directory(run), run.messages_run, reason)

    def ask_no_more(self, run: RunRecord) -> None:
        """Take the request back, whether it was heard or not."""
        withdraw_request(self._directory(run), run.messages_run)

    def _directory(self, run: RunRecord) -> Path:
        return app_dir(self._setup.home, self._setup.email, run.app_name)
