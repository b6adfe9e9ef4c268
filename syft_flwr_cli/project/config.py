"""A Flower project's ``pyproject.toml``: what this system reads from it, and the one change it makes to it.

Reading promises checked values or a `NotAProjectError` that says what to do. Writing is a pure function
from text to text that touches ``[tool.syft_flwr]`` and one entry of the dependencies and leaves every
other byte where it was. It does not know Flower (only the names of its tables), nor what differs from
machine to machine: nothing of that kind is ever written into a project.
"""

import re
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import NotAProjectError, UsageError
from syft_flwr_cli.project.duration import parse_duration
from syft_flwr_cli.project.enough import Enough, parse_enough
from syft_flwr_cli.protocol.names import check_app_name, check_email
from syft_flwr_cli.transports.registry import check_transport

__all__ = [
    "Project",
    "check_participants",
    "load_project",
    "require_federated",
    "split_emails",
]

_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Project:
    """A Flower project on disk; the federated part is None or empty until `bootstrap` wrote it.

    ``timeout`` and ``retention`` are in seconds. ``fingerprints`` maps an e-mail to the hex fingerprint
    (64 digits) that the project expects of it. ``raw`` is the whole file as parsed.
    """

    path: Path
    name: str
    version: str
    app_name: str | None
    aggregator: str | None
    datasites: tuple[str, ...]
    transport: str | None
    serverapp: str
    clientapp: str
    raw: Mapping[str, Any] = field(repr=False)
    timeout: float | None = None
    enough: Enough | None = None
    grace: float | None = None
    retention: float | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)


def split_emails(text: str | None) -> tuple[str, ...]:
    """Return the e-mails of a comma-separated list as they stand; none of None."""
    return tuple(item.strip() for item in (text or "").split(",") if item.strip())


def check_participants(
    aggregator: str | None, datasites: Sequence[str]
) -> tuple[str | None, tuple[str, ...]]:
    """Return both, lower-cased and without repetitions, in the order given.

    Raises
    ------
    UsageError
        If an e-mail cannot name a participant, or the aggregator is also a data owner: one e-mail is one
        identity, one outbox and one node, and cannot be on both sides of the same run.
    """
    center = None if aggregator is None else check_email(aggregator)
    owners = tuple(dict.fromkeys(check_email(email) for email in datasites))
    if center is not None and center in owners:
        raise UsageError(
            f"{center} is given as the aggregator and as a data owner.",
            hint="Give the aggregator an e-mail of its own, or leave it out of --datasites.",
        )
    return center, owners


def load_project(path: Path) -> Project:
    """Read the project in the folder ``path`` (its ``pyproject.toml`` may be named as well).

    Raises
    ------
    NotAProjectError
        If there is no folder, no ``pyproject.toml``, no valid TOML, no Flower app in it, or a value under
        ``[tool.syft_flwr]`` cannot be used.
    """
    folder = path.parent if path.name == "pyproject.toml" and path.is_file() else path
    file = folder / "pyproject.toml"
    if not folder.is_dir():
        raise NotAProjectError(
            f"There is no folder {folder}.",
            hint="Give the path of a Flower project, or make one: syft-flwr init NAME.",
        )
    if not file.is_file():
        raise NotAProjectError(
            f"{folder} has no pyproject.toml.",
            hint="Go to the folder of a Flower project, or make one: syft-flwr init NAME.",
        )
    try:
        raw = tomllib.loads(file.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotAProjectError(
            f"{file} is not valid TOML: {error}.", hint="Correct the file at that place and try again."
        ) from error
    return _project(folder.resolve(), file, raw)


def require_federated(project: Project) -> Project:
    """Return ``project`` if it knows its app name, its aggregator and its data owners.

    Raises
    ------
    NotAProjectError
        If one of them is missing; the hint is the command to type.
    """
    keys = {
        "app_name": project.app_name,
        "aggregator": project.aggregator,
        "datasites": project.datasites,
    }
    missing = [key for key, value in keys.items() if not value]
    if missing:
        aggregator = project.aggregator or "YOU@LAB.EXAMPLE"
        owners = ",".join(project.datasites) or "OWNER1@A.EXAMPLE,OWNER2@B.EXAMPLE"
        place = shlex.quote(str(project.path))
        raise NotAProjectError(
            f"{project.path} is not federated yet: [tool.syft_flwr] lacks {', '.join(missing)}.",
            hint=f"Type: syft-flwr bootstrap {place} --aggregator {aggregator} --datasites {owners}",
        )
    return project


def _table(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    here: Any = raw
    for name in names:
        here = here.get(name) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def _project(folder: Path, file: Path, raw: dict[str, Any]) -> Project:
    head = _table(raw, "project")
    app = _table(raw, "tool", "flwr", "app")
    if not app:
        raise NotAProjectError(
            f"{file} has no [tool.flwr.app].",
            hint="That table makes a project a Flower app: add it, or start one with: syft-flwr init NAME.",
        )
    components = _table(app, "components")
    federation = _federation(file, _table(raw, "tool", "syft_flwr"))
    return Project(
        path=folder,
        name=_required(file, "[project]", head, "name", "study"),
        version=_required(file, "[project]", head, "version", "1.0.0"),
        serverapp=_required(
            file, "[tool.flwr.app.components]", components, "serverapp", "study.server_app:app"
        ),
        clientapp=_required(
            file, "[tool.flwr.app.components]", components, "clientapp", "study.client_app:app"
        ),
        raw=raw,
        **federation,
    )


def _required(file: Path, place: str, table: Mapping[str, Any], key: str, example: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise NotAProjectError(
            f"{file} has no {key} in {place}.", hint=f'Add a line there such as: {key} = "{example}"'
        )
    return value


def _federation(file: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """The checked values of ``[tool.syft_flwr]``, by the names of `Project`."""

    def read(key: str, check: Callable[[Any], Any]) -> Any:
        value = table.get(key)
        if value is None:
            return None
        try:
            return check(value)
        except UsageError as error:
            raise NotAProjectError(
                f"{file}, [tool.syft_flwr], {key}: {error.what}", hint=error.hint
            ) from error

    aggregator = read("aggregator", lambda value: check_email(_text(value)))
    return {
        "app_name": read("app_name", lambda value: check_app_name(_text(value))),
        "aggregator": aggregator,
        "datasites": read("datasites", lambda value: check_participants(aggregator, _texts(value))[1]) or (),
        "transport": read("transport", lambda value: check_transport(_text(value))),
        "timeout": read("timeout", lambda value: parse_duration(value, "timeout")),
        "retention": read("retention", lambda value: parse_duration(value, "retention")),
        "enough": read("enough", parse_enough) or read("min_replies", parse_enough),
        "grace": read("grace", lambda value: parse_duration(value, "grace")),
        "fingerprints": read("fingerprints", _fingerprints) or {},
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{str(value)[:40]} is no text.", hint='Write it in quotes: "…".')
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise UsageError(f"{str(value)[:40]} is no list.", hint='Write a list of texts: ["…", "…"].')
    return [_text(item) for item in value]


def _fingerprints(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise UsageError("It is no table.", hint='Write lines such as: "alice@lab.example" = "64 hex digits"')
    found: dict[str, str] = {}
    for email, text in value.items():
        plain = _text(text).replace(" ", "").lower()
        if not _FINGERPRINT.match(plain):
            raise UsageError(
                f"{text[:80]!r} is no fingerprint of {email}.",
                hint="It has 64 hex digits; 'syft-flwr keys show' prints them on that participant's machine.",
            )
        found[check_email(email)] = plain
    return found
