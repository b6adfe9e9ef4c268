"""SyftBox's own configuration: who is logged in, and where its datasites lie on this machine.

Read only, and only what is needed of it. It asks no daemon and no server, so it does not know whether SyftBox
runs.
"""

from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.errors import TransportError, UsageError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.strict_json import loads

__all__ = ["DEFAULT_CONFIG", "INSIDE", "SyftBoxConfig", "account", "read_config"]

DEFAULT_CONFIG = Path("~/.syftbox/config.json")
"""Where SyftBox keeps its configuration unless told otherwise."""

INSIDE = "app_data/flwr"
"""Where our files lie in a datasite."""

MAX_CONFIG = 1 << 20


@dataclass(frozen=True, slots=True)
class SyftBoxConfig:
    """What we need of SyftBox's own configuration: who is logged in, and where its data lie."""

    email: str
    data_dir: Path


def read_config(path: Path | None) -> SyftBoxConfig:
    """Read SyftBox's ``config.json``.

    Raises
    ------
    TransportError
        If it is not there, or does not say what is needed.
    """
    place = (path or DEFAULT_CONFIG).expanduser()
    try:
        with place.open("rb") as stream:
            document = loads(stream.read(MAX_CONFIG))
        email, data_dir = document["email"], document["data_dir"]
        return SyftBoxConfig(
            email=names.check_email(email), data_dir=(place.parent / Path(data_dir).expanduser()).absolute()
        )
    except FileNotFoundError as error:
        raise TransportError(
            f"There is no SyftBox here: {place} is missing.",
            hint="Install and start SyftBox, or give --root DIR to use a shared folder instead.",
        ) from error
    except OSError as error:
        raise TransportError(
            f"SyftBox's configuration {place} cannot be read: {(error.strerror or str(error)).lower()}.",
            hint="Make that file readable, or set SYFTBOX_CLIENT_CONFIG_PATH to another one.",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise TransportError(
            f"SyftBox's configuration {place} does not say which e-mail and data_dir it uses.",
            hint="Log in to SyftBox again, or set SYFTBOX_CLIENT_CONFIG_PATH to the right file.",
        ) from error


def account(path: Path | None) -> str | None:
    """The e-mail that SyftBox is logged in as; None if its configuration is not there.

    Raises
    ------
    UsageError
        If the configuration cannot be read.
    """
    if path is None:
        return None
    try:
        content = loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"SyftBox's config {path} cannot be read: {error}.",
            hint="Name the right file with --syftbox-config or SYFTBOX_CLIENT_CONFIG_PATH.",
        ) from error
    email = content.get("email") if isinstance(content, dict) else None
    return names.check_email(email) if isinstance(email, str) and email else None
