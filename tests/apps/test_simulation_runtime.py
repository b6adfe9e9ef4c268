"""The matrix beside Flower's Simulation Runtime: the same calls and numbers, to the last bit where it has an order."""

from pathlib import Path

import pytest
from environments import SIMULATION, interpreter
from matrix import APPS, in_one_process, project, same, simulated


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", APPS)
def test_an_app_comes_to_what_it_comes_to_in_the_simulation_runtime(name: str, tmp_path: Path) -> None:
    python = interpreter("simulation", SIMULATION)
    app = APPS[name]
    folder = project(tmp_path, app)
    theirs, ours = tmp_path / "theirs.npz", tmp_path / "ours.npz"
    program = Path(__file__).with_name("simulation_run.py")
    in_one_process(folder, app.nodes, theirs, python=str(python), program=program)
    simulated(folder, app.nodes, ours)
    # Strategies draw the order of nodes from `random`, from which the runtime's own threads draw as well.
    exact = app.exact and app.ordered
    same(theirs, ours, exact=exact, tolerance=1e-12 if app.exact else 1e-3, sampled=True)
