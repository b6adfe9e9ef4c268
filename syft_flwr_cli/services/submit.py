"""Submitting a project to the service of this machine: offered as it is, and put into the queue.

The queue is a record that the service reads; it need not run at this moment. Prints nothing and asks nobody.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.aggregator.service.states import State
from syft_flwr_cli.aggregator.service.store import RunRecord, ServiceStore
from syft_flwr_cli.catalogue.bundle import pack, unpack
from syft_flwr_cli.consent.manifest import make_manifest
from syft_flwr_cli.consent.run_config import approved_config
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import Emit
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.project.settings import Settings
from syft_flwr_cli.services.federation import open_federation
from syft_flwr_cli.services.offers import share
from syft_flwr_cli.storage.locks import who_holds
from syft_flwr_cli.storage.paths import make_private_dir, participant_dir

__all__ = ["SubmittedRun", "submit_project"]


@dataclass(frozen=True, slots=True)
class SubmittedRun:
    """A run in the queue: its id, whom its project was offered to now, whether the service is there to start it."""

    run_id: int
    app_name: str
    digest: str
    asked: tuple[str, ...]
    is_served: bool


def submit_project(
    home: Path,
    settings: Settings,
    project: Project,
    run_config: Mapping[str, Any],
    user: str,
    *,
    priority: int = 0,
    emit: Emit,
) -> SubmittedRun:
    """Offer a project to its data owners, as its files are now, and put a run of it into the service's queue.

    Parameters
    ----------
    home, settings : Path, Settings
        The aggregator's.
    project : Project
        A federated one of this aggregator.
    run_config : mapping
        Values other than the project's.
    user : str
        Who submits it; the data owners read it.
    priority : int
        Higher ones are served first.
    emit : callable
        Hears what happens.

    Raises
    ------
    UsageError
        If there never was a service of this aggregator here, or the run config has no such key.
    """
    directory = participant_dir(home, settings.email) / "service"
    if not (directory / "service.sqlite3").exists():
        raise UsageError(
            f"There is no service of {settings.email} on this machine.",
            hint=f"Start one: syft-flwr serve --email {settings.email} --datasites {','.join(settings.datasites)}",
        )
    if unknown := sorted(set(run_config) - set(approved_config(project.raw))):
        raise UsageError(
            f"The app's run config has no {', '.join(unknown)[:300]}.",
            hint="Its keys stand in pyproject.toml under [tool.flwr.app.config].",
        )
    federation = open_federation(settings, home, emit=emit, fingerprints=project.fingerprints)
    try:
        shared = share(federation, project, None, f"submitted by {user}")
    finally:
        federation.close()
    digest = shared.offer.digest
    folder = make_private_dir(directory / "projects") / digest
    if not folder.exists():
        manifest = make_manifest(project.path)
        unpack(memoryview(pack(manifest, project.path)), digest, folder)
    store = ServiceStore(directory)
    try:
        added = store.add(_record(project, folder, digest, run_config, user, priority))
    finally:
        store.close()
    asked = (*shared.sent, *shared.waiting)
    is_served = who_holds(directory / "lock") is not None
    return SubmittedRun(added.run_id, added.app_name, digest, asked, is_served)


def _record(
    project: Project, folder: Path, digest: str, run_config: Mapping[str, Any], user: str, priority: int
) -> RunRecord:
    app = project.raw.get("tool", {}).get("flwr", {}).get("app", {})
    return RunRecord(
        run_id=secrets.randbits(62) | 1 << 61,
        place=0,
        project=folder,
        app_name=project.app_name or "",
        fab_id=f"{app.get('publisher', 'unknown')}/{project.name}",
        fab_version=project.version,
        fab_hash=digest,
        digest=digest,
        federation=f"@{(project.aggregator or '').partition('@')[0]}/files",
        user=user,
        run_config=run_config,
        priority=priority,
        state=State.QUEUED,
        detail="",
        submitted=time.time(),
    )
