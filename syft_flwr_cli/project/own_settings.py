"""A participant's own settings on this machine: ``{SYFT_FLWR_HOME}/settings.toml``.

Here lies what differs from machine to machine and so never stands in a project: where the shared folder
and the data are, whose machine this is. Lookups go from the narrowest table to the widest::

    [apps."APP"."EMAIL"]    one participant in one app
    [apps."APP"]            everybody on this machine in that app
    [default]               every app

`remember` writes the first two and leaves the rest of the file, comments included, as it was.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.storage.paths import locked, refuse_if_shared, write_private

__all__ = ["FILE_NAME", "REMEMBERED", "layers", "read_own", "remember"]

FILE_NAME = "settings.toml"

REMEMBERED = ("email", "root", "data", "data_use", "syftbox_config", "transport")
"""What `remember` may write; everything else in the file is the participant's own hand."""


def read_own(home: Path) -> Mapping[str, Any]:
    """Return the whole file as parsed; empty if there is none.

    Raises
    ------
    UsageError
        If it is no valid TOML.
    TrustError
        If others can write to it.
    """
    file = home / FILE_NAME
    try:
        refuse_if_shared(file)
        return tomllib.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _broken(file, error) from error


def layers(own: Mapping[str, Any], app_name: str, email: str | None) -> Iterator[Mapping[str, Any]]:
    """The tables to look into for ``app_name``, the narrowest first."""
    app = _table(_table(own, "apps"), app_name)
    if email is not None:
        yield _table(app, email)
    yield app
    yield _table(own, "default")


def remember(home: Path, app_name: str, *, email: str | None = None, **values: Path | str | None) -> None:
    """Note what differs from machine to machine, for the next command; None is left as it was.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``; made if it is not there.
    app_name : str
        The app it holds for.
    email : str | None
        Whose it is. Remembered too, as the e-mail of the next command that names none.
    values
        Any of ``root``, ``data``, ``syftbox_config``, ``transport``; a path is stored absolute.

    Raises
    ------
    UsageError
        If the file that is there is no valid TOML.
    """
    unknown = set(values) - set(REMEMBERED)
    if unknown:
        raise TypeError(f"not remembered: {', '.join(sorted(unknown))}")
    file = home / FILE_NAME
    with locked(file):  # two commands that start together must not forget each other's values
        before = file.read_bytes().decode("utf-8") if file.is_file() else ""
        try:
            document = tomlkit.parse(before)
        except TOMLKitError as error:
            raise _broken(file, error) from error
        app = _descend(_descend(document, "apps", header=False), app_name)
        place = app if email is None else _descend(app, email)
        if email is not None:
            app["email"] = email
        for key, value in values.items():
            if value is not None:
                place[key] = str(value.expanduser().absolute()) if isinstance(value, Path) else value
        after = tomlkit.dumps(document)
        if after != before:
            write_private(file, after.encode("utf-8"))


def _broken(file: Path, error: Exception) -> UsageError:
    return UsageError(f"{file} is not valid TOML: {error}.", hint="Correct the file, or remove it.")


def _table(raw: Any, name: str) -> Mapping[str, Any]:
    here = raw.get(name) if isinstance(raw, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def _descend(place: Any, name: str, *, header: bool = True) -> Any:
    if name not in place:
        place[name] = tomlkit.table(is_super_table=not header)
    return place[name]
