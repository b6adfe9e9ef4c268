"""A rehearsal shows what would leave, runs the very files that are approved next, and sends nothing."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from transcript import Shell

from syft_flwr_cli.cli import join_steps
from syft_flwr_cli.execution.sandbox.capabilities import capabilities
from syft_flwr_cli.protocol.grants import Grants
from syft_flwr_cli.services import rehearsal

WORKS = [one.kind for one in capabilities() if one.works and one.kind in ("bwrap", "landlock")]
ENTERED = {"SYFT_FLWR_SANDBOX": "auto", "FLWR_TELEMETRY_ENABLED": "0"}

pytestmark = pytest.mark.skipif(not WORKS, reason="no sandbox works here")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def made(tmp_path: Path, template: str, owners: str = "do1@a.example") -> Shell:
    shell = Shell(tmp_path, tmp_path / "home")
    (tmp_path / "root").mkdir()
    answer = shell.run(
        *("init", "study", "--template", template, "--aggregator", "ds@lab.example", "--yes"),
        *("--datasites", owners, "--root", str(tmp_path / "root")),
    )
    assert answer.code == 0, answer.err
    return shell


@pytest.mark.parametrize(
    "template",
    [
        "numpy",
        "tabular",
        "analytics",
        pytest.param(
            "pytorch",
            marks=pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no PyTorch here"),
        ),
    ],
)
def test_a_template_is_rehearsed_and_its_digest_is_the_one_that_is_approved(
    tmp_path: Path, template: str
) -> None:
    shell = made(tmp_path, template)
    before = everything(tmp_path / "root"), everything(tmp_path / "study")
    answer = shell.run("rehearse", "study", "--email", "do1@a.example", "--json", **ENTERED)
    assert answer.code == 0, answer.err
    done = json.loads(answer.out)["data"]
    assert done["sandbox"].split(";")[0] in WORKS
    assert any("metrics" in record or "arrays" in record for record in done["egress"])
    assert not [record for record in done["egress"] if "error" in record]
    assert done["memory"] > 1 << 20 and done["seconds"] > 0
    # Nothing was sent, and nothing of it is left.
    assert (everything(tmp_path / "root"), everything(tmp_path / "study")) == before
    assert not (tmp_path / "home" / "participants" / "do1@a.example" / "approvals").exists()
    looked = shell.run("review", "study", "--email", "do1@a.example", "--json")
    assert json.loads(looked.out)["data"]["digest"] == done["digest"]
    approved = shell.run(
        *("review", "study", "--email", "do1@a.example", "--approve", "--digest", done["digest"][:16])
    )
    assert approved.code == 0, approved.err


def test_what_is_read_and_what_the_policy_withholds_is_shown(tmp_path: Path) -> None:
    shell = made(tmp_path, "numpy")
    (tmp_path / "data").mkdir()
    rows = next((tmp_path / "study").rglob("*.jsonl")).read_bytes()
    (tmp_path / "data" / "patients.jsonl").write_bytes(rows)
    personal = tmp_path / "home" / "participants" / "do1@a.example"
    personal.mkdir(parents=True, mode=0o700)
    (tmp_path / "home").chmod(0o700)
    (personal / "policy.toml").write_text("[tool.syft_flwr.policy.egress]\nmetrics = ['num-examples']\n")
    (personal / "policy.toml").chmod(0o600)
    words = ("rehearse", "study", "--email", "do1@a.example", "--data", "data")
    answer = shell.run(*words, "--json", **ENTERED)
    done = json.loads(answer.out)["data"]
    assert [record.get("withheld") for record in done["egress"]][:1] == ["egress-metrics"], (done, answer.err)
    assert {"path": "patients.jsonl", "bytes": len(rows)} in done["files"]


def test_the_stand_in_for_the_aggregator_reaches_nothing(tmp_path: Path) -> None:
    """The ServerApp was approved by nobody: on the owner's machine it is in a sandbox, too."""
    shell = made(tmp_path, "numpy")
    (tmp_path / "secret").write_text("of the data owner")
    server = tmp_path / "study" / "study" / "server_app.py"
    server.write_text(
        f"try:\n    found = open({str(tmp_path / 'secret')!r}).read()\n"
        "except OSError as error:\n    found = type(error).__name__\n"
        "raise RuntimeError('the ServerApp found: ' + found)\n" + server.read_text()
    )
    answer = shell.run("rehearse", "study", "--email", "do1@a.example", "--json", **ENTERED)
    assert answer.code == 1
    problem = json.loads(answer.out)["data"]["problem"]
    assert "the ServerApp found: " in problem and "of the data owner" not in problem


def test_who_is_no_data_owner_rehearses_nothing(tmp_path: Path) -> None:
    shell = made(tmp_path, "numpy")
    answer = shell.run("rehearse", "study", "--email", "stranger@x.example", **ENTERED)
    assert answer.code == 2
    assert "no data owner" in answer.err


@pytest.mark.full
def test_join_rehearses_before_the_decision_and_sends_nothing_of_it(tmp_path: Path) -> None:
    shell = made(tmp_path, "tabular")
    root = ("--root", str(tmp_path / "root"))
    do1 = Shell(tmp_path, tmp_path / "home-of-do1")
    asked = ("join", "ds@lab.example", "--email", "do1@a.example", *root, "--json")
    assert do1.run(*asked, "--wait", "1s").code == 13, (
        "it has said which keys it has, and nothing is offered yet"
    )
    offered = shell.run("share", "study", *root, "--email", "ds@lab.example")
    assert offered.code == 0, offered.err
    said = do1.run(*asked, "--wait", "60s", "--mock", "--rehearse", "--approve", "--no-run", **ENTERED)
    assert said.code == 0, said.err
    data = json.loads(said.out)["data"]
    assert data["decision"] == "approve" and data["rehearsal"]["digest"] == data["digest"]
    assert [record for record in data["rehearsal"]["egress"] if "metrics" in record]
    assert not list((tmp_path / "root" / "do1@a.example").rglob("*.response"))


@pytest.mark.parametrize(
    ("wanted", "typed", "runs"),
    [(None, True, True), (None, False, False), (True, None, True), (False, None, False)],
)
def test_join_offers_a_rehearsal_to_a_person_and_takes_a_flag(
    wanted: bool | None, typed: bool | None, runs: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[rehearsal.RehearsalSetup] = []

    def rehearse(setup: rehearsal.RehearsalSetup) -> rehearsal.Rehearsal:
        ran.append(setup)
        return rehearsal.Rehearsal("a" * 64, "bwrap", (), (), 1.0, None, "", None)

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)

    def confirm(question: str, **_: object) -> bool:
        assert typed is not None, "nobody is asked who has said it"
        assert "with nothing sent" in question
        return typed

    monkeypatch.setattr(typer, "confirm", confirm)
    uses = join_steps.DataFlags(None, None, True, False)
    steps = join_steps.Steps(
        None, False, uses, False, False, None, "", None, True, Grants(), None, None, wanted
    )
    steps.asks = True
    chosen = SimpleNamespace(path=tmp_path)
    reviewed = SimpleNamespace(shown=SimpleNamespace(decided=None))
    settings = SimpleNamespace(email="do1@a.example")
    join_steps.rehearse_first(tmp_path, settings, SimpleNamespace(), reviewed, chosen, steps)  # type: ignore[arg-type]
    assert [setup.data for setup in ran] == ([tmp_path] if runs else [])
    assert (steps.rehearsed is not None) == runs
