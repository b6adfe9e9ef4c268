"""``syft-flwr join``: a data owner's guided first contact with an aggregator and what it offers.

Every step has a flag. With a terminal it asks for what is missing; without one it names it.
"""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli import completing
from syft_flwr_cli.cli.join_steps import (
    DataFlags,
    Steps,
    ask,
    build_environment,
    choose,
    compare_keys,
    decide,
    look,
    rehearse_first,
    settings_for,
)
from syft_flwr_cli.cli.options import (
    AllowEnv,
    AllowNet,
    AllowPath,
    Email,
    Json,
    Root,
    SyftboxConfig,
    TransportName,
    Until,
    Wheels,
)
from syft_flwr_cli.errors import TransportError, UsageError

if TYPE_CHECKING:
    from syft_flwr_cli.project.config import Project
    from syft_flwr_cli.project.settings import Settings
    from syft_flwr_cli.services.joining import Offered
    from syft_flwr_cli.services.review import Reviewed

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr join --root /shared --email do1@a.example   ·   "
        "syft-flwr join ds@lab.example --approve --data ~/records --run"
    )
    def join(
        aggregator: Annotated[
            str | None,
            typer.Argument(
                help="E-mail of who asks.", show_default="who offers you one", autocompletion=completing.peers
            ),
        ] = None,
        project: Annotated[
            str | None,
            typer.Option("--project", help="Which of its projects.", metavar="NAME", show_default="the one"),
        ] = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        words: Annotated[
            str | None,
            typer.Option(
                "--words",
                help="The six words of its key, as you heard them.",
                metavar="WORDS",
                show_default=False,
            ),
        ] = None,
        show_files: Annotated[
            bool, typer.Option("--show-files", help="Show what is in the files, not only their names.")
        ] = False,
        data: Annotated[
            Path | None,
            typer.Option(help="Your data: what the app sees as DATA_DIR.", metavar="DIR", show_default=False),
        ] = None,
        dataset: Annotated[
            str | None,
            typer.Option(
                "--dataset",
                help="A data set of yours (syft-flwr data add).",
                metavar="NAME",
                show_default=False,
            ),
        ] = None,
        mock: Annotated[bool, typer.Option("--mock", help="Run on data that the app makes up.")] = False,
        no_data: Annotated[bool, typer.Option("--no-data", help="The app needs no data.")] = False,
        approve: Annotated[bool, typer.Option("--approve", help="Let exactly these files run here.")] = False,
        reject: Annotated[bool, typer.Option("--reject", help="Do not let these files run here.")] = False,
        digest: Annotated[
            str | None,
            typer.Option(
                "--digest", help="Decide only if the digest begins so.", metavar="HEX", show_default=False
            ),
        ] = None,
        message: Annotated[
            str, typer.Option("--message", "-m", help="What the aggregator reads with it.", metavar="TEXT")
        ] = "",
        until: Until = None,
        allow_net: AllowNet = None,
        allow_env: AllowEnv = None,
        allow_path: AllowPath = None,
        wheels: Wheels = None,
        run: Annotated[
            bool | None,
            typer.Option("--run/--no-run", help="Run the project once it is approved.", show_default=False),
        ] = None,
        rehearse: Annotated[
            bool | None,
            typer.Option(
                "--rehearse/--no-rehearse",
                help="Before it is decided, run it on your data with nothing sent, and show what would leave.",
                show_default=False,
            ),
        ] = None,
        wait: Annotated[
            str | None,
            typer.Option(
                "--wait", help="How long to wait for an offer.", metavar="TIME", show_default="no limit"
            ),
        ] = None,
        as_json: Json = False,
    ) -> int:
        """Receive a project, look at it, decide, and run it: who asks, what would run, on which data.

        Nothing runs, and nothing of yours leaves, before you have approved exactly the files that are shown.
        """
        from syft_flwr_cli.project.duration import parse_end
        from syft_flwr_cli.protocol.grants import parse_grants

        if approve and reject:
            raise UsageError("Both --approve and --reject were given.", hint="Give one of them.")
        if data is not None:
            data = data.expanduser().absolute()
        grants = parse_grants(allow_net or (), allow_env or (), allow_path or ())
        if grants and reject:
            raise UsageError(
                "What is rejected is allowed nothing.", hint="Leave out --reject, or the --allow options."
            )
        end = None if until is None else parse_end(until, time.time())
        uses = DataFlags(data, dataset, mock, no_data)
        flags = Steps(
            words,
            show_files,
            uses,
            approve,
            reject,
            digest,
            message,
            run,
            as_json,
            grants,
            wheels,
            end,
            rehearse,
        )
        return _join(aggregator, project, email, transport, root, syftbox_config, wait, flags)


def _join(
    aggregator: str | None,
    name: str | None,
    email: str | None,
    transport: str | None,
    root: Path | None,
    config: Path | None,
    wait: str | None,
    flags: Steps,
) -> int:
    from syft_flwr_cli.project.duration import parse_duration
    from syft_flwr_cli.project.settings import remember
    from syft_flwr_cli.services.data_choice import remember_data
    from syft_flwr_cli.services.federation import open_federation
    from syft_flwr_cli.services.joining import await_offers, rejoin
    from syft_flwr_cli.services.own_data import announce
    from syft_flwr_cli.services.superseded import remove_superseded
    from syft_flwr_cli.storage.paths import home
    from syft_flwr_cli.ui import output
    from syft_flwr_cli.ui.console_reporter import ConsoleReporter

    here = home()
    patience = None if wait is None else parse_duration(wait, "--wait")
    places = {"transport": transport, "root": root, "syftbox_config": config}
    settings = _settings(here, aggregator, email, places, patience, flags.asks)
    federation = open_federation(settings, here, emit=ConsoleReporter())
    try:
        remember(
            here,
            settings.app_name,
            email=settings.email,
            root=settings.root,
            transport=settings.transport,
        )
        rejoin(federation.store, settings.aggregator, time.time())
        offers = await_offers(federation, settings.aggregator, name, patience)
        one, project = _choose(offers, flags.asks)
        remember(here, project.app_name or "", email=settings.email, root=settings.root)
        compare_keys(federation, one.aggregator, flags)
        where = shlex.quote(one.name) + f" --email {settings.email}"
        reviewed = look(here, settings, one, project, where, flags)
        chosen = choose(here, settings, project, flags)
        rehearse_first(here, settings, project, reviewed, chosen, flags)
        reviewed, decision = decide(federation, one, reviewed, flags)
        if chosen is not None and decision == "approve":
            remember_data(here, settings_for(here, settings, project), chosen)
        announce(federation, here)
        remove_superseded(federation)
    finally:
        federation.close()
    output.note(
        f"{'Approved' if decision == 'approve' else 'Rejected'} {one.name}, version {one.offer.revision} "
        f"(digest {one.offer.digest[:16]}); {one.aggregator} is told so.",
        style="bold",
    )
    if decision == "approve":
        build_environment(here, settings.email, one, flags)
    runs = decision == "approve" and _runs_now(flags)
    if flags.as_json and not runs:
        _emit(one, reviewed, decision, flags.rehearsed)
    if runs:
        return _run(one, settings, flags)
    _say_next(where, decision, chosen is not None)
    return 0


def _settings(
    here: Path,
    aggregator: str | None,
    email: str | None,
    places: dict[str, Any],
    wait: float | None,
    asks: bool,
) -> "Settings":
    from syft_flwr_cli.catalogue.records import APP
    from syft_flwr_cli.project.settings import resolve
    from syft_flwr_cli.services.current_participant import current_participant
    from syft_flwr_cli.services.joining import joined

    try:
        me: str | None = current_participant(here, email)
    except UsageError:
        me = ask("Your e-mail, as the project has it") if asks else None
    if aggregator is None and me is not None:
        aggregator = _only_sender(here, me, joined(here, me), places, wait, asks)
    if aggregator is None and asks:
        aggregator = ask("E-mail of the aggregator, who asks you to take part")
    if aggregator is None:
        raise UsageError(
            "Whose projects you want to see is not known.",
            hint="Say who you are with --email E; whoever asks you to take part is then looked for in the shared "
            "folder. Or name the aggregator: syft-flwr join ds@lab.example",
        )

    def found(where: Path | None) -> "Settings":
        return resolve(
            None,
            home=here,
            role="data owner",
            email=me,
            app_name=APP,
            aggregator=aggregator,
            **{**places, "root": where},
        )

    try:
        settings = found(places["root"])
    except UsageError as error:
        if not asks or "shared folder" not in error.what:
            raise
        settings = found(Path(ask("The shared folder (what --root gives)")).expanduser())
    if settings.root is not None and not settings.root.is_dir():
        question = f"There is no folder {settings.root}. Make it?"
        if not asks or not typer.confirm(question, default=False, err=True):
            raise TransportError(
                f"There is no folder {settings.root}.",
                hint="Give the folder that you share with the aggregator with --root DIR; make it first "
                "if it is to be a new one.",
            )
    return settings


def _only_sender(
    here: Path, me: str, known: list[str], places: dict[str, Any], wait: float | None, asks: bool
) -> str | None:
    """Who is meant where no aggregator was named: the only one who was joined, or who offers something here.

    None where nobody can be looked for.
    """
    from syft_flwr_cli.catalogue.records import APP
    from syft_flwr_cli.services.key_discovery import shared_place
    from syft_flwr_cli.services.offer_search import await_senders, senders
    from syft_flwr_cli.ui import output
    from syft_flwr_cli.ui.console_reporter import ConsoleReporter

    shared = shared_place(here, places["transport"] or "local", APP, places["root"])
    if shared is None:
        return known[0] if len(known) == 1 else None
    if not shared.root.is_dir():
        raise TransportError(
            f"There is no folder {shared.root}.",
            hint="Give the folder that you share with the aggregator with --root DIR.",
        )
    found = sorted({*known, *senders(shared, me)})
    if not found:
        found = await_senders(here, me, shared, wait, ConsoleReporter(), **places)
    if len(found) == 1:
        return found[0]
    for one in found:
        output.note(f"{one} {'(joined before)' if one in known else 'offers you something'}")
    if not asks:
        raise UsageError(
            f"{len(found)} aggregators offer you projects.",
            hint=f"Name one: syft-flwr join {found[0]} --email {me} (or another of {', '.join(found)}).",
        )
    chosen = ask("Whose projects do you want to see")
    if chosen.strip().lower() not in found:
        raise UsageError(f"{chosen!r} is none of them.", hint=f"There are {', '.join(found)}.")
    return chosen.strip().lower()


def _choose(offers: "list[tuple[Offered, Project]]", asks: bool) -> "tuple[Offered, Project]":
    """The offer that is meant: the only one, the only one without a decision, or the one a person names."""
    open_ones = [pair for pair in offers if pair[0].decision is None]
    for some in (offers, open_ones):
        if len(some) == 1:
            return some[0]
    from syft_flwr_cli.ui.offers import show_offered

    names = [one.name for one, _ in offers]
    show_offered([one for one, _ in offers])
    if not asks:
        raise UsageError(
            f"{len(offers)} projects are offered.",
            hint=f"Name one: --project {names[0]} (or another of them).",
        )
    chosen = ask("Which project")
    for pair in offers:
        if chosen in (pair[0].name, pair[0].offer.app_name):
            return pair
    raise UsageError(f"No project is called {chosen!r}.", hint=f"There are {', '.join(names)}.")


def _runs_now(flags: Steps) -> bool:
    if flags.run is None and flags.asks and not flags.approve:
        return typer.confirm("Run it now?", default=True, err=True)
    return bool(flags.run)


def _emit(one: "Offered", reviewed: "Reviewed", decision: str, rehearsed: dict[str, Any] | None) -> None:
    from syft_flwr_cli.ui import output
    from syft_flwr_cli.ui.offers import offered_facts
    from syft_flwr_cli.ui.review import describe

    shown = describe(reviewed.shown, reviewed.place, reviewed.email, reviewed.rules, reviewed.diff)
    facts: dict[str, Any] = {**offered_facts(one), "decision": decision, "review": shown}
    if rehearsed is not None:
        facts["rehearsal"] = rehearsed
    output.emit_json(facts)


def _run(one: "Offered", settings: "Settings", flags: Steps) -> int:
    from syft_flwr_cli.cli.main import load

    words = ["run-client", str(one.folder), "--email", settings.email, "--transport", settings.transport]
    for flag, key in (("--root", "root"), ("--syftbox-config", "syftbox_config")):
        value = settings.transport_options.get(key)
        words += [flag, str(value)] if value is not None else []
    words += flags.data.words()
    words += ["--json"] if flags.as_json else []
    result = load(("run_client",))(words, prog_name="syft-flwr", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _say_next(where: str, decision: str, has_data: bool) -> None:
    from syft_flwr_cli.ui import output

    if decision == "approve":
        folder = "" if has_data else " --data DIR"
        output.note(f"next: syft-flwr run-client {where}{folder}")
    else:
        output.note("Nothing of it runs here.")
