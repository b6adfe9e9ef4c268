"""``syft-flwr stop``: end a run, whether a server works on it, it is paused, or its server is gone."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json, Root, SyftboxConfig, TransportName
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.storage.paths import home
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.console_reporter import ConsoleReporter

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr stop study   ·   syft-flwr stop 4611686018427387904 --email ds@lab.example"
    )
    def stop(
        what: Annotated[
            str, typer.Argument(help="The project's folder, or a run's id.", metavar="PROJECT|RUN")
        ] = ".",
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        reason: Annotated[
            str, typer.Option(help="What the data owners are told.")
        ] = "stopped by the aggregator",
        as_json: Json = False,
    ) -> None:
        """End a run: withdraw what is pending and tell every data owner to stop."""
        places: dict[str, Any] = {"transport": transport, "root": root, "syftbox_config": syftbox_config}
        if what.isdecimal() and not Path(what).exists():
            from syft_flwr_cli.cli.runs import stop_by_id

            stop_by_id(what, email, places, reason, as_json=as_json)
            return
        from syft_flwr_cli.services.joining import is_received
        from syft_flwr_cli.services.runs import stop_run

        here = home()
        if not Path(what).exists() and is_received(here, Path(what), email):
            raise UsageError(
                f"{what} is offered to you: its aggregator ends its runs.",
                hint="Ctrl-C where run-client runs pauses your part; syft-flwr leave --help says how to take part no "
                "more.",
            )
        project = load_project(Path(what))
        settings = resolve(project, home=here, role="aggregator", email=email, **places)
        done = stop_run(
            settings, here, None, reason, fingerprints=project.fingerprints, emit=ConsoleReporter()
        )
        if as_json:
            output.emit_json({"run_id": done.run, "app_name": done.app_name, "told": list(done.told)})
        output.note(f"Run {done.run} is ended; told {', '.join(done.told)}.", style="bold")
        output.note(f"Begin a new one: syft-flwr run-server{' ' + shlex.quote(what) if what != '.' else ''}")
