"""From an app bundle to the project that runs: the tree that was approved where there is one, else a new one.

An FAB is a subset of a project's folder with a rewritten ``pyproject.toml``. Where a project that was offered holds
every file of the bundle, byte for byte, and its ``pyproject.toml`` says the same, that project is what runs: nobody is
asked again, and what runs is exactly what was approved. Anything else is a project of its own, federated here
and offered. The bundle's own digest is recorded beside the project's.
"""

import itertools
import re
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.catalogue.bundle import unpack
from syft_flwr_cli.consent.manifest import make_manifest
from syft_flwr_cli.errors import SyftFlwrError, UsageError
from syft_flwr_cli.flower.control_api.fab import CONFIG, Fab
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.project.federate import federate
from syft_flwr_cli.protocol.names import app_name
from syft_flwr_cli.services.federation import Federation
from syft_flwr_cli.services.offers import Standing, offered, restore_tree, share
from syft_flwr_cli.storage.paths import make_private_dir, write_private

__all__ = ["Prepared", "differences", "prepare"]

INFO = ".info/"
"""Where an FAB keeps what Flower wrote about it; it is no part of the project."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The project of a submission: its folder, its digest, whom it was offered to now."""

    project: Project
    digest: str
    asked: tuple[str, ...]


def differences(folder: Path, fab: Fab) -> list[str]:
    """How a project's folder differs from a bundle of it, as sentences; empty if the bundle is of this project.

    Files that only the folder has are no difference: a bundle leaves out what Flower does not need.
    """
    found = []
    for path, content in sorted(fab.files.items()):
        if path == CONFIG or path.startswith(INFO):
            continue
        place = folder / path
        if not place.is_file():
            found.append(f"{path} is not in the project")
        elif place.read_bytes() != content:
            found.append(f"{path} is another")
    ours = tomllib.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if _meaning(ours) != _meaning(fab.config):
        found.append(f"{CONFIG} says something else")
    return found


def prepare(
    federation: Federation, fab: Fab, datasites: Sequence[str], directory: Path, note: str
) -> Prepared:
    """The project that a bundle stands for, offered to its data owners if it is new.

    Parameters
    ----------
    federation : Federation
        The aggregator's.
    fab : Fab
        The bundle.
    datasites : sequence of str
        The data owners of the federation that it was submitted to.
    directory : Path
        Where trees are kept.
    note : str
        What the data owners read with an offer: who submitted it.

    Raises
    ------
    SyftFlwrError
        If it cannot be made a project, or be offered.
    """
    known = _offered_tree(federation, fab, datasites, directory)
    if known is not None:
        return known
    folder = _new_tree(federation, fab, datasites, directory)
    project = load_project(folder)
    shared = share(federation, project, None, note)
    return Prepared(project, shared.offer.digest, (*shared.sent, *shared.waiting))


def _offered_tree(
    federation: Federation, fab: Fab, datasites: Sequence[str], directory: Path
) -> Prepared | None:
    for found in offered(federation.store, time.time()):
        if found.offer.project != fab.config["project"]["name"] or found.offer.tree is None:
            continue
        if set(found.offer.datasites) != set(datasites):
            continue
        folder = _kept(federation, found, directory)
        if folder is not None and not differences(folder, fab):
            project = load_project(folder)
            restore_tree(federation, project, found)
            return Prepared(project, found.offer.digest, ())
    return None


def _kept(federation: Federation, found: Standing, directory: Path) -> Path | None:
    """The tree of an offer of ours, taken from what we have published."""
    folder = directory / found.offer.digest
    if folder.exists() or found.offer.tree is None:
        return folder if folder.exists() else None
    content = federation.mailbox.read_payload(federation.email, found.offer.tree)
    if content is None:
        return None
    unpack(content, found.offer.digest, folder)
    return folder


def _new_tree(federation: Federation, fab: Fab, datasites: Sequence[str], directory: Path) -> Path:
    scratch = make_private_dir(directory / f".new-{fab.digest[:16]}")
    files = {path: content for path, content in fab.files.items() if not path.startswith(INFO)}
    files[CONFIG] = _federated(federation, fab, datasites).encode()
    for path, content in files.items():
        place = scratch / path
        place.parent.mkdir(parents=True, exist_ok=True)
        write_private(place, content)
    digest = make_manifest(scratch).digest
    folder = directory / digest
    if folder.exists():
        return folder
    return scratch.rename(folder)


def _federated(federation: Federation, fab: Fab, datasites: Sequence[str]) -> str:
    text = fab.files[CONFIG].decode()
    name = str(fab.config["project"]["name"])
    offers = [one.offer for one in offered(federation.store, time.time())]
    # Each set of data owners has an app of its own: an offer to one is no new version for another.
    others = {one.app_name for one in offers if set(one.datasites) != set(datasites)}
    before = [one.app_name for one in offers if one.project == name and one.app_name not in others]
    given = _table(fab.config).get("app_name")
    if isinstance(given, str) and given.startswith(f"{federation.email}_") and given not in others:
        app = given
    elif before:
        app = before[0]
    else:
        now = int(time.time())
        app = next(
            fresh
            for number in itertools.count(now)
            if (fresh := app_name(federation.email, name, number)) not in others
        )
    try:
        return federate(
            text,
            app_name=app,
            aggregator=federation.email,
            datasites=datasites,
            transport=federation.session.settings.transport,
            dependency="flwr",
        )
    except SyftFlwrError as error:
        raise UsageError(f"{name} cannot be federated: {error.what}", hint=error.hint) from error


def _table(config: Mapping[str, Any]) -> Mapping[str, Any]:
    table = config.get("tool", {}).get("syft_flwr", {})
    return table if isinstance(table, Mapping) else {}


def _meaning(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a ``pyproject.toml`` says of the app: all of it but what federating adds, and Flower's own additions."""
    tool = {key: value for key, value in config.get("tool", {}).items() if key != "syft_flwr"}
    flwr = {key: value for key, value in tool.get("flwr", {}).items() if key != "federations"}
    app = {
        key: value for key, value in flwr.get("app", {}).items() if not re.match(r"(fab|flwr-version)", key)
    }
    project = dict(config.get("project", {}))
    needed = [
        line for line in project.get("dependencies", []) if not re.match(r"(syft-flwr-cli|flwr)\b", line)
    ]
    return {
        **config,
        "project": {**project, "dependencies": needed},
        "tool": {**tool, "flwr": {**flwr, "app": app}},
    }
