"""What the ``main.py`` of the original calls, and the names that its module gives on."""

from os import PathLike
from pathlib import Path

from syft_flwr_cli.compat.client import run_client, syftbox_flwr_client
from syft_flwr_cli.compat.config import load_flwr_pyproject
from syft_flwr_cli.compat.run_simulation import run
from syft_flwr_cli.project.config import load_project, require_federated
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.session.session import open_session
from syft_flwr_cli.storage.paths import home

__all__ = [
    "load_flwr_pyproject",
    "run",
    "syftbox_flwr_client",
    "syftbox_flwr_server",
    "syftbox_run_flwr_client",
    "syftbox_run_flwr_server",
]


def syftbox_run_flwr_client(flower_project_dir: str | PathLike[str]) -> None:
    """Run the project's approved ClientApp for this data owner, as ``run-client`` does."""
    run_client(Path(flower_project_dir))


def syftbox_run_flwr_server(flower_project_dir: str | PathLike[str]) -> None:
    """Run the project's ServerApp, as ``run-server`` does.

    Raises
    ------
    SyftFlwrError
        If the run did not come to its end.
    """
    from syft_flwr_cli.aggregator import runs
    from syft_flwr_cli.consent.environment import find_interpreter
    from syft_flwr_cli.consent.manifest import make_manifest
    from syft_flwr_cli.flower import runtime

    found, here = require_federated(load_project(Path(flower_project_dir))), home()
    settings = resolve(found, home=here, role="aggregator")
    session = open_session(settings, here, fingerprints=found.fingerprints)
    options = runs.RunOptions(
        code=make_manifest(found.path).digest,
        dependencies=[str(line) for line in found.raw.get("project", {}).get("dependencies", [])],
        app=runs.AppInProject(found.path, found.serverapp, find_interpreter(found.path)),
    )
    context = runtime.make_context(0, runtime.SERVER_NODE_ID, runtime.fused_run_config(found.path, {}))
    try:
        result = runs.run_server_app(session, None, context, options)
        runs.told(session, result)
    finally:
        session.close()
    if result.error is not None:
        raise result.error


def syftbox_flwr_server(*args: object, **kwargs: object) -> object:
    """See `syft_flwr_cli.aggregator.runs.syftbox_flwr_server`."""
    from syft_flwr_cli.aggregator import runs

    return runs.syftbox_flwr_server(*args, **kwargs)  # type: ignore[arg-type]
