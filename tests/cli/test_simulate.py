"""``syft-flwr simulate``: a smoke test for any Flower project, federated or not, on one machine."""

import json
import re
import shutil
import site
import venv
from pathlib import Path
from typing import Any

import pytest
from doubles.sampling import sample
from transcript import Answer, Shell

APPS = Path(__file__).parents[1] / "integration" / "apps"
FEDERATION = ("--aggregator", "ds@lab.example", "--datasites", "do1@a.example,do2@b.example", "--yes")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "work"
    folder.mkdir()
    return Shell(folder, tmp_path / "home")


def study(shell: Shell, template: str) -> Path:
    assert shell.run("init", "study", "--template", template, *FEDERATION).code == 0
    return shell.folder / "study"


def simulated(shell: Shell, *words: str, code: int = 0, **environ: str) -> tuple[dict[str, Any], Answer]:
    answer = shell.run("simulate", *words, "--json", FLWR_TELEMETRY_ENABLED="0", **environ)
    assert answer.code == code, answer.out + answer.err
    document = json.loads(answer.out)
    assert list(document) == ["schema_version", "status", "data"]
    return dict(document["data"]), answer


def kept(answer: Answer) -> Path:
    found = re.search(r"^Messages, homes and logs: (.*)$", answer.err, re.MULTILINE)
    assert found, answer.err
    return Path(found[1])


def contents(folder: Path) -> dict[str, bytes]:
    """What is in a folder, but for what Python keeps of modules that were imported."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return {str(path): path.read_bytes() for path in files}


@pytest.mark.parametrize("template", sample(["numpy", "tabular"], "tabular"))
def test_a_new_project_of_a_training_template_is_simulated(shell: Shell, template: str) -> None:
    project = study(shell, template)
    before = contents(project)
    data, answer = simulated(shell, "study")
    assert set(data) >= {
        "run_id",
        "app_name",
        "transport",
        "root",
        "datasites",
        "missing",
        "seconds",
        "rounds",
    }
    assert isinstance(data["run_id"], str) and int(data["run_id"]) < 2**63
    assert data["app_name"].startswith("ds@lab.example_study_")
    assert data["transport"] == "local"
    assert data["datasites"] == ["do1@a.example", "do2@b.example"]
    assert data["missing"] == []
    assert data["seconds"] > 0
    accuracies = []
    for number, entry in enumerate(data["rounds"], start=1):
        assert entry["round"] == number
        assert list(entry["phases"]) == ["train", "evaluate"]
        for phase in entry["phases"].values():
            assert (phase["asked"], phase["answered"]) == (2, 2)
            assert phase["seconds"] > 0 and phase["bytes_written"] > 0
            assert set(phase["metrics"]["datasites"]) == set(data["datasites"])
        metrics = entry["phases"]["evaluate"]["metrics"]
        owners = metrics["datasites"].values()
        total = sum(one["num-examples"] for one in owners)
        mean = sum(one["accuracy"] * one["num-examples"] for one in owners) / total
        assert metrics["aggregated"]["accuracy"] == pytest.approx(mean)
        accuracies.append(mean)
    assert accuracies[-1] > accuracies[0]
    assert not Path(data["root"]).exists(), "nothing is left behind"
    assert contents(project) == before, "the project is not touched"
    assert "Traceback" not in answer.err


@pytest.mark.full
def test_the_analytics_template_is_simulated(shell: Shell) -> None:
    study(shell, "analytics")
    data, _ = simulated(shell, "study")
    assert [list(entry["phases"]) for entry in data["rounds"]] == [["query"], ["query"]]
    for entry in data["rounds"]:
        query = entry["phases"]["query"]
        assert (query["asked"], query["answered"]) == (2, 2)
        assert query["metrics"]["aggregated"]["num-examples"] > 100


@pytest.mark.full
def test_the_table_for_people_goes_to_stderr(shell: Shell) -> None:
    study(shell, "tabular")
    answer = shell.run("simulate", "study", "--run-config", "num-server-rounds=2", FLWR_TELEMETRY_ENABLED="0")
    assert answer.code == 0
    assert answer.out == ""
    rows = re.findall(r"^ *(\d+)  (train|evaluate) +2/2 .*(?:accuracy|loss)", answer.err, re.MULTILINE)
    assert rows == [("1", "train"), ("1", "evaluate"), ("2", "train"), ("2", "evaluate")]
    assert "The run is complete: 2 data owners" in answer.err.splitlines()[-1]


def test_data_owners_by_number_with_messages_kept(shell: Shell) -> None:
    project = study(shell, "tabular")
    before = contents(project)
    words = ("--datasites", "3", "--run-config", "num-server-rounds=1", "--keep")
    data, answer = simulated(shell, "study", *words)
    assert len(data["datasites"]) == 3
    place = kept(answer)
    try:
        messages = [path for path in (place / "root").rglob("*.re*") if path.is_file()]
        assert len(messages) == 3 * (2 + 2 + 1), "two requests, two responses and the stop signal each"
        for path in messages:
            json.loads(path.read_bytes().split(b"\n")[0])
        assert sorted(path.name for path in (place / "homes").iterdir()) == sorted(
            ["ds@lab.example", *data["datasites"]]
        )
        for email in data["datasites"]:
            assert "is over" in (place / "logs" / f"{email}.log").read_text()
    finally:
        shutil.rmtree(place)
    assert contents(project) == before


@pytest.mark.full
def test_data_owners_by_name_with_data_of_their_own(shell: Shell) -> None:
    project = study(shell, "tabular")
    rows = next(project.rglob("tumours.jsonl")).read_text().splitlines()
    for name, part in (("left", rows[:40]), ("right", rows[40:160])):
        (shell.folder / name).mkdir()
        (shell.folder / name / "rows.jsonl").write_text("\n".join(part) + "\n")
    words = ("--datasites", "zoe@z.example,adam@a.example", "--mock-data", "left,right")
    data, _ = simulated(shell, "study", *words, "--run-config", "num-server-rounds=1")
    assert data["datasites"] == ["zoe@z.example", "adam@a.example"]
    train = data["rounds"][0]["phases"]["train"]["metrics"]["datasites"]
    counts = {who: metrics["num-examples"] for who, metrics in train.items()}
    assert counts == {"zoe@z.example": 30, "adam@a.example": 90}


def test_a_plain_flower_project_is_simulated_as_it_is(shell: Shell) -> None:
    shutil.copytree(APPS / "averaging", shell.folder / "averaging")
    before = contents(shell.folder / "averaging")
    data, _ = simulated(shell, "averaging", "--run-config", "num-server-rounds=1")
    assert len(data["datasites"]) == 2
    assert data["rounds"][0]["phases"]["train"]["answered"] == 2
    assert contents(shell.folder / "averaging") == before
    words = ("--datasites", "x@x.example,y@y.example", "--run-config", "num-server-rounds=1")
    found, answer = simulated(
        shell, "averaging", *words, "--no-data", "--sandbox", "none", SYFT_FLWR_SANDBOX="auto"
    )
    assert found["datasites"] == ["x@x.example", "y@y.example"]
    assert set(found["data"].values()) == {"none"}
    assert "Results: " not in answer.err, "no place is named that is not there any more"
    assert Path(found["results"]).is_dir() and found["results"] in answer.err


@pytest.mark.full
def test_the_environment_of_a_simulated_app_can_be_named(shell: Shell) -> None:
    shutil.copytree(APPS / "averaging", shell.folder / "averaging")
    answer = shell.run("simulate", "averaging", "--python", "nowhere/bin/python")
    assert answer.code == 2 and "There is no nowhere/bin/python" in answer.err
    venv.create(shell.folder / "own", symlinks=True)
    (packages,) = (shell.folder / "own" / "lib").glob("python3.*/site-packages")
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()))
    mark = f"import pathlib, os; pathlib.Path({str(shell.folder)!r}, f'ran-{{os.getpid()}}').touch()\n"
    (packages / "mark.pth").write_text(mark)
    words = ("--python", "own/bin/python", "--sandbox", "none", "--run-config", "num-server-rounds=1")
    simulated(shell, "averaging", *words)
    assert len(list(shell.folder.glob("ran-*"))) >= 3, "the ServerApp and two ClientApps"


@pytest.mark.full
def test_a_failing_server_app_fails_the_smoke_test(shell: Shell) -> None:
    shutil.copytree(APPS / "failing", shell.folder / "failing")
    data, answer = simulated(shell, "failing", "--run-config", "how='no' server-fails-in=1", code=1)
    assert "cannot add up round 1 (failing/server_app.py, line " in data["error"]
    assert f"error: {data['error']}" in answer.err.splitlines()
    assert "Traceback" not in answer.err
    said = re.search(r"^What was said: (.*)$", answer.err, re.MULTILINE)
    assert said and list(Path(said[1]).rglob("app.log")) and not list(Path(said[1]).rglob("*.key"))
    shutil.rmtree(said[1])
    data, answer = simulated(
        shell, "failing", "--run-config", "how='no' server-fails-in=1", "--debug", code=1
    )
    assert "Traceback" in answer.err


def test_a_failing_client_app_is_in_the_result(shell: Shell) -> None:
    shutil.copytree(APPS / "failing", shell.folder / "failing")
    data, _ = simulated(shell, "failing")
    (who,) = data["rounds"][0]["phases"]["train"]["failed"]
    assert data["rounds"][0]["phases"]["train"]["failed"][who].startswith("ValueError: the ledger")


@pytest.mark.full
def test_what_the_environment_says_of_the_user_is_kept_out(shell: Shell) -> None:
    """A simulation is nobody's run: not the user's e-mail, data, or transport."""
    study(shell, "tabular")
    (shell.folder / "mine").mkdir()
    data, _ = simulated(
        shell,
        "study",
        "--run-config",
        "num-server-rounds=1",
        SYFTBOX_EMAIL="somebody@else.example",
        DATA_DIR=str(shell.folder / "mine"),
        SYFT_FLWR_ROOT=str(shell.folder / "mine"),
        SYFTBOX_CLIENT_CONFIG_PATH=str(shell.folder / "config.json"),
        SYFT_FLWR_TRANSPORT="gdrive",
    )
    assert data["transport"] == "local"
    assert not list((shell.folder / "mine").iterdir())
    assert not shell.home.exists() or not (shell.home / "participants").exists()


def test_the_demo_shows_a_run_and_says_where_its_messages_lie(shell: Shell) -> None:
    answer = shell.run("demo", "--rounds", "2", "--folder", "here", "--json", FLWR_TELEMETRY_ENABLED="0")
    assert answer.code == 0, answer.err
    data = json.loads(answer.out)["data"]
    assert len(data["datasites"]) == 3
    evaluations = [entry["phases"]["evaluate"] for entry in data["rounds"]]
    first, second = (one["metrics"]["aggregated"]["accuracy"] for one in evaluations)
    assert second > first
    said = answer.err
    for email in data["datasites"]:
        assert f"{email} is ready" in said
    home = re.search(r"export SYFT_FLWR_HOME=(\S+)$", said, re.MULTILINE)
    message = re.search(r"syft-flwr inspect (\S+)$", said, re.MULTILINE)
    assert home and message
    shown = shell.run("inspect", message[1], SYFT_FLWR_HOME=home[1])
    assert shown.code == 0, shown.err
    assert "num-examples" in shown.out, "what one is told to type looks into a message"
    for command in ("syft-flwr simulate", "syft-flwr init", "syft-flwr bootstrap"):
        assert command in said.split("Next, ")[1]
    words = [b"hidden.weight", b"output.bias", b"num-examples", b"train-loss", b"NUMPY"]
    for path in (shell.folder / "here" / "root").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [word for word in words if word in content], path


def test_a_project_that_pins_keys_and_holds_an_environment_is_simulated_without_the_keys_and_with_it(
    shell: Shell,
) -> None:
    project = study(shell, "numpy")
    for email in ("ds@lab.example", "do1@a.example"):
        shell.run("keys", "show", "--email", email)
    shell.run("bootstrap", "study")
    assert b"[tool.syft_flwr.fingerprints]" in (project / "pyproject.toml").read_bytes()
    venv.create(project / ".venv", symlinks=True)
    (packages,) = (project / ".venv" / "lib").glob("python3.*/site-packages")
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()))
    (packages / "mark.pth").write_text(
        f"import pathlib; pathlib.Path({str(shell.folder / 'ran')!r}).touch()\n"
    )
    before = contents(project)
    # The mark lies outside of what a sandbox lets an environment write.
    simulated(shell, "study", SYFT_FLWR_SANDBOX="none")
    assert (shell.folder / "ran").exists()
    assert contents(project) == before
