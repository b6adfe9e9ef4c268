"""The helpers that programs of the original call: data, e-mails, messages, TOML, and saved models."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict
from flwr.common import ndarrays_to_parameters
from flwr.supercore.task_identity import TaskIdentity

from syft_flwr_cli.compat import run_simulation, utils
from syft_flwr_cli.compat.config import load_flwr_pyproject, load_toml, write_toml
from syft_flwr_cli.compat.strategy import FedAvgWithModelSaving
from syft_flwr_cli.errors import NotAProjectError, UsageError

APP = Path(__file__).parents[2] / "integration" / "apps" / "averaging"


def test_run_syft_flwr_is_true_exactly_where_there_is_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA_DIR", raising=False)
    assert utils.run_syft_flwr() is False
    with pytest.raises(UsageError):
        utils.get_syftbox_dataset_path()
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert utils.run_syft_flwr() is True
    assert utils.get_syftbox_dataset_path() == tmp_path


@pytest.mark.parametrize(
    ("text", "ok"), [("do@a.example", True), ("do", False), ("a/b@c.example", False), ("", False)]
)
def test_datasites_are_e_mails(text: str, ok: bool) -> None:
    assert utils.is_valid_datasite(text) is ok
    assert bool(utils.EMAIL_REGEX.match(text)) is ok


def test_node_ids_are_those_of_the_grid() -> None:
    assert utils.str_to_int("DO@a.example") == utils.str_to_int("do@a.example") > 1


def test_messages_by_hand() -> None:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 5, 1, 1
    message = utils.create_flwr_message(RecordDict({"c": ConfigRecord({"a": 1})}), "query", 7, "g", ttl=9.0)
    assert (message.metadata.dst_node_id, message.metadata.group_id, message.metadata.ttl) == (7, "g", 9.0)
    assert not utils.check_reply_to_field(message.metadata)
    reply = utils.create_flwr_message(RecordDict(), "query", 1, "g", reply_to=message)
    assert reply.has_content()


def test_projects_and_toml(tmp_path: Path) -> None:
    assert load_flwr_pyproject(APP)["project"]["name"] == "averaging"
    (tmp_path / "pyproject.toml").write_text((APP / "pyproject.toml").read_text())
    with pytest.raises(NotAProjectError, match="no module"):
        load_flwr_pyproject(tmp_path)
    assert load_flwr_pyproject(tmp_path / "pyproject.toml", check_module=False)
    write_toml(tmp_path / "x.toml", {"a": {"b": [1, 2]}})
    assert load_toml(tmp_path / "x.toml") == {"a": {"b": [1, 2]}}
    with pytest.raises(NotAProjectError):
        run_simulation.validate_bootstraped_project(APP)
    with pytest.raises(NotAProjectError):
        run_simulation.run(APP, [])


def test_run_is_a_task_inside_a_running_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_simulation, "_simulated", lambda project, data: True)
    monkeypatch.setattr(run_simulation, "validate_bootstraped_project", lambda project: None)

    async def notebook() -> bool:
        task = run_simulation.run("study", ["a"])
        assert isinstance(task, asyncio.Task)
        return await task

    assert asyncio.run(notebook()) is True
    assert run_simulation.run("study", []) is True


def test_a_saved_model_is_a_safetensors_file(tmp_path: Path) -> None:
    strategy = FedAvgWithModelSaving(str(tmp_path / "models"), min_fit_clients=3)
    assert strategy.min_fit_clients == 3
    arrays = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array([True, False]),
        np.array(7, dtype=np.int64),
    ]
    assert strategy.evaluate(4, ndarrays_to_parameters(arrays)) is None
    data = (tmp_path / "models" / "parameters_round_4.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    assert size % 8 == 0
    header = json.loads(data[8 : 8 + size])
    kinds = {"F32": np.float32, "BOOL": np.bool_, "I64": np.int64}
    for array, entry in zip(arrays, header.values(), strict=True):
        first, last = (8 + size + offset for offset in entry["data_offsets"])
        back = np.frombuffer(data[first:last], kinds[entry["dtype"]]).reshape(entry["shape"])
        assert np.array_equal(back, array)
