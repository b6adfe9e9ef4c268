"""``syft-flwr audit``: the record of what was sent, received, executed, approved and refused here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import AuditError
from syft_flwr_cli.services.current_participant import current_participant
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.audit.log import Report

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
        peer_log: PeerLogs = None,
        as_json: Json = False,
    ) -> None:
        """Check every byte of the record, and with a peer's export that no entries were dropped."""
        _verify(email, peer_log or [], as_json)

    @group.command(epilog="Example: syft-flwr audit export --app APP --output for-alice.jsonl")
    def export(
        destination: Annotated[
            Path, typer.Option("--output", "-o", help="The file to write; must not exist.", metavar="FILE")
        ],
        email: Email = None,
        app_name: AppName = None,
        as_json: Json = False,
    ) -> None:
        """Write a copy for a peer; with --app, entries of other apps keep only their digests."""
        _export(email, app_name, destination, as_json)

    app.add_typer(group)


def _verify(email: str | None, peer_logs: list[Path], as_json: bool) -> None:
    from syft_flwr_cli.audit.verify import PeerHead, peer_heads, verify
    from syft_flwr_cli.security.identity import read_public
    from syft_flwr_cli.security.roster import Roster

    path = _own_log(email)
    directory = path.parent
    public, _ = read_public(directory, directory.name)
    roster = Roster(directory / "roster.json")
    peers: list[dict[str, Any]] = []
    seen: list[PeerHead] = []
    for peer_log in peer_logs:
        theirs = verify(peer_log, None, allow_withheld=True)
        known = roster.get(theirs.email)
        if known is not None:  # then it must be that very peer, not somebody who took its name
            theirs = verify(peer_log, known.identity, allow_withheld=True)
        heads = peer_heads(peer_log, theirs.email, public.email)
        seen += heads
        peers.append({**_facts(theirs), "in_roster": known is not None, "heads_seen": len(heads)})
    report = verify(path, public, seen)
    data = {**_facts(report), "peers": peers}
    if as_json:
        output.emit_json(data)
        return
    console = output.out()
    console.print(_sentence(report), markup=False)
    for peer in peers:
        console.print(
            f"{peer['email']} saw {peer['heads_seen']} heads of this log; all of them are in it.",
            markup=False,
        )
        if not peer["in_roster"]:
            output.note(
                f"warning: {peer['email']} is not in your roster; the file says of itself whose it is "
                f"(fingerprint {peer['fingerprint']}).",
                "yellow",
            )
    if not peers:
        output.note(
            "Whether its last entries were dropped only a peer's log can show. next: ask a peer for "
            "'syft-flwr audit export --output FILE', then: syft-flwr audit verify --peer-log FILE"
        )


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
