"""Apps in the styles of Flower's documentation come to the same here as in one process of Flower's own classes.

The same calls, message types and recipients in the same order, equal metrics, and models equal by `np.array_equal`.
What an app prints and leaves behind is in the places where it belongs. ``make test-apps`` runs all of them; a sample
is part of ``make test``.
"""

from pathlib import Path

import pytest
from matrix import APPS, in_one_process, project, same, simulated


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if app.sample else [pytest.mark.full]) for name, app in APPS.items()],
)
def test_an_app_comes_to_what_it_comes_to_under_flower(name: str, tmp_path: Path) -> None:
    app = APPS[name]
    folder = project(tmp_path, app)
    theirs, ours = tmp_path / "theirs.npz", tmp_path / "ours.npz"
    in_one_process(folder, app.nodes, theirs)
    data, said = simulated(folder, app.nodes, ours)
    same(theirs, ours, exact=app.exact)
    kept = Path(data["results"])
    files = {str(path.relative_to(kept)).partition("/")[2] for path in kept.rglob("*.txt")}
    assert files == {"outputs/log.txt", "marker.txt"}
    assert not (folder / "outputs").exists() and "a result of" in said
