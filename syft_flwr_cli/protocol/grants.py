"""What a data owner allows one project's app beyond the default: part of the decision about it.

As values, and as the plain lists in which they are signed, recorded and sent. Standard library only: the
process that confines an app reads them too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.errors import UsageError

__all__ = [
    "ANY_ADDRESS",
    "Grants",
    "NetworkGrant",
    "grants_from_lists",
    "grants_to_lists",
    "grants_to_text",
    "parse_grants",
]

ANY_ADDRESS = "*"
"""As ``--allow-net``: the whole network."""

MAX_GRANTS = 64
_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


@dataclass(frozen=True, slots=True)
class NetworkGrant:
    """One place in the network that an app may open TCP connections to."""

    host: str
    port: int

    def __str__(self) -> str:
        return ANY_ADDRESS if self.host == ANY_ADDRESS else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Grants:
    """Addresses, names of environment variables, and absolute paths that can be read and executed."""

    network: tuple[NetworkGrant, ...] = ()
    environment: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.network or self.environment or self.paths)

    @property
    def whole_network(self) -> bool:
        """Whether every address is allowed."""
        return any(grant.host == ANY_ADDRESS for grant in self.network)


def parse_grants(network: Sequence[str], environment: Sequence[str], paths: Sequence[str]) -> Grants:
    """What a person wrote, as a value.

    Parameters
    ----------
    network : sequence of str
        ``HOST:PORT`` (a name or an IPv4 address), or ``*``.
    environment : sequence of str
        Names of variables.
    paths : sequence of str
        Absolute paths.

    Raises
    ------
    UsageError
        If one of them is something else, or there are too many.
    """
    for name in environment:
        if not name or name[0].isdigit() or not _NAME_CHARACTERS.issuperset(name) or len(name) > 200:
            raise UsageError(
                f"--allow-env {name!r} is no name of a variable.",
                hint="Give the name alone; the value is taken from the environment when the app is started.",
            )
    for path in paths:
        if not path.startswith("/") or "\0" in path or len(path) > 4000 or path == "/":
            raise UsageError(
                f"--allow-path {path!r} is no absolute path.", hint="Write it from / on, and not / itself."
            )
    found = Grants(
        tuple(dict.fromkeys(_network(text) for text in network)),
        tuple(dict.fromkeys(environment)),
        tuple(dict.fromkeys(paths)),
    )
    if len(found.network) + len(found.environment) + len(found.paths) > MAX_GRANTS:
        raise UsageError("Too many things are allowed at once.", hint=f"Give at most {MAX_GRANTS}.")
    return found


def grants_to_lists(grants: Grants) -> dict[str, list[str]]:
    """The value as plain lists; kinds of which there are none are left out."""
    lists = {
        "network": [str(grant) for grant in grants.network],
        "environment": list(grants.environment),
        "paths": list(grants.paths),
    }
    return {kind: found for kind, found in lists.items() if found}


def grants_to_text(grants: Grants) -> str:
    """The value as one line, at most 1000 characters long, for a log or a message."""
    parts = [f"{kind} {', '.join(names)}" for kind, names in grants_to_lists(grants).items()]
    text = "; ".join(parts)
    return text if len(text) <= 1000 else f"{text[:999]}…"


def grants_from_lists(lists: Mapping[str, Any]) -> Grants:
    """The value that `grants_to_lists` wrote; ValueError if it is something else."""
    if not isinstance(lists, Mapping) or set(lists) - {"network", "environment", "paths"}:
        raise ValueError("grants are of an unknown form")
    kinds = [lists.get(kind, []) for kind in ("network", "environment", "paths")]
    if not all(isinstance(found, list) and all(isinstance(one, str) for one in found) for found in kinds):
        raise ValueError("grants are no lists of texts")
    try:
        return parse_grants(*kinds)
    except UsageError as error:
        raise ValueError(error.what) from None


def _network(text: str) -> NetworkGrant:
    if text.strip() == ANY_ADDRESS:
        return NetworkGrant(ANY_ADDRESS, 0)
    host, _, port = text.strip().rpartition(":")
    labels = host.lower().rstrip(".").split(".")
    plain = all(
        label and len(label) <= 63 and label.isascii() and label.replace("-", "").replace("_", "").isalnum()
        for label in labels
    )
    if not plain or len(host) > 253 or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise UsageError(
            f"--allow-net {text!r} is no HOST:PORT.",
            hint="Write a host name or an IPv4 address, and a port: --allow-net db.example.org:5432",
        )
    return NetworkGrant(".".join(labels), int(port))
