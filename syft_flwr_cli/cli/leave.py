"""``syft-flwr leave``: take part no longer in what an aggregator runs."""

import sys
from typing import Annotated

import typer

from syft_flwr_cli.cli.options import Email, Json, Root, SyftboxConfig, TransportName
from syft_flwr_cli.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog='Example: syft-flwr leave ds@lab.example --message "the study is over" --yes')
    def leave(
        aggregator: Annotated[str, typer.Argument(help="E-mail of whom you leave.")],
        message: Annotated[
            str, typer.Option("--message", "-m", help="What the aggregator reads.", metavar="TEXT")
        ] = "",
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Withdraw your approvals and your data sets from an aggregator, and tell it so.

        Nothing of it runs here from then on. Your data, your keys and your records stay; joining again is possible.
        """
        from syft_flwr_cli.protocol.names import check_email
        from syft_flwr_cli.security.passphrase import passphrase_source
        from syft_flwr_cli.services.current_participant import current_participant
        from syft_flwr_cli.services.federation import open_for_peers
        from syft_flwr_cli.services.leaving import leave as leave_now
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui import output
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter

        here = home()
        me, whom = current_participant(here, email), check_email(aggregator)
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError("Leaving has to be confirmed.", hint="Give --yes.")
            typer.confirm(f"Withdraw all approvals and data sets from {whom}?", abort=True, err=True)
        federation = open_for_peers(
            here,
            me,
            [whom],
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
            emit=ConsoleReporter(),
        )
        try:
            left = leave_now(federation, here, whom, message, passphrase_source(me))
        finally:
            federation.close()
        if as_json:
            projects = [{"project": name, "digest": digest} for name, digest in left.projects]
            output.emit_json(
                {"left": whom, "projects": projects, "data_sets": list(left.data_sets), "told": left.told}
            )
            return
        for name, digest in left.projects:
            output.out().print(f"no longer approved: {name} (digest {digest[:16]})", markup=False)
        for name in left.data_sets:
            output.out().print(f"no longer offered: the data set {name}", markup=False)
        told = "It is told so." if left.told else f"It is told so by the next: syft-flwr join {whom}"
        output.note(f"You have left {whom}. {told}", style="bold")
