"""For all tests: ``tests/doubles`` can be imported, because pytest puts this folder on the path."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Silence what a stand-in's recursive watch makes watchdog warn of; our own watches are flat."""
    config.addinivalue_line("filterwarnings", "ignore:Callback with id:RuntimeWarning")
