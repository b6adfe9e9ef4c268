"""``syft-flwr projects``: the projects that one offers, and those that one is offered."""

from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli.options import Email, Json, Root, SyftboxConfig, TransportName

__all__ = ["register"]

Name = Annotated[str, typer.Argument(help="The project's name, app name, or the start of its digest.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(help="Projects offered and received, and who has decided what.", no_args_is_help=True)
    app.add_typer(group, name="projects")

    @group.command("list", epilog="Example: syft-flwr projects list")
    def list_(email: Email = None, as_json: Json = False) -> None:
        """List the projects that you offer, and those that are offered to you, as far as they are known here."""
        import time

        from syft_flwr_cli.services.federation import record_store
        from syft_flwr_cli.services.joining import offered_to
        from syft_flwr_cli.services.offers import offered
        from syft_flwr_cli.ui import offers, output

        here, me = _who(email)
        store = record_store(here, me)
        mine, theirs = offered(store, time.time()), offered_to(store, here, me)
        if as_json:
            output.emit_json(
                {
                    "email": me,
                    "offered": [offers.standing_facts(one) for one in mine],
                    "received": [offers.offered_facts(one) for one in theirs],
                }
            )
            return
        for one in mine:
            title = f"{one.offer.project}, version {one.offer.revision}, offered by you:"
            output.out().print(title, markup=False)
            offers.show_standing(one)
        if theirs:
            output.out().print("Offered to you:")
            offers.show_offered(theirs)
        if not mine and not theirs:
            output.note(
                "No project is offered. Offer one with syft-flwr share, receive them with syft-flwr join."
            )

    @group.command(
        epilog="Examples: syft-flwr projects show study   ·   syft-flwr projects show study --diff"
    )
    def show(
        name: Name,
        email: Email = None,
        diff: Annotated[bool, typer.Option("--diff", help="Show what changed line by line.")] = False,
        as_json: Json = False,
    ) -> None:
        """Show one: who has decided what, on which digest; or, where it is offered to you, what would run."""
        import time

        from syft_flwr_cli.cli.main import load
        from syft_flwr_cli.errors import UsageError
        from syft_flwr_cli.services.federation import record_store
        from syft_flwr_cli.services.offers import offered
        from syft_flwr_cli.ui import offers, output

        here, me = _who(email)
        found = [
            one
            for one in offered(record_store(here, me), time.time())
            if name in (one.offer.project, one.offer.app_name)
            or (len(name) >= 8 and one.offer.digest.startswith(name))
        ]
        if len(found) > 1:
            apps = ", ".join(one.offer.app_name for one in found)
            raise UsageError(f"Several projects are called {name!r}.", hint=f"Name one of them: {apps}.")
        if not found:
            words = ["review", name, "--email", me, *(["--diff"] if diff else [])]
            load(("review",))([*words, *(["--json"] if as_json else [])], standalone_mode=False)
            return
        if as_json:
            output.emit_json(offers.standing_facts(found[0]))
            return
        offer = found[0].offer
        lines = [f"{offer.project}, version {offer.revision} ({offer.version})", f"app: {offer.app_name}"]
        lines += [f"digest: {offer.digest}", *([f"message: {offer.message}"] if offer.message else [])]
        for line in lines:
            output.out().print(line, markup=False)
        offers.show_standing(found[0])

    @group.command(epilog="Example: syft-flwr projects withdraw study")
    def withdraw(
        name: Name,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Take an offer back: nobody is asked any more. A run that goes on is ended with syft-flwr stop."""
        import time

        from syft_flwr_cli.errors import UsageError
        from syft_flwr_cli.project.settings import resolve
        from syft_flwr_cli.services import offers
        from syft_flwr_cli.services.federation import open_federation, record_store
        from syft_flwr_cli.ui import output
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter

        here, me = _who(email)
        known = offers.offered(record_store(here, me), time.time())
        found = [one.offer for one in known if name in (one.offer.project, one.offer.app_name)]
        if len(found) != 1:
            names = ", ".join(one.offer.app_name for one in known) or "none"
            raise UsageError(f"{name[:80]!r} is not one project that you offer.", hint=f"You offer: {names}.")
        settings = resolve(
            None,
            home=here,
            role="aggregator",
            email=me,
            app_name=found[0].app_name,
            aggregator=me,
            datasites=found[0].datasites,
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
        )
        federation = open_federation(settings, here, emit=ConsoleReporter())
        try:
            told = offers.withdraw(federation, found[0].app_name)
        finally:
            federation.close()
        if as_json:
            output.emit_json({"project": found[0].project, "app_name": found[0].app_name, "told": list(told)})
        else:
            output.out().print(f"Withdrew {found[0].project}; {', '.join(told)} will see that.", markup=False)


def _who(email: str | None) -> tuple[Path, str]:
    from syft_flwr_cli.services.current_participant import current_participant
    from syft_flwr_cli.storage.paths import home

    here = home()
    return here, current_participant(here, email)
