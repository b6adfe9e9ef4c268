"""``syft-flwr submit``: put a run of a project into the queue of this machine's service."""

from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli.options import (
    Email,
    Json,
    ProjectPath,
    Root,
    RunConfig,
    SyftboxConfig,
    TransportName,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog='Example: syft-flwr submit study --run-config "num-server-rounds=5"')
    def submit(
        project: ProjectPath = Path(),
        run_config: RunConfig = None,
        priority: Annotated[
            int, typer.Option(help="Runs with a higher one begin first.", min=-100, max=100)
        ] = 0,
        user: Annotated[
            str, typer.Option(help="Who submits it: data owners and lists show it.", metavar="NAME")
        ] = "operator",
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Have the service of this machine run a project: offered to its data owners, queued, and run.

        The service need not run at this moment. flwr list, flwr log and flwr stop know the run like any other.
        """
        from syft_flwr_cli.aggregator.service.store import MAX_USER
        from syft_flwr_cli.errors import UsageError
        from syft_flwr_cli.flower import runtime
        from syft_flwr_cli.project.config import load_project, require_federated
        from syft_flwr_cli.project.settings import resolve
        from syft_flwr_cli.services.submit import submit_project
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui import output
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter

        if not user.isprintable() or not 0 < len(user) <= MAX_USER:
            raise UsageError(
                f"{user[:80]!r} is no user's name.", hint=f"Take 1 to {MAX_USER} printable characters."
            )
        found = require_federated(load_project(project))
        here = home()
        settings = resolve(
            found,
            home=here,
            role="aggregator",
            email=email or found.aggregator,
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
        )
        values = runtime.parse_run_config(run_config)
        done = submit_project(here, settings, found, values, user, priority=priority, emit=ConsoleReporter())
        if as_json:
            output.emit_json(
                {
                    "run_id": str(done.run_id),
                    "app_name": done.app_name,
                    "digest": done.digest,
                    "asked": list(done.asked),
                    "is_served": done.is_served,
                }
            )
            return
        output.note(f"Run {done.run_id} of {found.name} is in the queue.", style="bold green")
        if done.asked:
            output.note(f"Offered to {', '.join(done.asked)}.")
        if not done.is_served:
            output.note(f"It begins when the service runs: syft-flwr serve --email {settings.email}")
        output.note(f"next: flwr log {done.run_id}")
