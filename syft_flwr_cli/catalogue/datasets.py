"""Descriptions of data sets, and whether tables fit what a project asks for.

A description says what the data are, which columns a table of them has (Frictionless Table Schema, v1: ``name`` and
``type`` of each field), and where mock data of the same shape can be had. The private folder is never in it. Checks
read a table's head line and a bounded number of its rows. It does not know where data sets are kept.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from syft_flwr_cli.catalogue.payload import Payload, payload_document, read_payload
from syft_flwr_cli.catalogue.records import Fields
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.strict_json import loads

__all__ = [
    "COLUMN_TYPES",
    "Column",
    "DataRequest",
    "DataSet",
    "check_folder",
    "check_name",
    "columns_of",
    "data_request",
    "data_set_document",
    "read_data_set",
]

MAX_DESCRIPTION = 64 * 1024
MAX_COLUMNS = 5000
SAMPLE = 1000
"""Rows of each table whose values are looked at."""

MAX_LINE = 1024 * 1024

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``type`` is one of `COLUMN_TYPES`."""

    name: str
    type: str = "any"


@dataclass(frozen=True, slots=True)
class DataSet:
    """What an owner says of a data set; ``mock_digest`` is the digest of the mock data's tree."""

    name: str
    description: str
    columns: tuple[Column, ...]
    files: int
    bytes: int
    mock: Payload | None = None
    mock_digest: str | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class DataRequest:
    """What a project asks of the data: a data set's name (None: any), and the columns it needs."""

    name: str | None
    columns: tuple[Column, ...]


def check_name(text: str) -> str:
    """``text`` if it can name a data set; `UsageError` otherwise."""
    if ".." in text or not _NAME.match(text):
        raise UsageError(
            f"{text[:80]!r} cannot name a data set.",
            hint="Use small letters, digits, '.', '_' and '-', at most 64, as in breast-cancer.",
        )
    return text


def data_set_document(data: DataSet) -> dict[str, Any]:
    """The content of the record that carries a description."""
    return {
        "name": data.name,
        "description": data.description,
        "schema": {"fields": [{"name": column.name, "type": column.type} for column in data.columns]},
        "files": data.files,
        "bytes": data.bytes,
        "mock": None if data.mock is None else payload_document(data.mock),
        "mock_digest": data.mock_digest,
        "withdrawn": data.withdrawn,
    }


def read_data_set(content: Mapping[str, Any]) -> DataSet:
    """The description in a record's content; `RefusedError` if it is none."""
    fields = Fields(content, "The data set")
    mock = fields.get("mock")
    schema = Fields(fields.get("schema"), "The data set's schema")
    return DataSet(
        name=fields.named("name", check_name),
        description=fields.text("description", MAX_DESCRIPTION),
        columns=tuple(_foreign_column(item) for item in schema.items("fields", MAX_COLUMNS)),
        files=fields.count("files"),
        bytes=fields.count("bytes"),
        mock=None if mock is None else read_payload(mock, "The mock data"),
        mock_digest=None if mock is None else fields.digest("mock_digest"),
        withdrawn=fields.flag("withdrawn"),
    )


def data_request(options: Mapping[str, Any]) -> DataRequest | None:
    """What ``[tool.syft_flwr.dataset]`` of a project asks for; None if it asks for nothing.

    Raises
    ------
    UsageError
        If the table is not understood.
    """
    table = options.get("dataset")
    if table is None:
        return None
    where = "[tool.syft_flwr.dataset]"
    if isinstance(table, str):
        table = {"name": table}
    if not isinstance(table, Mapping) or set(table) - {"name", "fields"}:
        raise UsageError(
            f"{where} is not understood.",
            hint='Write name = "breast-cancer" and fields = [{ name = "radius", type = "number" }].',
        )
    name, listed = table.get("name"), table.get("fields", [])
    if not isinstance(listed, list) or len(listed) > MAX_COLUMNS:
        raise UsageError(f"'fields' of {where} is no list.", hint='Write fields = [{ name = "radius" }].')
    return DataRequest(
        None if name is None else check_name(str(name)), tuple(_own_column(item, where) for item in listed)
    )


def columns_of(folder: Path) -> tuple[Column, ...]:
    """The columns of the first table in a folder, with the narrowest type that its first rows have."""
    for file in _tables(folder):
        rows = list(islice(_rows(file), SAMPLE))
        names = list(rows[0]) if rows else []
        return tuple(Column(name, _narrowest(row.get(name) for row in rows)) for name in names)
    return ()


def check_folder(folder: Path, wanted: Sequence[Column]) -> list[str]:
    """What in a folder's tables does not fit the wanted columns, a sentence each; empty if all fits.

    Parameters
    ----------
    folder : Path
        With ``*.csv`` (a line of column names first) or ``*.jsonl`` files; a file alone is looked at as well.
    wanted : sequence of Column
        Every table must have these; more do not matter.
    """
    if not wanted:
        return []
    problems: list[str] = []
    tables = list(_tables(folder))
    if not tables:
        return [f"there is no table in {folder} (*.csv or *.jsonl)"]
    for file in tables:
        problems += _misfits(file, wanted)
    return problems


def _misfits(file: Path, wanted: Sequence[Column]) -> Iterator[str]:
    try:
        rows = list(islice(_rows(file), SAMPLE))
    except (OSError, ValueError, csv.Error) as error:
        yield f"{file.name} cannot be read as a table: {error}"
        return
    if not rows:
        yield f"{file.name} has no rows"
        return
    for column in wanted:
        if column.name not in rows[0]:
            yield f"{file.name} has no column {column.name!r}"
            continue
        fits = COLUMN_TYPES[column.type]
        for number, row in enumerate(rows, 1):
            value = row.get(column.name)
            if value not in (None, "") and not fits(value):
                # The value itself is the owner's; only where it stands is said.
                yield f"row {number} of {file.name}: {column.name!r} is no {column.type}"
                break


def _tables(folder: Path) -> Iterator[Path]:
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    return (file for file in files if file.suffix in (".csv", ".jsonl") and file.is_file())


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        if file.suffix == ".csv":
            yield from csv.DictReader(stream)
            return
        while line := stream.readline(MAX_LINE):
            if line.strip():
                row = loads(line)
                if not isinstance(row, dict):
                    raise ValueError("a line is no object")
                yield row


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_integer(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\s*[+-]?[0-9]+\s*", value) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or str(value).strip().lower() in ("true", "false", "0", "1")


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()) is not None


def _is_datetime(value: Any) -> bool:
    form = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?"
    return isinstance(value, str) and re.fullmatch(form, value.strip()) is not None


COLUMN_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "boolean": _is_boolean,
    "integer": _is_integer,
    "number": _is_number,
    "date": _is_date,
    "datetime": _is_datetime,
    "string": lambda value: isinstance(value, str),
    "any": lambda value: True,
}
"""The types of Table Schema that are checked, the narrowest first."""


def _narrowest(values: Iterable[Any]) -> str:
    present = [value for value in values if value not in (None, "")]
    if not present:
        return "any"
    order = ("integer", "number", "date", "datetime", "boolean", "string", "any")
    return next(name for name in order if all(COLUMN_TYPES[name](value) for value in present))


def _foreign_column(item: Any) -> Column:
    fields = Fields(item, "A column of the data set")
    kind = fields.text("type", 40) if fields.get("type") is not None else "any"
    # A type of a later version is shown as it stands and checks nothing.
    return Column(fields.text("name", 200), kind)


def _own_column(item: Any, where: str) -> Column:
    if isinstance(item, str):
        return Column(item)
    if isinstance(item, Mapping) and isinstance(item.get("name"), str) and not set(item) - {"name", "type"}:
        kind = item.get("type", "any")
        if kind in COLUMN_TYPES:
            return Column(item["name"], kind)
    raise UsageError(
        f"{str(item)[:80]} under {where} is no column.",
        hint=f'Write {{ name = "radius", type = "number" }}; known types are {", ".join(COLUMN_TYPES)}.',
    )
