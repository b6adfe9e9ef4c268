"""``syft-flwr stop``: end a run that is paused or whose server is gone."""

from pathlib import Path
from typing import Annotated

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
        here = home()
        run = what if what.isdecimal() and not Path(what).exists() else None
        project = load_project(_project_of_run(here, run) if run else Path(what))
        settings = resolve(
            project,
            home=here,
            role="aggregator",
            email=email,
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
        )
        from syft_flwr_cli.aggregator import runs
        from syft_flwr_cli.session import session

        opened = session.open_session(
            settings, here, emit=ConsoleReporter(), fingerprints=project.fingerprints
        )
        try:
            if run is None:
                unfinished = opened.me.journal.unfinished_run("aggregator")
                if unfinished is None:
                    raise UsageError(
                        f"{settings.app_name} has no run to stop.",
                        hint="Begin one with: syft-flwr run-server",
                    )
                run = unfinished.run
            told = runs.end_run(opened, run, reason, "stopped")
        finally:
            opened.close()
        if as_json:
            output.emit_json({"run_id": run, "app_name": settings.app_name, "told": told})
        output.note(f"Run {run} is ended; told {', '.join(told)}.", style="bold")
        output.note("Begin a new one: syft-flwr run-server")


def _project_of_run(here: Path, run: str) -> Path:
    """The project is not written down with a run, so only the folder one stands in can be meant."""
    folder = Path()
    if not (folder / "pyproject.toml").exists():
        raise UsageError(
            f"Run {run} cannot be found from here.",
            hint="Change into its project's folder, or name the folder: syft-flwr stop PROJECT",
        )
    return folder
