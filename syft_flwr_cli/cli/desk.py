"""``syft-flwr desk``: a page on this machine for data owners who do not program."""

from typing import Annotated

import typer

from syft_flwr_cli.cli.options import Email, Root
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.settings import variable_text

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog="Example: syft-flwr desk --email do1@a.example --root /shared")
    def desk(
        email: Email = None,
        port: Annotated[
            int | None,
            typer.Option(
                "--port",
                help="Where to listen on 127.0.0.1 (also SYFTBOX_APP_PORT).",
                min=0,
                max=65535,
                show_default="a free one",
            ),
        ] = None,
        browser: Annotated[
            bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
        ] = True,
        root: Root = None,
    ) -> None:
        """Open the desk: who asks, what would run, what would leave; approve, pause, revoke, export evidence.

        It listens on this machine only, and lets in who has the address that it prints.
        """
        import webbrowser

        from syft_flwr_cli.services.current_participant import current_participant
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui import output
        from syft_flwr_cli.ui.desk.process import listen, serve

        here = home()
        me = current_participant(here, email)
        listening = listen(_port() if port is None else port)

        def ready(address: str) -> None:
            output.out().print(address, markup=False, soft_wrap=True)
            output.note(f"The desk of {me} is open at this address; Ctrl-C closes it.")
            if browser:
                webbrowser.open(address)

        serve(here, me, None if root is None else root.expanduser().absolute(), listening, ready)


def _port() -> int:
    text = variable_text("SYFTBOX_APP_PORT")
    if not text:
        return 0
    if not text.isdecimal() or int(text) > 65535:
        raise UsageError(
            f"SYFTBOX_APP_PORT is {text[:20]!r}, which is no port.", hint="Give one with --port."
        )
    return int(text)
