"""``syft-flwr init`` as it is typed and answered."""

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from transcript import Shell

GIVEN = "--aggregator ds@lab.example --datasites do1@a.example,do2@b.example --yes"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "work"
    folder.mkdir()
    return Shell(folder, tmp_path / "home")


def test_a_project_is_made_and_the_next_commands_are_told(shell: Shell) -> None:
    shell.follows(
        f"""
$ syft-flwr init study --template tabular {GIVEN}
made study/.gitignore
made study/README.md
made study/main.py
made study/pyproject.toml
made study/study/__init__.py
made study/study/client_app.py
made study/study/mock_data/README.md
made study/study/mock_data/tumours.jsonl
made study/study/server_app.py
made study/study/task.py

Next, on this machine alone, with the mock data:
  syft-flwr simulate study
Then for real. The aggregator offers the project, and runs it with those who approve it:
  syft-flwr share study --email ds@lab.example --root SHARED_FOLDER
  syft-flwr run-server study --email ds@lab.example --root SHARED_FOLDER
Every data owner receives it, looks at what would run, decides, and runs it (before or after run-server):
  syft-flwr join ds@lab.example --email do1@a.example --root SHARED_FOLDER
  syft-flwr join ds@lab.example --email do2@b.example --root SHARED_FOLDER
"""
    )
    table = tomllib.loads((shell.folder / "study" / "pyproject.toml").read_text())["tool"]["syft_flwr"]
    assert table["app_name"].startswith("ds@lab.example_study_")
    assert table["aggregator"] == "ds@lab.example"
    assert table["datasites"] == ["do1@a.example", "do2@b.example"]
    assert table["transport"] == "local"


@pytest.mark.parametrize(
    "transcript",
    [
        """
$ syft-flwr init
error: The project has no name.
hint: Give it as in: syft-flwr init study.
? 2
""",
        """
$ syft-flwr init study --datasites do1@a.example --yes
error: Who aggregates is not known.
hint: Give it with --aggregator E.
? 2
""",
        """
$ syft-flwr init study --aggregator ds@lab.example
error: Who owns the data is not known.
hint: Give it with --datasites E,E.
? 2
""",
        f"""
$ syft-flwr init study --template keras {GIVEN}
error: There is no template 'keras'.
hint: Choose one of: numpy, tabular, pytorch, analytics, secagg, xgboost.
? 2
""",
        f"""
$ syft-flwr init study --transport pigeon {GIVEN}
error: There is no transport 'pigeon'.
hint: Choose one of: local, syftbox, gdrive, s3.
? 2
""",
        f"""
$ syft-flwr init my_study {GIVEN}
error: 'my_study' cannot be the name of a Flower project.
hint: Start with a letter and use letters, digits and hyphens only, at most 32.
? 2
""",
        """
$ syft-flwr init study --aggregator ../ds@lab.example --datasites do1@a.example
error: '../ds@lab.example' cannot name a participant.
hint: Give an e-mail such as alice@lab.example: plain ASCII, no '/', no '..', no spaces.
? 2
""",
        """
$ syft-flwr init study --aggregator ds@lab.example --datasites do1@a.example,do/2@b.example
error: 'do/2@b.example' cannot name a participant.
hint: Give an e-mail such as alice@lab.example: plain ASCII, no '/', no '..', no spaces.
? 2
""",
        """
$ syft-flwr init study --aggregator ds@lab.example --datasites ds@lab.example,do1@a.example
error: ds@lab.example is given as the aggregator and as a data owner.
hint: Give the aggregator an e-mail of its own, or leave it out of --datasites.
? 2
""",
        f"""
$ syft-flwr init study --root /dev/null/shared {GIVEN}
error: The shared folder /dev/null/shared cannot be used: /dev/null is no folder.
hint: Give a folder that you may write to with --root DIR.
? 13
""",
        f"""
$ syft-flwr init /dev/null/study {GIVEN}
error: /dev/null… cannot be written: Not a directory.
hint: Choose a place where you may write.
? 2
""",
    ],
)
def test_a_wrong_word_is_answered_in_one_sentence_with_the_remedy(shell: Shell, transcript: str) -> None:
    shell.follows(transcript)
    assert list(shell.folder.iterdir()) == []


def test_an_existing_folder_is_left_alone(shell: Shell) -> None:
    (shell.folder / "study").mkdir()
    shell.follows(
        f"""
$ syft-flwr init study {GIVEN}
error: study is there already.
hint: Choose another name. To federate a Flower project there: syft-flwr bootstrap study
? 2
"""
    )
    assert list((shell.folder / "study").iterdir()) == []


def test_a_dry_run_shows_everything_and_writes_nothing(shell: Shell) -> None:
    answer = shell.run("init", "study", *GIVEN.split(), "--dry-run", "--root", "shared")
    assert answer.code == 0
    assert "+++ b/pyproject.toml" in answer.out
    assert '+datasites = ["do1@a.example", "do2@b.example"]' in answer.out
    assert answer.err == "Nothing was written.\n"
    assert list(shell.folder.iterdir()) == []
    assert not (shell.home / "settings.toml").exists()


def test_the_shared_folder_is_remembered_on_this_machine_and_not_in_the_project(shell: Shell) -> None:
    answer = shell.run(
        "init", "study", *GIVEN.split(), "--root", "shared", "--create-root", SYFTBOX_EMAIL="DO1@a.example"
    )
    assert answer.code == 0
    assert "--root shared" in answer.out
    settings = tomllib.loads((shell.home / "settings.toml").read_text())
    (app,) = settings["apps"].values()
    assert (app["root"], app["email"]) == (str(shell.folder / "shared"), "do1@a.example")
    for path in (shell.folder / "study").rglob("*"):
        assert path.is_dir() or str(shell.folder).encode() not in path.read_bytes()


def test_json_is_one_document_on_stdout(shell: Shell) -> None:
    answer = shell.run("init", "study", *GIVEN.split(), "--json")
    document = json.loads(answer.out)
    assert document["status"] == "ok"
    assert document["data"]["app_name"].startswith("ds@lab.example_study_")
    assert document["data"]["project"] == str(shell.folder / "study")
    assert "syft-flwr simulate study" in answer.err
    again = shell.run("init", "study", *GIVEN.split(), "--json")
    assert json.loads(again.out)["data"]["exit_code"] == again.code == 2


def test_with_a_terminal_it_asks_for_what_is_missing(shell: Shell) -> None:
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "syft_flwr_cli", "init", "--transport", "syftbox"],
        cwd=shell.folder,
        stdin=other,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SYFT_FLWR_HOME": str(shell.home), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.write(main, b"study\n\nds@lab.example\ndo1@a.example, do2@b.example\n")
    out, err = process.communicate(timeout=60)
    os.close(main)
    os.close(other)
    assert process.returncode == 0, err
    for question in (
        "Name of the project",
        "Template",
        "E-mail of the aggregator",
        "E-mails of the data owners",
    ):
        assert question in err
    assert "Transport" not in err
    assert "made study/study/mock_data/digits.jsonl" in out
    table = tomllib.loads((shell.folder / "study" / "pyproject.toml").read_text())["tool"]["syft_flwr"]
    assert table["transport"] == "syftbox"
    assert table["datasites"] == ["do1@a.example", "do2@b.example"]


def test_help_has_an_example_that_works(shell: Shell) -> None:
    answer = shell.run("init", "--help", COLUMNS="200")
    (example,) = [line for line in answer.out.splitlines() if "Example:" in line]
    words = example.split("syft-flwr", 1)[1].split()
    assert shell.run(*words).code == 0
    assert (shell.folder / "study" / "pyproject.toml").is_file()
