"""``syft-flwr audit``: the record of what was sent, received, executed, approved and refused here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import AuditError, UsageError
from syft_flwr_cli.services.current_participant import current_participant
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.audit.log import Report
    from syft_flwr_cli.services.record import PeerRecord

__all__ = ["register"]

NO_LOG = "One is made with the first decision or the first run of this participant."

AppName = Annotated[
    str | None, typer.Option("--app", help="Only what belongs to this app.", metavar="A", show_default=False)
]
PeerLogs = Annotated[
    list[Path] | None,
    typer.Option(
        "--peer-log",
        help="What a peer exported; also checks what it saw of this log. May be given again.",
        metavar="FILE",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    group = typer.Typer(
        name="audit",
        help="Show, verify and export the record of what happened here.",
        no_args_is_help=True,
    )

    @group.command(epilog="Example: syft-flwr audit show --last 20")
    def show(
        log: Annotated[
            Path | None, typer.Argument(help="A log or a copy.", show_default="your own log")
        ] = None,
        email: Email = None,
        app_name: AppName = None,
        last: Annotated[
            int | None, typer.Option("--last", help="Only so many entries.", min=1, show_default=False)
        ] = None,
        as_json: Json = False,
    ) -> None:
        """List the record as a timeline. This checks the form of each entry; verify checks everything."""
        from syft_flwr_cli.audit.log import read_entries
        from syft_flwr_cli.ui.timeline import show_timeline

        path = _own_log(email) if log is None else log
        if not path.exists():
            raise AuditError(f"There is no audit log {path}.", hint=NO_LOG)
        entries = [entry for entry in read_entries(path) if app_name in (None, entry.get("app"))]
        if last is not None:
            entries = entries[-last:]
        if as_json:
            output.emit_json({"log": str(path), "entries": entries})
        else:
            show_timeline(entries)
            output.note("next: syft-flwr audit verify")

    @group.command(epilog="Example: syft-flwr audit verify --peer-log from-bob.jsonl")
    def verify(
        email: Email = None,
        log: Annotated[
            Path | None,
            typer.Option(
                "--log", help="Somebody's record or export.", show_default="your own record", metavar="FILE"
            ),
        ] = None,
        crate: Annotated[
            Path | None,
            typer.Option(
                "--crate", help="An evidence file (audit export --crate).", metavar="FILE", show_default=False
            ),
        ] = None,
        peer_log: PeerLogs = None,
        key: Annotated[
            list[Path] | None,
            typer.Option(
                "--key",
                help="Public keys (keys export) of who wrote one of the records. May be given again.",
                metavar="FILE",
                show_default=False,
            ),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Check every byte of the record, and with a peer's export that neither side denies what it signed.

        With --log, records of others are held against each other: no keys and no home of one's own are needed.
        """
        if crate is not None:
            _verify_crate(crate, peer_log or [], key or [], as_json)
        else:
            _verify(email, log, peer_log or [], key or [], as_json)

    @group.command(epilog="Example: syft-flwr audit export --app APP --output for-alice.jsonl")
    def export(
        destination: Annotated[
            Path | None,
            typer.Option(
                "--output",
                "-o",
                help="The file to write; must not exist.",
                metavar="FILE",
                show_default=False,
            ),
        ] = None,
        crate: Annotated[
            Path | None,
            typer.Option(
                "--crate",
                help="Write one ZIP for an auditor instead: record, decisions, what left, keys.",
                metavar="FILE",
                show_default=False,
            ),
        ] = None,
        email: Email = None,
        app_name: AppName = None,
        as_json: Json = False,
    ) -> None:
        """Write a copy for a peer; with --app, entries of other apps keep only their digests."""
        if crate is not None:
            _export_crate(email, app_name, crate, as_json)
        elif destination is not None:
            _export(email, app_name, destination, as_json)
        else:
            raise UsageError(
                "Where to write is not known.",
                hint="Give --output FILE for a peer, or --crate FILE for an auditor.",
            )

    app.add_typer(group)


def _verify(
    email: str | None, log: Path | None, peer_logs: list[Path], key_files: list[Path], as_json: bool
) -> None:
    from syft_flwr_cli.security.identity import read_public
    from syft_flwr_cli.security.roster import Roster
    from syft_flwr_cli.services.record import check_record, read_keys

    keys = read_keys(key_files)
    if log is not None:
        checked = check_record(log, None, peer_logs, keys=keys)
    else:
        path = _own_log(email)
        public, _ = read_public(path.parent, path.parent.name)
        roster = Roster(path.parent / "roster.json")
        checked = check_record(path, public, peer_logs, keys=keys, roster=roster)
    if as_json:
        peers = [
            {
                **_facts(peer.report),
                "in_roster": peer.known,
                "heads_seen": peer.witnessed + peer.unproven,
                "witnessed": peer.witnessed,
                "unproven": peer.unproven,
            }
            for peer in checked.peers
        ]
        output.emit_json({**_facts(checked.report), "peers": peers})
        return
    console = output.out()
    console.print(_sentence(checked.report), markup=False)
    for peer in checked.peers:
        console.print(_agrees(peer), markup=False)
        if not peer.known:
            output.note(
                f"warning: {peer.report.email} is not in your roster; the file says of itself whose it is "
                f"(fingerprint {peer.report.fingerprint}).",
                "yellow",
            )
    if not checked.peers:
        output.note(
            "Whether its last entries were dropped only a peer's log can show. next: ask a peer for "
            "'syft-flwr audit export --output FILE', then: syft-flwr audit verify --peer-log FILE"
        )


def _agrees(peer: "PeerRecord") -> str:
    text = (
        f"{peer.report.email} saw {peer.witnessed + peer.unproven} heads of this log; all of them are in it. Neither "
        "record contradicts what its owner signed and the other keeps."
    )
    if peer.unproven:
        text += f" {peer.unproven} of them come without a signature that others could check."
    return text


def _export(email: str | None, app_name: str | None, destination: Path, as_json: bool) -> None:
    from syft_flwr_cli.audit.verify import export
    from syft_flwr_cli.security.identity import read_public

    path = _own_log(email)
    public, _ = read_public(path.parent, path.parent.name)
    report = export(path, public, destination, None if app_name is None else {app_name})
    if as_json:
        output.emit_json({**_facts(report), "file": str(destination)})
        return
    output.out().print(f"{_sentence(report)} It was copied to {destination}.", markup=False)
    output.note(f"next: give it to a peer, who types: syft-flwr audit verify --peer-log {destination.name}")


def _export_crate(email: str | None, app_name: str | None, target: Path, as_json: bool) -> None:
    import time

    from syft_flwr_cli.security.identity import load_or_create
    from syft_flwr_cli.security.passphrase import passphrase_source
    from syft_flwr_cli.services.crate import export_crate

    directory = _own_log(email).parent
    if not (directory / "audit.jsonl").exists():
        raise AuditError(f"There is no audit log {directory / 'audit.jsonl'}.", hint=NO_LOG)
    identity, _ = load_or_create(directory, directory.name, time.time(), passphrase_source(directory.name))
    report = export_crate(directory, identity, app_name, target)
    if as_json:
        output.emit_json({**_facts(report), "file": str(target)})
        return
    output.out().print(f"{_sentence(report)} The evidence is in {target}.", markup=False)
    output.note(f"next: give it to the auditor, who types: syft-flwr audit verify --crate {target.name}")


def _verify_crate(crate: Path, peer_logs: list[Path], key_files: list[Path], as_json: bool) -> None:
    from syft_flwr_cli.services.crate import verify_crate
    from syft_flwr_cli.services.record import read_keys

    checked = verify_crate(crate, peer_logs, read_keys(key_files))
    if as_json:
        facts = {
            **_facts(checked.report),
            "made": checked.made,
            "decisions": checked.decisions,
            "egress": checked.egress,
            "witnessed": checked.witnessed,
            "witnesses": list(checked.witnesses),
        }
        output.emit_json({**facts, "log": str(crate)})
        return
    say = output.out().print
    say(f"The file holds, and is signed by {checked.email} (key {checked.fingerprint}).", markup=False)
    say(_sentence(checked.report), markup=False)
    say(
        f"Decisions in it: {checked.decisions}; replies: {checked.egress}; each is as the record tells it.",
        markup=False,
    )
    if checked.witnessed:
        say(
            f"Witnessed by {', '.join(checked.witnesses)}, by their own signatures, up to entry {checked.witnessed} of "
            f"{checked.report.entries}.",
            markup=False,
        )
    else:
        say(
            "Unwitnessed: no peer's signature shows that this record was there; only its exporter vouches for it."
        )
    for peer in checked.record.peers:
        say(_agrees(peer), markup=False)
    if not checked.record.peers:
        output.note("Whether something was left out, a peer's export shows: --peer-log FILE")


def _own_log(email: str | None) -> Path:
    from syft_flwr_cli.storage.paths import home, participant_dir

    here = home()
    return participant_dir(here, current_participant(here, email)) / "audit.jsonl"


def _facts(report: "Report") -> dict[str, Any]:
    return {
        "log": str(report.path),
        "email": report.email,
        "fingerprint": report.fingerprint,
        "entries": report.entries,
        "head": report.head,
        "first": report.first,
        "last": report.last,
        "withheld": report.hidden,
        "repairs": report.repairs,
    }


def _sentence(report: "Report") -> str:
    from syft_flwr_cli.ui.timeline import when

    parts = [f"The record of {report.email} verifies: {report.entries} entries"]
    if report.first is not None and report.last is not None:
        parts.append(f" from {when(report.first)} to {when(report.last)}")
    if report.hidden:
        parts.append(f", {report.hidden} of them withheld")
    if report.repairs:
        parts.append(f", {report.repairs} of them about a line that a crash had torn")
    return "".join(parts) + f"; its head is {report.head}."
