"""What strategies return is kept, for either of Flower's APIs, and what safetensors reads back is what was returned."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, MetricRecord
from flwr.common import ndarrays_to_parameters
from flwr.server.client_manager import SimpleClientManager
from flwr.server.server import Server
from flwr.serverapp.strategy import FedAvg
from safetensors import safe_open
from safetensors.numpy import load_file

from syft_flwr_cli.flower.model_keeper import Wanted, keeping, parse_keep_best
from syft_flwr_cli.flower.safetensors_file import write_safetensors

ACCURACY = {1: 0.5, 2: 0.9, 3: 0.7}


def weights(number: int) -> ArrayRecord:
    return ArrayRecord(
        {"w": Array(np.full((2, 3), float(number), dtype=np.float32)), "n": Array(np.array(number))}
    )


class OneByOne(FedAvg):
    """A strategy whose model is the number of its round; nobody is asked."""

    def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Any:
        return []

    configure_evaluate = configure_train

    def aggregate_train(self, server_round: int, replies: Any) -> Any:
        return weights(server_round), MetricRecord({"accuracy": 0.99})

    def aggregate_evaluate(self, server_round: int, replies: Any) -> Any:
        return MetricRecord({"accuracy": ACCURACY[server_round], "loss": 1 - ACCURACY[server_round]})


def started(**more: Any) -> Any:
    grid = SimpleNamespace(send_and_receive=lambda messages, timeout: [], get_node_ids=lambda: [])
    return OneByOne().start(grid=grid, initial_arrays=weights(0), num_rounds=3, **more)


def test_the_last_model_and_the_best_by_an_evaluated_metric_are_kept(tmp_path: Path) -> None:
    with keeping(tmp_path, model=True, best=Wanted("accuracy", True)):
        result = started()
    assert load_file(tmp_path / "model.safetensors")["w"].tolist() == result.arrays["w"].numpy().tolist()
    best = load_file(tmp_path / "best.safetensors")
    assert best["w"].tolist() == [[2.0] * 3] * 2 and best["n"].shape == ()
    assert json.loads((tmp_path / "best.json").read_text()) == {
        "metric": "accuracy",
        "value": 0.9,
        "round": 2,
    }
    with safe_open(tmp_path / "best.safetensors", "np") as file:
        assert file.metadata()["round"] == "2"
    assert "aggregate_train" not in vars(OneByOne()), "nothing is left behind"


def test_a_central_evaluation_counts_and_what_a_lower_value_is_better_for_is_chosen_so(
    tmp_path: Path,
) -> None:
    losses = {0: 0.0, 1: 3.0, 2: 2.0, 3: 1.0}
    with keeping(tmp_path, model=False, best=parse_keep_best("loss")):
        started(evaluate_fn=lambda number, arrays: MetricRecord({"loss": losses[number]}))
    assert json.loads((tmp_path / "best.json").read_text())["round"] == 3
    assert not (tmp_path / "model.safetensors").exists()


def test_a_second_strategy_of_an_app_does_not_overwrite_the_first(tmp_path: Path) -> None:
    with keeping(tmp_path, model=True, best=None):
        started()
        started()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model-2.safetensors", "model.safetensors"]


def test_the_legacy_api_is_watched_too(tmp_path: Path) -> None:
    from flwr.server.strategy import FedAvg as LegacyFedAvg

    class Rounds(Server):
        def fit_round(self, server_round: int, timeout: float | None) -> Any:
            return ndarrays_to_parameters([np.full(3, float(server_round))]), {}, ([], [])

        def evaluate_round(self, server_round: int, timeout: float | None) -> Any:
            return 1 - ACCURACY[server_round], {"accuracy": ACCURACY[server_round]}, ([], [])

    first = ndarrays_to_parameters([np.zeros(3)])
    server = Rounds(client_manager=SimpleClientManager(), strategy=LegacyFedAvg(initial_parameters=first))
    with keeping(tmp_path, model=True, best=parse_keep_best("accuracy")):
        server.fit(3, None)
    assert load_file(tmp_path / "model.safetensors")["0"].tolist() == [3.0] * 3
    assert load_file(tmp_path / "best.safetensors")["0"].tolist() == [2.0] * 3


def test_what_cannot_be_kept_is_said_and_ends_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with keeping(tmp_path / "gone", model=True, best=None):
        assert started().arrays is not None
    assert "model.safetensors is not kept" in capfd.readouterr().err


def test_arrays_of_every_type_are_read_back_and_others_are_refused(tmp_path: Path) -> None:
    names = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
    names += ["float16", "float32", "float64", "bool"]
    arrays: dict[str, Any] = {name: np.arange(6).reshape(2, 3).astype(name) for name in names}
    arrays |= {
        "empty": np.zeros((0, 4)),
        "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"),
    }
    write_safetensors(tmp_path / "all", {name: lambda one=array: one for name, array in arrays.items()}, {})
    found = load_file(tmp_path / "all")
    assert {name: one.tolist() for name, one in found.items()} == {n: a.tolist() for n, a in arrays.items()}
    with pytest.raises(ValueError, match="complex"):
        write_safetensors(tmp_path / "none", {"c": lambda: np.zeros(2, dtype=complex)}, {})
    assert [one.name for one in tmp_path.iterdir()] == ["all"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("accuracy", Wanted("accuracy", True)),
        ("val_loss", Wanted("val_loss", False)),
        ("s:min", Wanted("s", False)),
        ("loss:max", Wanted("loss", True)),
        ("a:b", Wanted("a:b", True)),
        ("", None),
        (" ", None),
    ],
)
def test_the_direction_of_a_metric(text: str, wanted: Wanted | None) -> None:
    assert parse_keep_best(text) == wanted
