"""Data sets: what a description says, and whether tables fit what a project asks for."""

from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.catalogue.datasets import (
    Column,
    DataRequest,
    DataSet,
    check_folder,
    check_name,
    columns_of,
    data_request,
    data_set_document,
    read_data_set,
)
from syft_flwr_cli.catalogue.payload import Payload
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.rejection import RefusedError

MOCK = Payload("22222222-2222-4222-8222-222222222222", b"k" * 32, 10, b"d" * 32)
DATA = DataSet("tumours", "Measured.", (Column("radius", "number"),), 2, 99, MOCK, "a" * 64)


def test_a_description_is_read_as_it_was_written() -> None:
    assert read_data_set(data_set_document(DATA)) == DATA


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../x"},
        {"description": "x" * (64 * 1024 + 1)},
        {"schema": None},
        {"schema": {"fields": [{"type": "number"}]}},
        {"schema": {"fields": [{"name": "a"}] * 5001}},
        {"files": -1},
        {"mock": {"id": "x"}},
        {"mock_digest": None},
    ],
)
def test_an_odd_description_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        read_data_set(data_set_document(DATA) | change)


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", ".a", "a..b", "x" * 65])
def test_a_name_that_cannot_name_a_data_set_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(
        "id,radius,when,ill,note\n1,2.5,2026-01-31,true,x\n2,,2026-02-01,false,y\n"
    )
    return tmp_path


def test_columns_are_found_with_the_narrowest_type_that_their_values_have(folder: Path) -> None:
    assert columns_of(folder) == (
        Column("id", "integer"),
        Column("radius", "number"),
        Column("when", "date"),
        Column("ill", "boolean"),
        Column("note", "string"),
    )


def test_tables_that_fit_raise_no_objection(folder: Path) -> None:
    (folder / "b.jsonl").write_text('{"id": 3, "radius": 1, "when": "2026-01-01"}\n')
    assert (
        check_folder(folder, [Column("id", "integer"), Column("radius", "number"), Column("when", "date")])
        == []
    )


def test_what_does_not_fit_is_said_without_the_value(folder: Path) -> None:
    problems = check_folder(folder, [Column("age"), Column("note", "number"), Column("radius", "number")])
    assert problems == ["a.csv has no column 'age'", "row 1 of a.csv: 'note' is no number"]


def test_a_folder_without_tables_does_not_fit(tmp_path: Path) -> None:
    assert "no table" in check_folder(tmp_path, [Column("a")])[0]
    assert check_folder(tmp_path, []) == []


def test_a_table_that_cannot_be_read_is_an_objection(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.jsonl").write_text("[1]\n")
    assert len(check_folder(tmp_path, [Column("a")])) == 2


def test_a_project_asks_for_a_data_set_by_name_and_columns() -> None:
    table = {"dataset": {"name": "tumours", "fields": [{"name": "radius", "type": "number"}, "label"]}}
    assert data_request(table) == DataRequest("tumours", (Column("radius", "number"), Column("label", "any")))
    assert data_request({"dataset": "tumours"}) == DataRequest("tumours", ())
    assert data_request({}) is None


@pytest.mark.parametrize(
    "table",
    [
        1,
        {"names": "x"},
        {"name": "A B"},
        {"fields": "x"},
        {"fields": [{"name": "a", "type": "money"}]},
        {"fields": [1]},
    ],
)
def test_a_request_that_is_not_understood_is_an_error(table: Any) -> None:
    with pytest.raises(UsageError):
        data_request({"dataset": table})
