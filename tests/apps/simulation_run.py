"""Run a Flower project in Flower's Simulation Runtime: ``simulation_run.py PROJECT NODES RUN-CONFIG-AS-JSON``.

Made to be the same each time: the nodes have the numbers 100, 101 and so on in the order of their partitions, and the
app is told of them when all are there. Nothing of this package is loaded. Needs ``flwr[simulation]``.
"""

import importlib
import itertools
import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from flwr.app import Context, RecordDict
from flwr.common.config import flatten_dict
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.server.superlink.linkstate import in_memory_linkstate

# The package has a function of the same name.
runtime = importlib.import_module("flwr.simulation.run_simulation")
folder, count = Path(sys.argv[1]), int(sys.argv[2])
about = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
config = {**flatten_dict(about.get("config", {})), **json.loads(sys.argv[3])}

numbers = itertools.count(100)
vars(in_memory_linkstate)["generate_rand_int_from_bytes"] = lambda *_, **__: next(numbers)
InMemoryGrid = vars(runtime)["InMemoryGrid"]
ask = InMemoryGrid.get_node_ids


def all_of_them(grid: Any) -> list[int]:
    while len(found := list(ask(grid))) < count:
        time.sleep(0.05)
    return sorted(found)


InMemoryGrid.get_node_ids = all_of_them  # type: ignore[method-assign]

vars(runtime)["_run_simulation"](
    num_supernodes=count,
    exit_event=vars(runtime)["EventType"].PYTHON_API_RUN_SIMULATION_LEAVE,
    client_app_attr=about["components"]["clientapp"],
    server_app_attr=about["components"]["serverapp"],
    server_app_context=Context(
        run_id=5, node_id=SUPERLINK_NODE_ID, node_config={}, state=RecordDict(), run_config=config
    ),
    app_dir=str(folder),
    backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": {"num_cpus": 2}},
)
assert "syft_flwr_cli" not in sys.modules, "the app needs this package to run"
