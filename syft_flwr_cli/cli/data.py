"""``syft-flwr data``: one's own data sets, and those that others describe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json, Root, SyftboxConfig, TransportName

if TYPE_CHECKING:
    from syft_flwr_cli.services.federation import Federation
    from syft_flwr_cli.services.offered_data import OfferedData
    from syft_flwr_cli.services.own_data import OwnDataSet

__all__ = ["register"]

From = Annotated[
    str | None,
    typer.Option(
        "--from", help="Data owners to look for.", metavar="E,E", show_default="those who are known"
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(help="Data sets: your own, and those that others describe.", no_args_is_help=True)
    app.add_typer(group, name="data")

    @group.command(epilog="Example: syft-flwr data add tumours --private ~/records --mock-data ~/mock")
    def add(
        name: Annotated[str, typer.Argument(help="What others call it.")],
        private: Annotated[Path, typer.Option("--private", help="Your data. Never leaves.", metavar="DIR")],
        mock_data: Annotated[
            Path | None,
            typer.Option(
                "--mock-data", help="Made-up data of the same shape, for others to try.", metavar="DIR"
            ),
        ] = None,
        description: Annotated[
            Path | None, typer.Option("--description", help="A text that describes it.", metavar="FILE")
        ] = None,
        allow: Annotated[
            str | None,
            typer.Option(
                "--allow",
                help="Who may know of it and use it.",
                metavar="E,E",
                show_default="whom you joined",
            ),
        ] = None,
        policy: Annotated[
            Path | None,
            typer.Option(
                "--policy",
                help="Rules for an app that gets these data, beside your own: what both allow.",
                metavar="FILE",
                show_default=False,
            ),
        ] = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Name a folder of yours, and describe it to those who may use it: text, columns, mock data.

        The folder itself stays where it is, and where that is is told to nobody. A project that asks for the data set
        by its name gets the folder as DATA_DIR, once you have approved the project.
        """
        from syft_flwr_cli.project.config import split_emails
        from syft_flwr_cli.services.own_data import add_data_set
        from syft_flwr_cli.ui import output

        here, me = _who(email)
        text = "" if description is None else _text(description)
        made = add_data_set(
            here,
            me,
            name,
            private,
            mock=mock_data,
            description=text,
            allow=split_emails(allow),
            policy=policy,
        )
        told = _announce(here, me, transport, root, syftbox_config)
        if as_json:
            output.emit_json({**_own_facts(made), "told": told})
            return
        columns = ", ".join(f"{column.name} ({column.type})" for column in made.columns) or "no table found"
        output.out().print(f"{made.name}: {made.private}\n  columns: {columns}", markup=False)
        _say_told(told)

    @group.command(epilog="Example: syft-flwr data remove tumours")
    def remove(
        name: Annotated[str, typer.Argument(help="Its name.")],
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Take a data set back: nobody gets it any more. The folder stays."""
        from syft_flwr_cli.services.own_data import remove_data_set
        from syft_flwr_cli.ui import output

        here, me = _who(email)
        remove_data_set(here, me, name)
        told = _announce(here, me, transport, root, syftbox_config)
        if as_json:
            output.emit_json({"name": name, "told": told})
            return
        output.out().print(f"Removed {name}.", markup=False)
        _say_told(told)

    @group.command(
        "list", epilog="Examples: syft-flwr data list   ·   syft-flwr data list --from do1@a.example"
    )
    def list_(
        owners: From = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """List your data sets, and those that data owners describe to you."""
        from syft_flwr_cli.services.offered_data import offered_data
        from syft_flwr_cli.services.own_data import own_data_sets
        from syft_flwr_cli.ui import output

        here, me = _who(email)
        store = _received(here, me, owners, transport, root, syftbox_config)
        mine, theirs = own_data_sets(here, me), offered_data(store)
        if as_json:
            output.emit_json(
                {
                    "email": me,
                    "own": [_own_facts(one) for one in mine],
                    "offered": [_facts(one) for one in theirs],
                }
            )
            return
        for own in mine:
            readers = ", ".join(own.allow) or "whom you joined"
            output.out().print(f"yours  {own.name}  {own.private}  for {readers}", markup=False)
        for one in theirs:
            mock = "with mock data" if one.data.mock else "no mock data"
            size = f"{one.data.files} file{'' if one.data.files == 1 else 's'}, {one.data.bytes:,} bytes"
            output.out().print(f"{one.owner}  {one.data.name}  {size}, {mock}", markup=False)
        if not mine and not theirs:
            output.note("No data set is known. Add yours: syft-flwr data add NAME --private DIR")

    @group.command(epilog="Example: syft-flwr data show do1@a.example/tumours")
    def show(
        name: Annotated[str, typer.Argument(help="NAME or OWNER/NAME.")],
        owners: From = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Show the description and the columns of a data set."""
        from syft_flwr_cli.protocol.printable import visible
        from syft_flwr_cli.services.offered_data import find_data
        from syft_flwr_cli.services.own_data import own_data_sets
        from syft_flwr_cli.ui import output

        here, me = _who(email)
        own = next((one for one in own_data_sets(here, me) if one.name == name), None)
        facts = (
            _own_facts(own)
            if own is not None
            else _facts(find_data(_received(here, me, owners, transport, root, syftbox_config), name))
        )
        if as_json:
            output.emit_json(facts)
            return
        say: Callable[..., None] = output.out().print
        for key in ("owner", "name", "private", "files", "bytes", "mock"):
            if key in facts:
                say(f"{key}: {facts[key]}", markup=False)
        say(visible(str(facts["description"]), keep="\n\t"), markup=False)
        if own is not None and own.policy:
            say(f"policy, beside your own:\n{visible(own.policy, keep=chr(10))}", markup=False)
        for column in facts["columns"]:
            say(f"  {visible(column['name'])}: {visible(column['type'])}", markup=False)

    @group.command(epilog="Example: syft-flwr data mock do1@a.example/tumours --out mock")
    def mock(
        name: Annotated[str, typer.Argument(help="NAME or OWNER/NAME.")],
        out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for it.", metavar="DIR")],
        owners: From = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Save the mock data of a data set, to try a project on: syft-flwr simulate with it as DATA_DIR."""
        from syft_flwr_cli.services.offered_data import find_data, save_mock
        from syft_flwr_cli.ui import output

        here, me = _who(email)
        with _open(here, me, owners, transport, root, syftbox_config) as federation:
            files = save_mock(federation, find_data(federation.store, name), out)
        if as_json:
            output.emit_json({"name": name, "folder": str(out.absolute()), "files": files})
        else:
            output.out().print(f"Saved {files} files of mock data in {out}.", markup=False)


def _who(email: str | None) -> tuple[Path, str]:
    from syft_flwr_cli.services.current_participant import current_participant
    from syft_flwr_cli.storage.paths import home

    here = home()
    return here, current_participant(here, email)


@contextmanager
def _open(
    here: Path, me: str, owners: str | None, transport: str | None, root: Path | None, config: Path | None
) -> "Iterator[Federation]":
    """The federation, open, with what was described since taken in."""
    from syft_flwr_cli.project.config import split_emails
    from syft_flwr_cli.services.federation import known_peers, open_for_peers
    from syft_flwr_cli.ui.console_reporter import ConsoleReporter

    peers = split_emails(owners) or known_peers(here, me)
    federation = open_for_peers(
        here, me, peers, transport=transport, root=root, syftbox_config=config, emit=ConsoleReporter()
    )
    try:
        federation.mailbox.collect(federation.session.settings.datasites)
        yield federation
    finally:
        federation.close()


def _received(
    here: Path, me: str, owners: str | None, transport: str | None, root: Path | None, config: Path | None
) -> Any:
    """What is known here, after a look at the store if there is anybody to look for."""
    from syft_flwr_cli.services.federation import known_peers, record_store

    if owners or known_peers(here, me):
        with _open(here, me, owners, transport, root, config) as federation:
            return federation.store
    return record_store(here, me)


def _announce(
    here: Path, me: str, transport: str | None, root: Path | None, config: Path | None
) -> list[str]:
    from syft_flwr_cli.errors import SyftFlwrError
    from syft_flwr_cli.services.federation import open_for_peers
    from syft_flwr_cli.services.own_data import announce, concerned
    from syft_flwr_cli.ui import output
    from syft_flwr_cli.ui.console_reporter import ConsoleReporter

    readers = concerned(here, me)
    if not readers:
        return []
    try:
        federation = open_for_peers(
            here, me, readers, transport=transport, root=root, syftbox_config=config, emit=ConsoleReporter()
        )
        try:
            return announce(federation, here)
        finally:
            federation.close()
    except SyftFlwrError as error:
        output.note(f"Nobody can be told of it at the moment: {error.what} {error.hint}", "yellow")
        output.note("The next syft-flwr join, node or data command tells them.")
        return []


def _say_told(told: list[str]) -> None:
    from syft_flwr_cli.ui import output

    if told:
        output.note(f"Told {', '.join(told)}.")


def _text(file: Path) -> str:
    from syft_flwr_cli.errors import UsageError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.", hint="Give a text file in UTF-8.") from error


def _own_facts(one: "OwnDataSet") -> dict[str, Any]:
    return {
        "name": one.name,
        "private": str(one.private),
        "mock": None if one.mock is None else str(one.mock),
        "description": one.description,
        "columns": [{"name": column.name, "type": column.type} for column in one.columns],
        "allow": list(one.allow),
    }


def _facts(one: "OfferedData") -> dict[str, Any]:
    data = one.data
    return {
        "owner": one.owner,
        "name": data.name,
        "description": data.description,
        "columns": [{"name": column.name, "type": column.type} for column in data.columns],
        "files": data.files,
        "bytes": data.bytes,
        "mock": data.mock is not None,
        "received": one.seen,
    }
