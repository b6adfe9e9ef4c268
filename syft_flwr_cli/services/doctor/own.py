"""What lies in this home: who can read and write it, keys, peers, runs that nobody works on."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.project.own_settings import read_own
from syft_flwr_cli.security.identity import read_public
from syft_flwr_cli.security.roster import FILE_NAME as ROSTER
from syft_flwr_cli.security.roster import Roster
from syft_flwr_cli.services.doctor.finding import Finding, failed, fine, noticed
from syft_flwr_cli.services.status import AppStatus, apps_of, look, participants
from syft_flwr_cli.storage.paths import participant_dir

__all__ = ["check_own"]


def check_own(home: Path, email: str | None) -> Iterator[Finding]:
    """The home, and each participant in it."""
    if not home.exists():
        yield noticed("home", f"{home} is not there yet.", "It is made by the first command that needs it.")
        return
    yield _permissions(home)
    yield _settings(home)
    for person in [email] if email else participants(home):
        directory = participant_dir(home, person)
        if directory.exists():
            yield _keys(directory, person)
            yield from _peers(directory, person)
            yield from _runs(home, person)


def _permissions(home: Path) -> Finding:
    open_to_others = [
        place
        for place in (home, *(p for p in home.rglob("*") if not p.is_symlink()))
        if not {"results", "work", "code", "environments"} & set(place.parts[len(home.parts) :])
        and stat.S_IMODE(place.stat().st_mode) & 0o077
    ]
    if not open_to_others:
        return fine("permissions", f"{home} is for you alone.")
    first = open_to_others[0]
    return failed(
        "permissions",
        f"Others can get at {first} (mode {stat.S_IMODE(first.stat().st_mode):04o})"
        f"{f' and {len(open_to_others) - 1} more' if open_to_others[1:] else ''}.",
        f"Look at what is there, then type: chmod -R go-rwx {home}",
        _closing(open_to_others),
    )


def _closing(places: list[Path]) -> Callable[[], None]:
    def close() -> None:
        for place in places:
            place.chmod(stat.S_IMODE(place.stat().st_mode) & 0o700)

    return close


def _settings(home: Path) -> Finding:
    try:
        read_own(home)
    except SyftFlwrError as error:
        return failed("settings", error.what, error.hint)
    return fine("settings", "Your settings can be read.")


def _keys(directory: Path, email: str) -> Finding:
    try:
        public, protected = read_public(directory, email)
    except (SyftFlwrError, FileNotFoundError) as error:
        what, hint = (
            (error.what, error.hint)
            if isinstance(error, SyftFlwrError)
            else ("", "Restore them from a backup.")
        )
        return failed(f"keys of {email}", what or f"{directory} has no keys.", hint)
    state = "with" if protected else "without"
    return fine(f"keys of {email}", f"Fingerprint {public.words}; {state} a passphrase.")


def _peers(directory: Path, email: str) -> Iterator[Finding]:
    try:
        entries = Roster(directory / ROSTER).entries()
    except SyftFlwrError as error:
        yield failed(f"peers of {email}", error.what, error.hint)
        return
    changed = [entry.identity.email for entry in entries if entry.offered is not None and not entry.revoked]
    if changed:
        yield failed(
            f"peers of {email}",
            f"{', '.join(changed)} showed another key than the one that is trusted.",
            f"Ask them, compare the words, then: syft-flwr keys trust {changed[0]} --email {email}",
        )
    unseen = [entry.identity.email for entry in entries if entry.verified is None and not entry.revoked]
    if unseen:
        yield noticed(
            f"peers of {email}",
            f"The keys of {', '.join(unseen[:5])} were never compared.",
            f"Compare the words by phone: syft-flwr keys verify {unseen[0]} --email {email}",
        )
    if entries and not changed and not unseen:
        yield fine(f"peers of {email}", f"Keys known and compared: {len(entries)}.")


def _runs(home: Path, email: str) -> Iterator[Finding]:
    for app in apps_of(home, email):
        try:
            found = look(home, email, app)
        except SyftFlwrError as error:
            yield failed(f"runs of {email}", error.what, error.hint)
            continue
        yield from _run(found)


def _run(found: AppStatus) -> Iterator[Finding]:
    name = f"runs of {found.email}"
    if found.runs and found.runs[0].ended is None and found.process is None:
        command = "run-server" if found.role == "aggregator" else "run-client"
        yield noticed(
            name,
            f"Run {found.runs[0].run} of {found.app_name} is not finished, and no process works on it.",
            f"Go on in its project's folder: syft-flwr {command} --email {found.email}",
        )
    refused = sum(found.counts().values())
    if refused:
        yield noticed(
            name,
            f"{refused} files were refused in {found.app_name}.",
            f"See why: syft-flwr status --email {found.email}",
        )
