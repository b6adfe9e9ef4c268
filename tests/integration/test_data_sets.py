"""Data sets: an owner names them, an aggregator sees what it may, and a project gets the one it asks for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from participants import AGGREGATOR, OWNERS, Federation, federate

DO1, DO2 = OWNERS
ROWS = "radius,label\n1.5,0\n2.5,1\n"


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    made = federate(tmp_path, "averaging")
    made.root.mkdir(exist_ok=True)
    made.variables["SYFT_FLWR_POLL_INTERVAL"] = "0.3"
    yield made
    made.close()


def asks_for(federation: Federation, text: str) -> None:
    file = federation.project / "pyproject.toml"
    file.write_text(file.read_text() + f"\n[tool.syft_flwr.dataset]\n{text}\n")


def table(folder: Path, text: str = ROWS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.csv").write_text(text)
    return folder


def test_an_aggregator_sees_description_and_mock_data_and_never_the_private_path(
    federation: Federation,
) -> None:
    private, mock = (
        table(federation.place / "secret-place"),
        table(federation.place / "mock", "radius,label\n9,1\n"),
    )
    about = federation.place / "about.txt"
    about.write_text("Measured by hand.")
    root = ["--root", str(federation.root)]
    federation.run("keys", "show", "--email", AGGREGATOR, email=AGGREGATOR)
    share = ["share", str(federation.project), *root]
    federation.run(*share, email=AGGREGATOR)
    words = ["data", "add", "tumours", "--private", str(private), "--mock-data", str(mock)]
    words += ["--description", str(about), "--allow", AGGREGATOR, "--email", DO1, *root, "--json"]
    assert federation.run(*words, email=DO1).data["told"] == [AGGREGATOR]
    seen = federation.run(
        "data", "list", "--from", DO1, "--email", AGGREGATOR, "--json", email=AGGREGATOR
    ).data
    assert [one["name"] for one in seen["offered"]] == ["tumours"]
    shown = federation.run("data", "show", "tumours", "--json", email=AGGREGATOR)
    assert shown.data["description"] == "Measured by hand."
    assert shown.data["columns"] == [
        {"name": "radius", "type": "number"},
        {"name": "label", "type": "integer"},
    ]
    out = federation.place / "got"
    federation.run("data", "mock", "tumours", "-o", str(out), email=AGGREGATOR)
    assert (out / "rows.csv").read_text() == "radius,label\n9,1\n"
    assert "secret-place" not in shown.out + str(seen)
    assert not any(
        b"secret-place" in path.read_bytes() for path in federation.root.rglob("*") if path.is_file()
    )
    federation.run("data", "remove", "tumours", "--email", DO1, *root, email=DO1)
    left = federation.run("data", "list", "--json", email=AGGREGATOR).data["offered"]
    assert left == []


def test_a_project_gets_the_data_set_that_it_asks_for_by_name(federation: Federation) -> None:
    asks_for(federation, 'name = "tumours"\nfields = [{ name = "radius", type = "number" }]')
    federation.approve(DO1)
    given = ["run-client", str(federation.project), "--email", DO1, "--root", str(federation.root)]
    none = federation.run(*given, email=DO1, code=2)
    assert "asks for the data set 'tumours'" in none.err and "syft-flwr data add tumours" in none.err
    private = table(federation.place / "records")
    federation.run("data", "add", "tumours", "--private", str(private), "--email", DO1, email=DO1)
    client = federation.command(*given, email=DO1)
    client.wait_for(f"The app reads your data: {private}")


def test_data_that_do_not_fit_are_named_before_anything_runs(federation: Federation) -> None:
    asks_for(
        federation, 'fields = [{ name = "age", type = "integer" }, { name = "radius", type = "integer" }]'
    )
    federation.approve(DO1)
    private = table(federation.place / "records")
    given = ["run-client", str(federation.project), "--email", DO1, "--root", str(federation.root)]
    refused = federation.run(*given, "--data", str(private), email=DO1, code=2)
    assert "has no column 'age'" in refused.err
    assert "row 1 of rows.csv: 'radius' is no integer" in refused.err
    assert "1.5" not in refused.err


def test_who_is_not_allowed_does_not_get_a_data_set(federation: Federation) -> None:
    federation.approve(DO1)
    private = table(federation.place / "records")
    add = ["data", "add", "tumours", "--private", str(private), "--allow", "other@x.example", "--email", DO1]
    federation.run(*add, "--root", str(federation.root), email=DO1)
    given = ["run-client", str(federation.project), "--email", DO1, "--root", str(federation.root)]
    refused = federation.run(*given, "--dataset", "tumours", email=DO1, code=2)
    assert f"{AGGREGATOR} may not use the data set 'tumours'" in refused.err
