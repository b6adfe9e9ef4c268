"""``syft-flwr runs``: the runs on this machine, on either side: list, show, logs, stop."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli import completing
from syft_flwr_cli.cli.options import Email, Json, Root, SyftboxConfig, TransportName
from syft_flwr_cli.cli.run_logs import add_logs
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.services.report_values import RunReport
    from syft_flwr_cli.services.runs import LocalRun

__all__ = ["register"]

SHOWN = 4
"""Replies that are shown one by one of a data owner's run."""

RunId = Annotated[
    str,
    typer.Argument(
        help="The run's id, or the digits that it begins with.", metavar="RUN", autocompletion=completing.runs
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    group = typer.Typer(name="runs", help="The runs on this machine, on either side.", no_args_is_help=True)
    _look_commands(group)
    add_logs(group)
    _stop_command(group)
    app.add_typer(group)


def _look_commands(group: typer.Typer) -> None:
    @group.command("list", epilog="Example: syft-flwr runs list --json")
    def list_(
        email: Email = None,
        everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
        as_json: Json = False,
    ) -> None:
        """List the runs that go on, and with --all those that are over, the newest first."""
        from syft_flwr_cli.project.settings import named_email
        from syft_flwr_cli.services.runs import local_runs
        from syft_flwr_cli.storage.paths import home

        found = local_runs(home(), named_email(email))
        shown = [one for one in found if everything or as_json or one.view.ended is None]
        if as_json:
            output.emit_json({"runs": [_facts(one) for one in shown]})
            return
        for one in shown:
            output.out().print(_line(one), markup=False)
        over = len(found) - len(shown)
        if over:
            output.note(f"{over} {'run is' if over == 1 else 'runs are'} over: syft-flwr runs list --all")
        elif not found:
            output.note("Nothing has run here yet. next: syft-flwr run-server")

    @group.command(epilog="Example: syft-flwr runs show 46116")
    def show(run: RunId, email: Email = None, as_json: Json = False) -> None:
        """Show a run: rounds, metrics, who contributed what, who is awaited, and at a data owner what left."""
        from syft_flwr_cli.project.settings import named_email
        from syft_flwr_cli.services.runs import egress_of, find_run
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui.egress import egress_lines

        one = find_run(home(), run, named_email(email))
        left = egress_of(home(), one)
        report = _report_on(one)
        if as_json:
            output.emit_json({**_facts(one), "egress": left, "report": report and asdict(report)})
            return
        console, view = output.out(), one.view
        console.print(_line(one), markup=False)
        if view.reason:
            console.print(output.folded(console, f"  because {visible(view.reason)}", 10), markup=False)
        for state, count in view.messages.items():
            console.print(f"  {state:<14} {count}", markup=False)
        for waited in view.awaited:
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(waited.since))
            console.print(f"  waits for {waited.email} since {since}", markup=False)
        for line in egress_lines(left, newest=SHOWN) if left else ():
            console.print(
                output.folded(console, f"  {line}", 12), markup=False, highlight=False, soft_wrap=True
            )
        if report is not None:
            from syft_flwr_cli.storage.paths import app_dir
            from syft_flwr_cli.ui.run_details import detail_lines

            for line in detail_lines(report, app_dir(home(), one.email, one.app_name) / "results" / view.run):
                console.print(
                    output.folded(console, f"  {line}", 12), markup=False, highlight=False, soft_wrap=True
                )
        output.note(f"next: syft-flwr runs logs {view.run}")


def _stop_command(group: typer.Typer) -> None:
    @group.command(epilog="Example: syft-flwr runs stop 46116")
    def stop(
        run: RunId,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        reason: Annotated[
            str, typer.Option(help="What the data owners are told.")
        ] = "stopped by the aggregator",
        as_json: Json = False,
    ) -> None:
        """End a run of yours, wherever its server is: data owners are told, and a server that runs it ends."""
        places = {"transport": transport, "root": root, "syftbox_config": syftbox_config}
        stop_by_id(run, email, places, reason, as_json=as_json)


def stop_by_id(run: str, email: str | None, places: dict[str, Any], reason: str, *, as_json: bool) -> None:
    """Stop the run with this id, whose project need not be here."""
    from syft_flwr_cli.project.settings import named_email
    from syft_flwr_cli.services.clean_up import settings_without_project
    from syft_flwr_cli.services.runs import find_run, stop_run
    from syft_flwr_cli.storage.paths import home
    from syft_flwr_cli.ui.console_reporter import ConsoleReporter

    here = home()
    one = find_run(here, run, named_email(email))
    if one.view.role != "aggregator":
        raise UsageError(
            f"Run {one.view.run} is its aggregator's to stop.",
            hint=f"To take no further part in it: syft-flwr review PROJECT --reject --email {one.email}",
        )
    settings = settings_without_project(here, one.app_name, {**places, "email": one.email})
    done = stop_run(settings, here, one.view.run, reason, emit=ConsoleReporter())
    if as_json:
        output.emit_json({"run_id": done.run, "app_name": done.app_name, "told": list(done.told)})
    output.note(f"Run {done.run} is ended; told {', '.join(done.told)}.", style="bold")


def _report_on(one: "LocalRun") -> "RunReport | None":
    """What is kept of a run of an aggregator's; None of a data owner's, which knows its own part alone."""
    from syft_flwr_cli.services.run_report import find_reported_run, report_of
    from syft_flwr_cli.storage.paths import home

    if one.view.role != "aggregator":
        return None
    return report_of(home(), find_reported_run(home(), one.view.run, one.email))


def _line(one: "LocalRun") -> str:
    view = one.view
    state = view.state if view.ended is not None or one.process is not None else "paused"
    round_ = f", round {view.round}" if view.round is not None else ""
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(view.began))
    return f"{view.run:>20}  {state}{round_}  {began}  {one.app_name}  ({view.role} {one.email})"


def _facts(one: "LocalRun") -> dict[str, Any]:
    process = None if one.process is None else asdict(one.process)
    return {"email": one.email, "app_name": one.app_name, "process": process, **asdict(one.view)}
