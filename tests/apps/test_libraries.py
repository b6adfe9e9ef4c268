"""Apps with scikit-learn, PyTorch, XGBoost and pandas come to the same bits in a cage, without one, and in Flower."""

from pathlib import Path

import pytest
from environments import LIBRARIES, interpreter
from matrix import App, in_one_process, project, same, simulated

from syft_flwr_cli.execution.sandbox.capabilities import capabilities

CAGES = [one.kind for one in capabilities() if one.works and one.kind != "none"]


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("library", ["sklearn", "torch", "xgboost", "pandas"])
def test_an_app_trains_in_every_cage_as_without_one_and_as_in_flower(library: str, tmp_path: Path) -> None:
    python = interpreter("apps", LIBRARIES)
    app = App(f"libraries:{library}_server", f"libraries:{library}_client")
    folder = project(tmp_path, app)
    in_one_process(folder, app.nodes, tmp_path / "flower.npz", python=str(python))
    for kind in ("none", *CAGES):
        file = tmp_path / f"{kind}.npz"
        words = ("--python", str(python), "--no-data", "--sandbox", kind)
        data, _ = simulated(folder, app.nodes, file, words)
        same(tmp_path / "flower.npz", file)
        assert data["rounds"][-1]["phases"]["train"]["answered"] == 2
    assert CAGES, "there is no sandbox on this machine to try it in"
