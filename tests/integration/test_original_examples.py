"""Projects in the style of the original's two examples run after their import lines are changed, and nothing else."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from participants import APPS, Federate, Federation, Process


@pytest.fixture
def moved(federated: Federate, tmp_path: Path) -> dict[str, Federation]:
    made = {}
    for name in ("original-training", "original-analytics"):
        federation = made[name] = federated(name)
        shutil.copy(APPS / name / "main.py", federation.project / "main.py")
        for number, email in enumerate(federation.owners):
            rng = np.random.default_rng(number)
            rows = rng.normal(size=(20 + 10 * number, 3))
            table = np.column_stack([rows, rows @ np.array([1.0, 2.0, 3.0])])
            np.savetxt(federation.data(email) / "train.csv", table, delimiter=",")
        federation.approve(*federation.owners)
    return made


def start(federation: Federation, email: str) -> Process:
    return federation.start(
        [sys.executable, "main.py"],
        email,
        folder=federation.project,
        SYFTBOX_EMAIL=email,
        SYFT_FLWR_ROOT=str(federation.root),
        **({"DATA_DIR": str(federation.data(email))} if email in federation.owners else {}),
    )


def results(federation: Federation) -> Path:
    (found,) = federation.home(federation.aggregator).glob("participants/*/apps/*/results/*")
    return found


def test_both_examples_run_by_their_own_main(moved: dict[str, Federation]) -> None:
    for name, federation in moved.items():
        processes = [start(federation, email) for email in (*federation.owners, federation.aggregator)]
        for process in processes:
            process.wait(0)
        before = {path.name for path in federation.project.iterdir()}
        assert "weights" not in before and "means.json" not in before, "the project is as it was"
        place = results(federation)
        if name == "original-training":
            files = sorted(path.name for path in (place / "weights").iterdir())
            assert files == [f"parameters_round_{n}.safetensors" for n in range(4)]
            data = (place / "weights" / files[-1]).read_bytes()
            size = int.from_bytes(data[:8], "little")
            entry = json.loads(data[8 : 8 + size])["0000"]
            model = np.frombuffer(data[8 + size :], np.float64)
            assert entry["shape"] == [3] and np.allclose(model, [1, 2, 3], atol=0.2)
        else:
            told = json.loads((place / "means.json").read_text())
            assert told["rows"] == 50 and len(told["means"]) == 4


def test_another_client_app_than_the_approved_one_is_refused(moved: dict[str, Federation]) -> None:
    federation = moved["original-training"]
    email = federation.owners[0]
    code = (
        "from pathlib import Path\n"
        "from flwr.app import Context, RecordDict\n"
        "from flwr.clientapp import ClientApp\n"
        "from syft_flwr_cli.compat.fl_orchestrator import syftbox_flwr_client\n"
        "context = Context(run_id=0, node_id=0, node_config={}, state=RecordDict(), run_config={})\n"
        f"syftbox_flwr_client(ClientApp(), context, {federation.app_name!r}, Path({str(federation.project)!r}))\n"
    )
    done = federation.start(
        [sys.executable, "-c", code],
        email,
        SYFTBOX_EMAIL=email,
        SYFT_FLWR_ROOT=str(federation.root),
    ).wait(1)
    assert "NotApprovedError" in done.err
    assert "is not the one that the project declares (original_training.client_app:app)" in done.err
