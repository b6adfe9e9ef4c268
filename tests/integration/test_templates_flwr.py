"""Every template is a Flower project that Flower itself builds and runs, without anything of this package.

``flwr build`` runs for real. The built bundle is unpacked and its apps are run over a Grid in memory: what a
bundle leaves out (it carries no CSV, for one) is missing there as it would be under plain ``flwr run``.
"""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syft_flwr_cli.project.plan import apply
from syft_flwr_cli.project.scaffold import plan_init

WITHOUT_TORCH = ("numpy", "tabular", "analytics", "secagg")

IN_MEMORY = Path(__file__).with_name("in_memory.py")


def scaffolded(folder: Path, template: str) -> Path:
    plan = plan_init(
        folder / "study",
        template=template,
        aggregator="ds@lab.example",
        datasites=["do1@a.example", "do2@b.example"],
        transport="local",
        created=1_700_000_000,
    )
    apply(plan)
    return plan.folder


def built(project: Path, home: Path) -> Path:
    """The contents of the bundle that the real ``flwr build`` makes of ``project``."""
    program = Path(sysconfig.get_path("scripts")) / "flwr"
    done = subprocess.run(
        [program, "build", "--app", project],
        cwd=home,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "FLWR_HOME": str(home / ".flwr"), "FLWR_TELEMETRY_ENABLED": "0"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing" not in done.stdout + done.stderr
    (bundle,) = home.glob("*.fab")
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(home / "unpacked")
    return home / "unpacked"


def run_in_memory(project: Path, clients: int, **environ: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-B", IN_MEMORY, project, str(clients)],
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
        env={**{name: value for name, value in os.environ.items() if name != "DATA_DIR"}, **environ},
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def accuracies(result: dict[str, Any], clients: int) -> list[float]:
    """The mean accuracy of each round, weighted by examples."""
    came = [metrics for kind, metrics in result["metrics"] if kind == "evaluate"]
    rounds = [came[start : start + clients] for start in range(0, len(came), clients)]
    return [
        sum(one["accuracy"] * one["num-examples"] for one in each) / sum(one["num-examples"] for one in each)
        for each in rounds
    ]


@pytest.mark.parametrize("template", ["numpy", "tabular"])
def test_a_training_template_is_built_by_flower_and_learns(tmp_path: Path, template: str) -> None:
    bundle = built(scaffolded(tmp_path, template), tmp_path)
    found = accuracies(run_in_memory(bundle, 3), 3)
    assert len(found) >= 3
    assert found == sorted(found), f"accuracy does not rise: {found}"
    assert found[-1] > 0.85
    assert found[-1] - found[0] > 0.1
    assert accuracies(run_in_memory(bundle, 3), 3) == found, "two runs of one seed differ"


@pytest.mark.parametrize("template", ["numpy", "tabular"])
def test_every_row_of_the_mock_data_belongs_to_one_owner(tmp_path: Path, template: str) -> None:
    project = scaffolded(tmp_path, template)
    rows = len((next(project.rglob("*.jsonl"))).read_text().splitlines())
    for clients in (1, 4):
        first = run_in_memory(project, clients)["metrics"]
        used = [metrics["num-examples"] for kind, metrics in first[: 2 * clients]]
        assert sum(used) == rows


def test_the_analytics_template_is_built_by_flower_and_counts_right(tmp_path: Path) -> None:
    project = scaffolded(tmp_path, "analytics")
    result = run_in_memory(built(project, tmp_path), 3)
    rows = [json.loads(line) for line in next(project.rglob("*.jsonl")).read_text().splitlines()]
    radii = [row["radius"] for row in rows if row["malignant"] == 1]
    state = result["state"]["radius/1"]
    assert state["count"] == len(radii)
    assert state["mean"] == pytest.approx(sum(radii) / len(radii))
    assert {kind for kind, _ in result["metrics"]} == {"query.moments", "query.histogram"}


def test_no_answer_of_the_analytics_template_is_about_a_few_rows(tmp_path: Path) -> None:
    project = scaffolded(tmp_path, "analytics")
    answers = run_in_memory(project, 20)["metrics"]
    for kind, metrics in answers:
        for name, values in metrics.items():
            if name == "num-examples":
                continue
            counts = values[:1] if kind == "query.moments" else values
            assert all(count == 0 or count >= 5 for count in counts), f"{kind} {name}: {values}"
    assert any(metrics["radius/0"] != [0.0] * 3 for kind, metrics in answers if kind == "query.moments")


def test_a_data_owners_own_folder_comes_before_the_mock_data(tmp_path: Path) -> None:
    project = scaffolded(tmp_path, "tabular")
    rows = [json.loads(line) for line in next(project.rglob("*.jsonl")).read_text().splitlines()][:40]
    data = tmp_path / "data"
    data.mkdir()
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    (data / "rows.csv").write_text("\n".join(lines) + "\n")
    metrics = run_in_memory(project, 1, DATA_DIR=str(data))["metrics"]
    assert [one["num-examples"] for _, one in metrics[:2]] == [30, 10]


@pytest.mark.parametrize("template", WITHOUT_TORCH)
def test_without_rows_the_error_says_what_to_put_where(tmp_path: Path, template: str) -> None:
    project = scaffolded(tmp_path, template)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssertionError, match=r"FileNotFoundError: no .* in .*empty: put \*\."):
        run_in_memory(project, 2, DATA_DIR=str(tmp_path / "empty"))


def test_the_pytorch_template_is_built_by_flower(tmp_path: Path) -> None:
    bundle = built(scaffolded(tmp_path, "pytorch"), tmp_path)
    assert (bundle / "study" / "mock_data" / "digits.jsonl").is_file()


def test_the_pytorch_template_learns_where_there_is_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = accuracies(run_in_memory(scaffolded(tmp_path, "pytorch"), 3), 3)
    assert found == sorted(found)
    assert found[-1] > 0.85


def test_secure_aggregation_averages_as_the_plain_template_does(tmp_path: Path) -> None:
    models = []
    for template in ("tabular", "secagg"):
        place = tmp_path / template
        place.mkdir()
        run_in_memory(built(scaffolded(place, template), place), 3, RESULTS_DIR=str(place))
        with np.load(place / "model.npz") as saved:
            models.append(np.concatenate([saved["weights"], saved["bias"]]))
    plain, masked = models
    assert np.abs(plain).max() > 0.5
    np.testing.assert_allclose(masked, plain, atol=0.01)


@pytest.mark.parametrize("template", ["numpy", "tabular"])
def test_a_template_keeps_its_model_where_it_was_told(tmp_path: Path, template: str) -> None:
    project = scaffolded(tmp_path, template)
    run_in_memory(project, 2, RESULTS_DIR=str(tmp_path))
    with np.load(tmp_path / "model.npz") as saved:
        assert saved.files


def test_the_xgboost_template_is_built_by_flower(tmp_path: Path) -> None:
    bundle = built(scaffolded(tmp_path, "xgboost"), tmp_path)
    assert (bundle / "study" / "mock_data" / "tumours.jsonl").is_file()


@pytest.mark.full
def test_the_xgboost_template_learns_where_there_is_xgboost(tmp_path: Path) -> None:
    pytest.importorskip("xgboost", reason="xgboost is not installed: pip install xgboost")
    project = scaffolded(tmp_path, "xgboost")
    found = accuracies(run_in_memory(project, 3, RESULTS_DIR=str(tmp_path)), 3)
    assert found[-1] > 0.88 and found[-1] >= found[0]
    model = json.loads((tmp_path / "model.json").read_text())
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    assert len(trees) == 3 * 5, "every owner adds a tree in each of five rounds"
