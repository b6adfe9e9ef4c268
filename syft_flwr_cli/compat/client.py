"""A data owner's side for programs of the original: the same gate as ``run-client``, and the same worker.

The program gives a ClientApp as an object. What runs is the approved copy of the project's declared ClientApp, in a
process of its own; an object that is not the declared one is refused, because nobody has approved it.
"""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syft_flwr_cli.errors import NotApprovedError, NotAProjectError, UsageError
from syft_flwr_cli.events import Event
from syft_flwr_cli.node import node
from syft_flwr_cli.project.config import Project, load_project, require_federated
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.services import owner_app
from syft_flwr_cli.services.data_choice import choose_data
from syft_flwr_cli.storage.paths import home as default_home

if TYPE_CHECKING:
    from flwr.app import Context
    from flwr.clientapp import ClientApp

__all__ = ["run_client", "syftbox_flwr_client"]

log = logging.getLogger("syft_flwr")


def syftbox_flwr_client(
    client_app: "ClientApp",
    context: "Context",
    app_name: str,
    project_dir: Path | None = None,
    *,
    aggregator: str | None = None,
) -> None:
    """Run a project's approved ClientApp for this data owner until the aggregator ends the run.

    Parameters
    ----------
    client_app : ClientApp
        The app that the project declares, imported from it; another one is refused.
    context : Context
        Its node config and run config are added to the app's.
    app_name : str
        The app; a leading ``flwr/`` is dropped.
    project_dir : Path, optional
        The project; the folder that the program runs in if None.
    aggregator : str, optional
        The aggregator, which must be the project's.

    Raises
    ------
    NotApprovedError
        If this data owner has not approved the project as it is, or another object is given.
    """
    try:
        project = require_federated(load_project(project_dir or Path.cwd()))
    except NotAProjectError as error:
        raise NotAProjectError(
            f"A data owner runs only code that they have approved, so the project must be known: {error.what}",
            hint="Give it with project_dir=…, and approve it with: syft-flwr review",
        ) from error
    wanted = app_name.removeprefix("flwr/")
    if project.app_name != wanted or aggregator not in (None, project.aggregator):
        raise UsageError(
            f"{project.path} is the app {project.app_name} of {project.aggregator}, not {wanted}.",
            hint="Give the folder of the right project with project_dir=….",
        )
    _check_declared(client_app, project)
    run_client(project.path, node_config=context.node_config, run_config=context.run_config)


def _check_declared(client_app: object, project: Project) -> None:
    module, _, attribute = project.clientapp.partition(":")
    declared: Any = sys.modules.get(module)
    for name in attribute.split("."):
        declared = getattr(declared, name, None)
    if declared is not client_app:
        raise NotApprovedError(
            f"The ClientApp that this program gives is not the one that the project declares ({project.clientapp}), "
            "and a data owner runs only what they have approved.",
            hint=f"Import it from the project ('from {module} import {attribute}') and give that; or declare another "
            "'clientapp' in pyproject.toml, and have it approved with: syft-flwr review",
        )


def run_client(
    project_dir: Path,
    *,
    node_config: Mapping[str, Any] | None = None,
    run_config: Mapping[str, Any] | None = None,
) -> None:
    """Run a project's approved ClientApp, as ``run-client`` does with nothing but the project.

    Raises
    ------
    NotApprovedError
        If this data owner has not approved the project as it is.
    """
    found, here = require_federated(load_project(project_dir)), default_home()
    settings = resolve(found, home=here, role="data owner")
    options = owner_app.AppOptions(node_config=dict(node_config or {}), run_config=dict(run_config or {}))
    app = owner_app.prepare_app(here, found, settings, choose_data(settings, here), options)
    opened = owner_app.open_app(app, here, emit=_log_event)
    session, checks = opened.session, opened.gate
    try:
        result = node.run_node(session, opened.runner, app.options, checks, checks.over, checks.hold)
        node.told(session, result)
        if checks.closed is not None:
            raise checks.closed
    finally:
        session.close()


def _log_event(event: Event) -> None:
    log.info("%s", " ".join(f"{key}={value}" for key, value in event.facts().items()))
