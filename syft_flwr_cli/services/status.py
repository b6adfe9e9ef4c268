"""How things stand for the participants on this machine, told without disturbing a run that goes on.

Gathers what lies in a home: the journal (opened for looking only), the roster, who holds the lock, and how
much space is used. Takes no lock, opens no transport, makes and changes nothing, and asks no peer: what a
peer has written since this participant last looked is not in it.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.project.own_settings import layers, read_own
from syft_flwr_cli.project.settings import Settings, resolve
from syft_flwr_cli.protocol import names
from syft_flwr_cli.security.roster import FILE_NAME, Entry, Roster
from syft_flwr_cli.services.signs_of_life import last_signs
from syft_flwr_cli.storage.journal_reader import Refusal, RunView, look_at_journal
from syft_flwr_cli.storage.locks import Holder, who_holds
from syft_flwr_cli.storage.paths import app_dir, participant_dir
from syft_flwr_cli.transports.base import CallCosts
from syft_flwr_cli.transports.registry import all_specs, find_spec

__all__ = ["AppStatus", "apps_of", "bytes_below", "look", "next_command", "own_space", "participants"]


@dataclass(frozen=True, slots=True)
class AppStatus:
    """One participant in one app.

    Parameters
    ----------
    email, app_name : str
        Who, in which app.
    process : Holder, optional
        The process that holds the app now.
    runs : tuple of RunView
        The newest first.
    refused : tuple of Refusal
        What was not taken, the newest first.
    peers : tuple of Entry
        The keys that are known.
    kept : int
        Bytes of what is kept at home for this app.
    shared : int, optional
        Bytes of what it has written into the shared space for this app; None where that cannot be seen.
    drive : mapping
        What this participant has asked of Google Drive so far, in all apps, by kind of call.
    stores : mapping
        Bytes of this participant's files in remote stores, in all apps, by transport, as its own records have them.
    at_work : mapping
        When a peer's node last said that it is at work, in seconds since 1970, where it does.
    """

    email: str
    app_name: str
    process: Holder | None
    runs: tuple[RunView, ...]
    refused: tuple[Refusal, ...]
    peers: tuple[Entry, ...]
    kept: int
    shared: int | None
    drive: Mapping[str, CallCosts] = field(default_factory=dict)
    stores: Mapping[str, int] = field(default_factory=dict)
    at_work: Mapping[str, int] = field(default_factory=dict)

    @property
    def role(self) -> str | None:
        """``aggregator`` or ``data owner``; None before the first run."""
        return self.runs[0].role if self.runs else None

    def counts(self) -> dict[str, int]:
        """How often something was refused, by reason."""
        counted: dict[str, int] = {}
        for refusal in self.refused:
            counted[refusal.reason] = counted.get(refusal.reason, 0) + refusal.times
        return dict(sorted(counted.items()))


def participants(home: Path) -> list[str]:
    """Who has a directory on this machine."""
    return _folders(home / "participants", names.check_email)


def apps_of(home: Path, email: str) -> list[str]:
    """The apps in which ``email`` took part on this machine."""
    return _folders(participant_dir(home, email) / "apps", names.check_app_name)


def look(
    home: Path,
    email: str,
    app_name: str,
    *,
    peers: Collection[str] = (),
    space: Path | None = None,
    measure: bool = True,
) -> AppStatus:
    """How things stand for one participant in one app.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    email, app_name : str
        Who, in which app.
    peers : collection of str
        Whose keys are of interest; everybody's if empty.
    space : Path, optional
        The participant's own folder in the shared space.
    measure : bool
        Whether to add up the space that is used, which costs a look at each file; 0 otherwise.

    Raises
    ------
    SyftFlwrError
        If the journal or the roster cannot be read.
    """
    directory = app_dir(home, email, app_name)
    journal = look_at_journal(directory / "journal.sqlite3")
    entries = Roster(participant_dir(home, email) / FILE_NAME).entries()
    shared = None
    if space is not None and measure:
        # No e-mail holds anything that a pattern would take for more than itself.
        outboxes = space.glob(f"syft_outbox_inbox_{names.check_email(email)}_to_*")
        shared = sum(bytes_below(outbox / app_name) for outbox in outboxes)
    return AppStatus(
        email=email,
        app_name=app_name,
        process=who_holds(directory / "lock") or _at_work_on(directory, journal.runs),
        runs=journal.runs,
        refused=journal.refused,
        peers=tuple(entry for entry in entries if not peers or entry.email in peers),
        kept=bytes_below(directory) if measure else 0,
        shared=shared,
        drive=_asked(participant_dir(home, email) / "transport"),
        stores=_stores(participant_dir(home, email) / "transport"),
        at_work=last_signs(space, email, (entry.identity for entry in entries if not entry.revoked)),
    )


def _at_work_on(directory: Path, runs: Iterable[RunView]) -> Holder | None:
    """The process of a run that goes on beside others."""
    held = (who_holds(directory / "runs" / f"{one.run}.lock") for one in runs if one.ended is None)
    return next((holder for holder in held if holder is not None), None)


def own_space(home: Path, email: str, app_name: str, project: Project | None) -> Path | None:
    """The participant's own folder in the shared space, as far as it is known without asking anybody."""
    if project is None:
        for table in layers(read_own(home), app_name, email):
            if isinstance(table.get("root"), str):
                return Path(table["root"]) / email
        return None
    try:
        return _shared_space(resolve(project, home=home, email=email))
    except UsageError:
        return None  # it was never said where the shared folder is


def next_command(
    stands: Sequence[AppStatus], project: Project | None, folder: Path | None, said: str | None
) -> str:
    """The one command that helps most now; ``said`` is who was named on the command line or by the environment."""
    place = f" {shlex.quote(str(folder))}" if folder is not None else ""
    for one in stands:
        if one.process is None and one.runs and one.runs[0].ended is None:
            command = "run-server" if one.role == "aggregator" else "run-client"
            return f"syft-flwr {command}{place} --email {one.email}"
    for one in stands:
        for entry in one.peers:
            if entry.offered is not None and not entry.revoked:
                return f'syft-flwr keys trust {entry.email} --words "THE WORDS YOU HEARD" --email {one.email}'
            if entry.verified is None and not entry.revoked:
                return f"syft-flwr keys verify {entry.email} --email {one.email}"
    if stands:
        return f"syft-flwr audit verify --email {stands[0].email}"
    if project is None:
        return "syft-flwr init, or change into the folder of a project"
    if project.app_name is None:
        return f"syft-flwr bootstrap{place}"
    person = f" --email {said}" if said else ""
    return f"syft-flwr {'run-server' if said == project.aggregator else 'run-client'}{place}{person}"


def _shared_space(settings: Settings) -> Path | None:
    """The participant's own folder in the shared space, where that is a folder; nothing is made."""
    found = find_spec(settings.transport).public_documents(settings.transport_options)
    return None if found is None else found.space(settings.email)


def _asked(state_dir: Path) -> dict[str, CallCosts]:
    """What the processes of a participant have asked of remote services so far, by kind of call."""
    return {kind: cost for spec in all_specs().values() for kind, cost in spec.costs(state_dir).items()}


def _stores(state_dir: Path) -> dict[str, int]:
    found = {name: spec.used(state_dir) for name, spec in all_specs().items()}
    return {name: size for name, size in found.items() if size is not None}


def bytes_below(folder: Path) -> int:
    """Bytes of all files below ``folder``, links not followed; files that go meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            facts = path.lstat()
        except FileNotFoundError:
            continue
        if path.is_file() and not path.is_symlink():
            total += facts.st_size
    return total


def _folders(place: Path, check: Callable[[str], str]) -> list[str]:
    return sorted(_proper((path.name for path in place.glob("*") if path.is_dir()), check))


def _proper(found: Iterable[str], check: Callable[[str], str]) -> Iterable[str]:
    for name in found:
        try:
            if check(name) == name:
                yield name
        except UsageError:
            continue
