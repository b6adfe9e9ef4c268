"""The apps of the matrix: how each is made a project, run by this tool, and run in one process of Flower's classes.

What a run came to is in the file that its run config names: what was told, the calls, and the arrays.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

__all__ = ["APPS", "App", "clean_environment", "in_one_process", "project", "result", "same", "simulated"]

PROGRAMS = Path(__file__).with_name("programs")
REFERENCE = Path(__file__).parents[1] / "integration" / "reference_run.py"


class App(NamedTuple):
    """A style: its ServerApp, its ClientApp, run config, nodes, and whether it is in the sample.

    ``exact`` is whether equal runs give equal bits, and ``ordered`` whether Flower adds up in an order of its own.
    """

    server: str
    client: str
    config: Mapping[str, Any] = MappingProxyType({})
    nodes: int = 2
    sample: bool = False
    exact: bool = True
    ordered: bool = True


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
    # The legacy API adds up replies in the order in which they come, except here.
    "legacy": App("legacy:server", "legacy:client", ordered=False),
    "custom-server": App("legacy:custom", "legacy:client", ordered=False),
    # Masks are drawn from the system's own randomness and cancel to rounding in a quantised sum.
    "secagg": App("legacy:secagg", "legacy:masked", nodes=3, exact=False, ordered=False),
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
    """What was told, with the calls, and the arrays."""
    with np.load(file) as found:
        return json.loads(str(found["told"])), [found[name] for name in found.files if name != "told"]


def same(
    theirs: Path, ours: Path, *, exact: bool = True, tolerance: float = 1e-3, sampled: bool = False
) -> None:
    """Assert that two runs came to the same: the same calls, and equal numbers to the last bit if ``exact``.

    With ``sampled``, the nodes of one step may have been asked in another order.
    """
    (their_told, their_arrays), (our_told, our_arrays) = result(theirs), result(ours)
    calls = [_steps(told["calls"]) if sampled else told["calls"] for told in (their_told, our_told)]
    assert calls[1] == calls[0]
    assert len(our_arrays) == len(their_arrays)
    if exact:
        assert our_told["told"] == their_told["told"]
        assert all(np.array_equal(a, b) for a, b in zip(our_arrays, their_arrays, strict=True))
    else:
        assert all(np.allclose(a, b, atol=tolerance) for a, b in zip(our_arrays, their_arrays, strict=True))


def _steps(calls: list[list[Any]]) -> list[tuple[str, list[int]]]:
    return [
        (f"{call} {kind}", sorted(node for *_, node in step))
        for (call, kind), step in itertools.groupby(calls, key=lambda one: (one[0], one[1]))
    ]


def clean_environment(place: Path) -> dict[str, str]:
    """An environment that says nothing of the person whose tests these are."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SYFT", "DATA_DIR", "FLWR"))}
    own = {"SYFT_FLWR_HOME": str(place / "home"), "FLWR_TELEMETRY_ENABLED": "0", "HOME": str(place)}
    return {**kept, **own}


def in_one_process(
    folder: Path, nodes: int, file: Path, python: str = sys.executable, program: Path = REFERENCE
) -> None:
    """Run an app with Flower alone."""
    words = [python, str(program), str(folder), str(nodes), json.dumps({"save-to": str(file)})]
    done = subprocess.run(
        words,
        env=clean_environment(folder.parent),
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr


def simulated(folder: Path, nodes: int, file: Path, words: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """Run an app with this tool; the document's data, and what was said."""
    command = [
        sys.executable,
        "-m",
        "syft_flwr_cli",
        "simulate",
        str(folder),
        "--datasites",
        str(nodes),
        "--json",
    ]
    command += ["--run-config", f'save-to="{file}"', *words]
    done = subprocess.run(
        command,
        env=clean_environment(folder.parent),
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "ok" and document["data"]["missing"] == []
    return dict(document["data"]), done.stderr
