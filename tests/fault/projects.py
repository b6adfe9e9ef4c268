"""Federated projects made of the modules in ``variants``."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fault.federation import AGGREGATOR, HERE, STEADY

PYPROJECT = """\
[project]
name = "variants"
version = "1.0.0"
license = "Apache-2.0"
requires-python = ">=3.11"
dependencies = ["flwr>=1.41", "numpy>=1.26"]

[tool.flwr.app]
publisher = "tests"

[tool.flwr.app.components]
serverapp = "variants.{name}_server:app"
clientapp = "variants.{client}_client:app"

[tool.flwr.app.config]
{config}

[tool.syft_flwr]
app_name = "{aggregator}_{name}_1700000000"
aggregator = "{aggregator}"
datasites = [{owners}]
transport = "local"
"""


def owners(count: int) -> tuple[str, ...]:
    """E-mails of data owners."""
    return tuple(f"do{number}@fault.example" for number in range(1, count + 1))


def make_project(
    place: Path, name: str, people: Sequence[str], config: Mapping[str, Any], client: str = ""
) -> Path:
    """A project below ``place`` whose apps are ``variants/{name}_server.py`` and its client."""
    project = place / "project"
    package = project / "variants"
    package.mkdir(parents=True)
    for part in ("__init__", f"{name}_server", f"{client or name}_client"):
        source = (
            STEADY / "steady" / "client_app.py"
            if part == "steady_client"
            else HERE / "variants" / f"{part}.py"
        )
        shutil.copy(source, package / f"{part}.py")
    values = "\n".join(f"{key} = {toml(value)}" for key, value in config.items())
    text = PYPROJECT.format(
        name=name,
        client=client or name,
        config=values,
        aggregator=AGGREGATOR,
        owners=", ".join(f'"{who}"' for who in people),
    )
    (project / "pyproject.toml").write_text(text)
    return project


def toml(value: Any) -> str:
    """A plain value as TOML has it."""
    return f'"{value}"' if isinstance(value, str) else str(value)
