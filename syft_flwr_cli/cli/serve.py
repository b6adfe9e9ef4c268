"""``syft-flwr serve``: the aggregator as a long-lived service that Flower's own command line drives."""

from pathlib import Path
from typing import Annotated, Any

import typer

from syft_flwr_cli.cli.options import Datasites, Email, Json, MetricsFile, Root, SyftboxConfig, TransportName
from syft_flwr_cli.errors import EXIT_INTERRUPTED
from syft_flwr_cli.ui import output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    group = typer.Typer(help="Serve runs of Flower apps to unmodified `flwr run`, `flwr list`, `flwr log`, …")
    tokens = typer.Typer(help="Who may submit runs.", no_args_is_help=True)
    group.add_typer(tokens, name="token")
    app.add_typer(group, name="serve")

    @group.callback(
        invoke_without_command=True,
        epilog="Example: syft-flwr serve --email ds@lab.example --datasites do1@a.example,do2@b.example "
        "--root /shared --write-config   ·   then, in the folder of any Flower app: flwr run . --stream",
    )
    def serve(
        context: typer.Context,
        email: Email = None,
        datasites: Datasites = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        port: Annotated[
            int, typer.Option(help="Port on loopback; 0 takes a free one.", min=0, max=65535)
        ] = 9093,
        start_with: Annotated[
            str | None,
            typer.Option(
                "--start-with",
                help="Begin a run once so many have approved its project.",
                metavar="N|P%",
                show_default="all have decided",
            ),
        ] = None,
        federation: Annotated[
            list[str] | None,
            typer.Option(
                "--federation",
                help="A named set of the data owners; may be repeated. All of them are 'files'.",
                metavar="NAME=E,E",
                show_default="those of the last time",
            ),
        ] = None,
        at_once: Annotated[int, typer.Option(help="Runs that go on at the same time.", min=1, max=64)] = 2,
        write_config: Annotated[
            bool, typer.Option("--write-config", help="Tell flwr on this account where the service is.")
        ] = False,
        host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
        tls_certificate: Annotated[
            Path | None, typer.Option(help="Certificate (PEM).", metavar="FILE")
        ] = None,
        tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).", metavar="FILE")] = None,
        make_certificate: Annotated[
            bool, typer.Option("--make-certificate", help="Speak TLS with a certificate made here.")
        ] = False,
        name: Annotated[
            list[str] | None,
            typer.Option("--name", help="Name or address by which users reach it; may be repeated."),
        ] = None,
        beyond_loopback: Annotated[
            bool, typer.Option("--beyond-loopback", help="Other machines may connect; needs TLS.")
        ] = False,
        metrics_file: MetricsFile = None,
    ) -> int:
        """Take runs from `flwr run`, offer their projects to the data owners, and run them until Ctrl-C."""
        if context.invoked_subcommand is not None:
            return 0
        from syft_flwr_cli.services import service_process
        from syft_flwr_cli.services.metrics_file import kept_metrics

        place = service_process.Place(
            host, port, tls_certificate, tls_key, beyond_loopback, tuple(name or ()), make_certificate
        )
        opened = service_process.open_service(
            email=email,
            datasites=datasites,
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
            start_with=start_with,
            at_once=at_once,
            place=place,
            federations=federation or (),
        )
        if write_config:
            config, _ = service_process.write_config(opened)
            names = " and ".join(repr(name) for name in opened.federations)
            output.note(f"flwr knows the service as {names} now ({config}).")
        if opened.place.certificate is not None:
            output.note(f"TLS: users name {opened.place.certificate} as root-certificates.")
        output.note(f"Serving on {opened.address} for {', '.join(opened.datasites)}.", style="bold green")
        output.note("next: flwr run . --stream   (in the folder of a Flower app)")
        with kept_metrics(metrics_file, opened.home, opened.email, "serve", say=output.note):
            service_process.serve(opened)
        output.note("Stopped. The runs go on; the same command takes them up again.", style="bold")
        return EXIT_INTERRUPTED

    @tokens.command("add", epilog="Example: syft-flwr serve token add ada --write-config")
    def add(
        user: Annotated[str, typer.Argument(help="The user's name.")],
        email: Email = None,
        admin: Annotated[bool, typer.Option("--admin", help="May see and stop everybody's runs.")] = False,
        address: Annotated[str, typer.Option(help="Where the user reaches the service.")] = "127.0.0.1:9093",
        certificate: Annotated[
            Path | None, typer.Option(help="The service's certificate, where it speaks TLS.", metavar="FILE")
        ] = None,
        write_config: Annotated[
            bool, typer.Option("--write-config", help="Write it where flwr on this account looks for it.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        """Make a token for a user, in place of the one before."""
        from syft_flwr_cli.services import service_process
        from syft_flwr_cli.services.flwr_connection import flwr_home, write_connection

        token = service_process.add_token(email, user, admin)
        if write_config:
            config, _ = write_connection(flwr_home(), "files", address, token, certificate)
            output.note(f"Written to {config} and beside it.")
        if as_json:
            output.emit_json({"user": user, "is_admin": admin, "token": token})
        elif not write_config:
            output.out().print(token, markup=False)

    @tokens.command("list", epilog="Example: syft-flwr serve token list")
    def list_tokens(email: Email = None, as_json: Json = False) -> None:
        """Show who has a token; the tokens themselves are not kept."""
        from syft_flwr_cli.services import service_process

        found = service_process.tokens(email)
        if as_json:
            output.emit_json({"tokens": [_token(one) for one in found]})
            return
        for one in found:
            state = "withdrawn" if one.withdrawn else ("administrator" if one.is_admin else "user")
            output.out().print(f"{one.user}  {state}", markup=False)

    @tokens.command("withdraw", epilog="Example: syft-flwr serve token withdraw ada")
    def withdraw(user: Annotated[str, typer.Argument(help="The user's name.")], email: Email = None) -> None:
        """End a user's token at once."""
        from syft_flwr_cli.services import service_process

        service_process.withdraw_token(email, user)
        output.note(f"The token of {user} holds no longer.")


def _token(one: Any) -> dict[str, Any]:
    return {
        "user": one.user,
        "is_admin": one.is_admin,
        "created": one.created,
        "withdrawn": one.withdrawn,
    }
