"""For all tests: ``tests/doubles`` can be imported, because pytest puts this folder on the path."""

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Silence what a stand-in's recursive watch makes watchdog warn of; our own watches are flat."""
    # Many apps of the tests keep a diary in their data folder, which no sandbox allows. Those that are about
    # sandboxes say which, and the smoke test and the templates take the default.
    os.environ.setdefault("SYFT_FLWR_SANDBOX", "none")
    config.addinivalue_line("filterwarnings", "ignore:Callback with id:RuntimeWarning")
