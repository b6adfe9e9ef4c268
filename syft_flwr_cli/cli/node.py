"""``syft-flwr node``: one process that serves every project its owner has approved."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import (
    CreateRoot,
    Email,
    Gpu,
    Json,
    LogFile,
    MetricsFile,
    Quiet,
    Root,
    Sandbox,
    SyftboxConfig,
    TransportName,
    Wheels,
)
from syft_flwr_cli.errors import EXIT_INTERRUPTED, UsageError
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.services.serving import NodeResult

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr node --root /shared   ·   syft-flwr node --once   ·   "
        "syft-flwr node --print-unit systemd > ~/.config/systemd/user/syft-flwr-node.service"
    )
    def node(
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        create_root: CreateRoot = False,
        syftbox_config: SyftboxConfig = None,
        once: Annotated[
            bool, typer.Option("--once", help="Do what is there, and end: for cron and Slurm.")
        ] = False,
        max_workers: Annotated[int, typer.Option(help="How many apps work at a time.", min=1, max=256)] = 2,
        data: Annotated[
            Path | None,
            typer.Option(
                help="Your data, for every app.", metavar="DIR", show_default="what each app was given before"
            ),
        ] = None,
        mock: Annotated[bool, typer.Option("--mock", help="Every app makes up its data.")] = False,
        no_data: Annotated[bool, typer.Option("--no-data", help="No app needs data.")] = False,
        memory_limit: Annotated[
            str | None,
            typer.Option(help="What each app may allocate, such as 4G.", metavar="SIZE", show_default=False),
        ] = None,
        wheels: Wheels = None,
        python: Annotated[
            Path | None,
            typer.Option(help="Interpreter of the apps' environment.", show_default="this one"),
        ] = None,
        sandbox: Sandbox = "auto",
        gpu: Gpu = False,
        require_verified: Annotated[
            bool, typer.Option("--require-verified", help="Refuse aggregators whose key was never compared.")
        ] = False,
        presence: Annotated[
            bool, typer.Option("--presence/--no-presence", help="Publish a sign of life every 5 minutes.")
        ] = True,
        on_event: Annotated[
            str | None,
            typer.Option(
                "--on-event",
                help="Run this for every event, with the event as JSON on its stdin.",
                metavar="CMD",
                show_default=False,
            ),
        ] = None,
        print_unit: Annotated[
            str | None,
            typer.Option(
                "--print-unit",
                help="Print a ready file instead: systemd, launchd, cron, sbatch or syftbox.",
                metavar="KIND",
                show_default=False,
            ),
        ] = None,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say every message.")] = False,
        quiet: Quiet = False,
        log_file: LogFile = None,
        metrics_file: MetricsFile = None,
        as_json: Json = False,
    ) -> int:
        """Serve every project that you have approved, of every aggregator, several runs at a time.

        An app is started when there is work for it. With --once it ends with 0 if nothing is left to do, and with 19
        if something waits for your decision.
        """
        from syft_flwr_cli.cli.asking import confirmation
        from syft_flwr_cli.cli.run_client import size_of
        from syft_flwr_cli.events import Publisher
        from syft_flwr_cli.services import serving
        from syft_flwr_cli.services.current_participant import current_participant
        from syft_flwr_cli.services.metrics_file import kept_metrics
        from syft_flwr_cli.services.owner_app import AppOptions
        from syft_flwr_cli.services.shared_root import check_root
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter, log_to
        from syft_flwr_cli.ui.event_command import EventCommand
        from syft_flwr_cli.ui.live.state import LiveState
        from syft_flwr_cli.ui.live.terminal import shown, wanted

        here = home()
        who = current_participant(here, email)
        if print_unit is not None:
            _print_unit(print_unit, who, here)
            return 0
        setup = serving.NodeSetup(
            home=here,
            email=who,
            places={"transport": transport, "root": root, "syftbox_config": syftbox_config},
            data=data,
            mock=mock,
            no_data=no_data,
            options=AppOptions(
                keep_alive=True,
                python=python,
                wheels=wheels,
                memory_limit=size_of(memory_limit),
                sandbox=sandbox,
                gpu=gpu,
            ),
            max_workers=max_workers,
            require_verified=require_verified,
            presence=presence,
        )
        check_root(root, create=create_root, confirm=confirmation(as_json=as_json))
        emit = Publisher(ConsoleReporter(verbose, quiet=quiet, live=wanted(quiet=quiet, verbose=verbose)))
        if log_file is not None:
            emit.add(log_to(log_file))
        told = EventCommand(on_event, {"email": who}) if on_event is not None else None
        if told is not None:
            emit.add(told)
        try:
            with (
                kept_metrics(metrics_file, here, who, "node", emit, output.note),
                shown(LiveState("node", who), emit, quiet=quiet, verbose=verbose),
            ):
                result = serving.work_off(setup, emit) if once else serving.serve(setup, emit)
        finally:
            if told is not None:
                told.close()
        if as_json:
            output.emit_json(_facts(who, result), status="interrupted" if result.interrupted else "ok")
        if result.interrupted:
            output.note("Interrupted; nothing is lost. The same command goes on.", style="bold")
            return EXIT_INTERRUPTED
        if not result.served and not result.waiting:
            output.note(f"{who} has approved nothing yet. next: syft-flwr review PROJECT --email {who}")
        return result.exit_code


def _facts(email: str, result: "NodeResult") -> dict[str, Any]:
    return {
        "email": email,
        "apps": [
            {
                "app_name": one.app_name,
                "steps": one.steps,
                "error": None if one.error is None else one.error.what,
            }
            for one in result.served
        ],
        "waiting": [{"what": one.what, "next": one.next} for one in result.waiting],
    }


def _print_unit(kind: str, email: str, here: Path) -> None:
    from syft_flwr_cli.services.units import make_unit

    given = [word for word in sys.argv[1:] if word != "node"]
    at = next((i for i, word in enumerate(given) if word.startswith("--print-unit")), None)
    if at is None:
        raise UsageError(
            "--print-unit is to be typed on the command line.", hint="See: syft-flwr node --help"
        )
    del given[at : at + (1 if "=" in given[at] else 2)]
    if "--email" not in given:
        given += ["--email", email]
    command = [sys.executable, "-m", "syft_flwr_cli", "node", *given]
    print(make_unit(kind, command, {"SYFT_FLWR_HOME": str(here)}), end="")
