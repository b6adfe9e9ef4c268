"""The schemas of ``--json``: published as they are in the code, one for each command, errors and interruptions too."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer.main
from doubles.json_documents import check_document
from jsonschema import Draft202012Validator

from syft_flwr_cli.cli.main import load, run
from syft_flwr_cli.services import status
from syft_flwr_cli.ui.documents import DOCUMENTS
from syft_flwr_cli.ui.schemas import command_of, folder, schema_of


def commands(group: Any, above: str = "") -> dict[str, Any]:
    found = {}
    for name, command in group.commands.items():
        path = f"{above} {name}".strip()
        found.update(commands(command, path) if hasattr(command, "commands") else {path: command})
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_schema_that_is_published_is_that_of_the_code(name: str) -> None:
    published = json.loads((folder() / f"{name.replace(' ', '-')}.json").read_text())
    assert published == schema_of(name)
    Draft202012Validator.check_schema(published)


def test_there_is_a_schema_file_for_each_document_and_no_other() -> None:
    assert len(list(folder().glob("*.json"))) == len(DOCUMENTS)


def test_every_command_with_json_has_a_schema_and_no_other() -> None:
    group = typer.main.get_command(load())
    wanted = {
        name
        for name, command in commands(group).items()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert wanted == set(DOCUMENTS)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    with pytest.raises(SystemExit):
        run([*words, "--json"])
    text = capsys.readouterr().out
    check_document([*words, "--json"], text)
    return json.loads(text)


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "show", "99"),
        ("status", "--nonsense"),
        ("status", "no/such/folder"),
        ("inspect", "no-such-file"),
        ("report",),
        ("audit", "verify"),
        ("keys", "verify", "nobody"),
        ("run-server", "."),
        ("data", "show", "x"),
        ("help", "nothing"),
    ],
)
def test_an_error_is_a_document_of_the_schema(
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    document = said(capsys, *words)
    assert document["status"] == "error" and document["data"]["exit_code"] > 0


def test_an_interruption_is_a_document_of_the_schema(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "participants", interrupted)
    assert said(capsys, "status") == {
        "schema_version": 1,
        "status": "interrupted",
        "data": {"exit_code": 130},
    }


def test_a_document_that_lacks_a_key_or_has_one_of_another_type_is_refused() -> None:
    good = {"schema_version": 1, "status": "ok", "data": {"run_id": "1", "app_name": "a", "told": []}}
    check_document(["stop", "x", "--json"], json.dumps(good))
    for data in ({"run_id": "1", "app_name": "a"}, {"run_id": 1, "app_name": "a", "told": []}):
        with pytest.raises(AssertionError):
            check_document(["stop", "x", "--json"], json.dumps({**good, "data": data}))
    with pytest.raises(AssertionError):
        check_document(["stop", "x", "--json"], json.dumps({**good, "status": "fine"}))


def test_the_command_of_a_line_is_found_behind_its_options() -> None:
    assert command_of(["runs", "show", "46", "--json"]) == "runs show"
    assert command_of(["serve", "token", "list"]) == "serve token list"
    assert command_of(["desk"]) is None
