"""An earlier version of syft-flwr, installed from this repository's history into an environment of its own."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

EARLIER = "4d37984"
"""The commit with whose participants today's must be able to finish a run."""

REPOSITORY = Path(__file__).parent.parent.parent
BUILD = REPOSITORY / "build" / f"earlier-{EARLIER}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only where they are asked for: the first time an environment is installed."""
    if "mixed" in (config.option.markexpr or ""):
        return
    here = Path(__file__).parent
    wanted = [item for item in items if here not in item.path.parents]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


@pytest.fixture(scope="session")
def earlier_python() -> Path:
    """The Python of an environment in which the earlier version is installed; made the first time."""
    python = BUILD / "venv" / "bin" / "python"
    if not (BUILD / "installed").exists():
        shutil.rmtree(BUILD, ignore_errors=True)
        BUILD.mkdir(parents=True)
        archived = subprocess.run(
            ["git", "archive", "--format=tar", f"--output={BUILD / 'source.tar'}", EARLIER],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert archived.returncode == 0, (
            f"commit {EARLIER} is not in this clone ({archived.stderr.strip()}); type: git fetch --unshallow"
        )
        with tarfile.open(BUILD / "source.tar") as archive:
            archive.extractall(BUILD / "source", filter="data")
        for command in (
            [sys.executable, "-m", "venv", str(BUILD / "venv")],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "./source"],
        ):
            subprocess.run(command, cwd=BUILD, check=True, timeout=1200)
        (BUILD / "installed").touch()
    return python
