"""``syft-flwr runs logs``: what happened in a run, and what the app printed, also while it goes on."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli import completing
from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.printable import visible, without_sequences
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from pathlib import Path

    from syft_flwr_cli.services.runs import LocalRun

__all__ = ["add_logs"]

_PAUSE = 0.5


def add_logs(group: typer.Typer) -> None:
    """Add ``logs`` to the commands of ``runs``."""

    @group.command(
        epilog="Examples: syft-flwr runs logs 46116 --last 20   ·   syft-flwr runs logs --follow --app"
    )
    def logs(
        run: Annotated[
            str | None,
            typer.Argument(
                help="The run's id, or how it begins.",
                metavar="RUN",
                show_default="the newest",
                autocompletion=completing.runs,
            ),
        ] = None,
        email: Email = None,
        follow: Annotated[
            bool,
            typer.Option("--follow", "-f", help="Go on with what comes, until the run is over or Ctrl-C."),
        ] = False,
        app: Annotated[bool, typer.Option("--app", help="What the app itself printed.")] = False,
        node: Annotated[
            bool, typer.Option("--node", help="All that its process noted in this app, whatever the run.")
        ] = False,
        last: Annotated[
            int | None,
            typer.Option(help="Only the newest N lines.", min=1, show_default="all that are kept"),
        ] = None,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every message, too.")] = False,
        as_json: Json = False,
    ) -> None:
        """Show what happened in a run, or with --app what the app printed; on either side, also after a crash."""
        from syft_flwr_cli.project.settings import named_email
        from syft_flwr_cli.services.log_follow import app_log, app_text, events_of, follow_app, follow_events
        from syft_flwr_cli.services.run_follow import newest_run
        from syft_flwr_cli.services.runs import find_run
        from syft_flwr_cli.storage.paths import home

        if app and node:
            raise UsageError("--app and --node exclude each other.", hint="Leave out one of the two.")
        if follow and as_json:
            raise UsageError(
                "--follow shows lines, and --json one document.", hint="Leave out one of the two."
            )
        here, who = home(), named_email(email)
        one = newest_run(here, who, None) if run is None else find_run(here, run, who)
        if one is None:
            raise UsageError("Nothing has run here yet.", hint="Begin a run with: syft-flwr run-server")
        log = app_log(here, one)
        lines, position = app_text(here, one, last) if app else ([], 0)
        events = [] if app else events_of(here, one, node=node)
        if as_json:
            facts: dict[str, Any] = {"run_id": one.view.run, "email": one.email, "app_log": str(log)}
            output.emit_json({**facts, "events": _last(events, last), "lines": lines if app else None})
            return
        for line in lines:
            _print(line)
        for entry in _last([entry for entry in events if verbose or entry.get("sentence")], last):
            _print_event(entry)
        if one.view.ended is None and follow:
            try:
                if app:
                    _show(follow_app(here, one, position, _until_over(here, one)))
                else:
                    _show(
                        follow_events(here, one, events, _until_over(here, one), node=node), verbose=verbose
                    )
            except KeyboardInterrupt:
                return
            output.note(
                f"Run {one.view.run} is over. next: syft-flwr runs show {one.view.run} --email {one.email}"
            )
        elif follow:
            output.note(f"Run {one.view.run} is over; there is nothing to follow.")
        elif not app and log.exists():
            output.note(f"next: syft-flwr runs logs {one.view.run} --app --email {one.email}")


def _until_over(here: "Path", one: "LocalRun") -> Callable[[], bool]:
    """Waits a moment each time it is asked whether the run is over."""
    from syft_flwr_cli.services.runs import local_runs

    def wait() -> bool:
        sys.stdout.flush()
        time.sleep(_PAUSE)
        found = [
            each.view for each in local_runs(here, one.email, one.app_name) if each.view.run == one.view.run
        ]
        return not found or found[0].ended is not None

    return wait


def _show(lines: Iterable[str | Mapping[str, Any]], *, verbose: bool = False) -> None:
    for line in lines:
        if isinstance(line, str):
            _print(line)
        elif verbose or line.get("sentence"):
            _print_event(line)


def _print_event(entry: Mapping[str, Any]) -> None:
    moment = time.strftime("%H:%M:%S", time.localtime(float(entry.get("time", 0))))
    said = visible(str(entry.get("sentence") or entry.get("event")), keep="\n\t")
    output.out().print(f"{moment}  {said}", markup=False)


def _print(line: str) -> None:
    output.out().print(visible(without_sequences(line[:4000]), keep="\t"), markup=False)


def _last(entries: list[Mapping[str, Any]], last: int | None) -> list[Mapping[str, Any]]:
    return entries if last is None else entries[-last:]
