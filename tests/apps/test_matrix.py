"""Apps in the styles of Flower's documentation come to the same here as in one process of Flower's own classes.

The same calls, message types and recipients in the same order, equal metrics, and models equal by `np.array_equal`.
What an app prints and leaves behind is in the places where it belongs. ``make test-apps`` runs all of them; a sample
is part of ``make test``.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

PROGRAMS = Path(__file__).with_name("programs")
REFERENCE = Path(__file__).parents[1] / "integration" / "reference_run.py"


class App(NamedTuple):
    """A style: its ServerApp, its ClientApp, run config, nodes, and whether it is in the sample."""

    server: str
    client: str
    config: Mapping[str, Any] = MappingProxyType({})
    nodes: int = 2
    sample: bool = False
    exact: bool = True


def strategy(name: str, client: str = "client", *, dp: str = "", nodes: int = 2, sample: bool = False) -> App:
    return App("message_api:server", f"message_api:{client}", {"strategy": name, "dp": dp}, nodes, sample)


APPS = {
    "fedavg": strategy("FedAvg", sample=True),
    "fedadagrad": strategy("FedAdagrad"),
    "fedadam": strategy("FedAdam"),
    "fedyogi": strategy("FedYogi"),
    "fedavgm": strategy("FedAvgM"),
    "fedmedian": strategy("FedMedian", nodes=3),
    "fedtrimmedavg": strategy("FedTrimmedAvg", nodes=5),
    "fedprox": strategy("FedProx"),
    "krum": strategy("Krum", nodes=3),
    "custom-strategy": strategy("Halved"),
    "dp-at-the-server": strategy("FedAvg", dp="server"),
    "dp-at-the-clients": strategy("FedAvg", "clipped", dp="clients"),
    "analytics": App("by_hand:analytics", "by_hand:client"),
    "vertical": App("by_hand:vertical", "by_hand:client", sample=True),
    "push-and-pull": App("by_hand:loop", "by_hand:client"),
    "legacy": App("legacy:server", "legacy:client"),
    "custom-server": App("legacy:custom", "legacy:client"),
    # Masks are drawn from the system's own randomness and cancel to rounding in a quantised sum.
    "secagg": App("legacy:secagg", "legacy:masked", nodes=3, exact=False),
}


def project(place: Path, app: App) -> Path:
    """The app as a user has it: made like ``flwr new``, with packages = ["."]."""
    folder = place / "study"
    shutil.copytree(PROGRAMS, folder / "study", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "study" / "__init__.py").write_text('"""An app."""\n')
    lines = [f"{key} = {json.dumps(value)}" for key, value in {**app.config, "save-to": ""}.items()]
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
        '[project]\nname = "study"\nversion = "1.0.0"\ndependencies = ["flwr>=1.40", "numpy"]\n\n'
        '[tool.hatch.build.targets.wheel]\npackages = ["."]\n\n[tool.flwr.app]\npublisher = "tests"\n\n'
        f'[tool.flwr.app.components]\nserverapp = "study.{app.server}"\nclientapp = "study.{app.client}"\n\n'
        "[tool.flwr.app.config]\n" + "\n".join(lines) + '\n\n[tool.flwr.federations]\ndefault = "local"\n'
    )
    return folder


def result(file: Path) -> tuple[Any, list[Any]]:
    with np.load(file) as found:
        return json.loads(str(found["told"])), [found[name] for name in found.files if name != "told"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if app.sample else [pytest.mark.full]) for name, app in APPS.items()],
)
def test_an_app_comes_to_what_it_comes_to_under_flower(name: str, tmp_path: Path) -> None:
    app = APPS[name]
    folder = project(tmp_path, app)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("SYFT", "DATA_DIR", "FLWR"))
    }
    environment |= {
        "SYFT_FLWR_HOME": str(tmp_path / "home"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "HOME": str(tmp_path),
    }
    theirs, ours = tmp_path / "theirs.npz", tmp_path / "ours.npz"
    words = [
        sys.executable,
        str(REFERENCE),
        str(folder),
        str(app.nodes),
        json.dumps({"save-to": str(theirs)}),
    ]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    words = [
        sys.executable,
        "-m",
        "syft_flwr_cli",
        "simulate",
        str(folder),
        "--datasites",
        str(app.nodes),
        "--json",
    ]
    words += ["--run-config", f'save-to="{ours}"']
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "ok" and document["data"]["missing"] == []
    (their_told, their_arrays), (our_told, our_arrays) = result(theirs), result(ours)
    assert our_told["calls"] == their_told["calls"]
    if app.exact:
        assert our_told["told"] == their_told["told"]
        assert len(our_arrays) == len(their_arrays)
        assert all(np.array_equal(a, b) for a, b in zip(our_arrays, their_arrays, strict=True))
    else:
        assert all(np.allclose(a, b, atol=1e-3) for a, b in zip(our_arrays, their_arrays, strict=True))
    kept = Path(document["data"]["results"])
    files = {str(path.relative_to(kept)).partition("/")[2] for path in kept.rglob("*.txt")}
    assert files == {"outputs/log.txt", "marker.txt"}
    assert not (folder / "outputs").exists() and "a result of" in done.stderr
