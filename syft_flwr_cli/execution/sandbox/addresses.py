"""Where a granted address of the network is found inside a sandbox that has a network of its own.

A name is found at a loopback address of its own, through the file of host names; a number is found at that
number. Every way there ends at the supervisor, which connects outside.
"""

import ipaddress
from collections.abc import Sequence

from syft_flwr_cli.protocol.grants import NetworkGrant

__all__ = ["address_inside", "hosts_file", "needs_alias"]


def address_inside(host: str, index: int) -> str:
    """The address at which the grant of this index is listened for."""
    number = _number(host)
    return f"127.77.{index // 250}.{index % 250 + 1}" if number is None else str(number)


def needs_alias(host: str) -> bool:
    """Whether the loopback interface has to be given the address first."""
    number = _number(host)
    return number is not None and not number.is_loopback


def hosts_file(grants: Sequence[NetworkGrant]) -> str:
    """The file of host names inside."""
    lines = ["127.0.0.1 localhost"]
    for index, grant in enumerate(grants):
        if _number(grant.host) is None:
            lines.append(f"{address_inside(grant.host, index)} {grant.host}")
    return "\n".join(lines) + "\n"


def _number(host: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        return None
