"""Where Flower's command line finds a service: its ``config.toml`` and ``credentials.yaml``, changed and nothing else.

Keys and forms are those of flwr 1.40 to 1.42. Other connections, comments and credentials stay as they are.
"""

import base64
from collections.abc import Mapping
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.settings import variable_path
from syft_flwr_cli.storage.paths import write_private

__all__ = ["flwr_home", "write_connection"]


def flwr_home(environ: Mapping[str, str] | None = None) -> Path:
    """Flower's own folder: ``FLWR_HOME``, else ``~/.flwr``."""
    return variable_path("FLWR_HOME", environ) or Path.home() / ".flwr"


def write_connection(
    folder: Path,
    name: str,
    address: str,
    token: str,
    certificate: Path | None = None,
    *,
    federation: str = "",
) -> tuple[Path, Path]:
    """Add a connection, make it the default, and store its token; the two files.

    Parameters
    ----------
    folder : Path
        Flower's folder.
    name : str
        The connection's name, as in ``flwr run . NAME``.
    address : str
        Host and port.
    token : str
        The user's token.
    certificate : Path, optional
        The certificate of the service where it speaks TLS.
    federation : str
        The federation that runs of this connection go to, as Flower writes it; the service's default if empty.

    Raises
    ------
    UsageError
        If one of the files cannot be understood; both stay as they are.
    """
    import yaml

    config, credentials = folder / "config.toml", folder / "credentials.yaml"
    try:
        document = (
            tomlkit.parse(config.read_text(encoding="utf-8")) if config.exists() else tomlkit.document()
        )
        if "superlink" not in document:
            document["superlink"] = tomlkit.table()
        links = document["superlink"]
        links["default"] = name
        link = tomlkit.table()
        link["address"] = address
        if federation:
            link["federation"] = federation
        if certificate is None:
            link["insecure"] = True
        else:
            link["root-certificates"] = str(certificate.absolute())
        links[name] = link
    except (TOMLKitError, TypeError, AttributeError, OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{config} cannot be changed: {error}.",
            hint=f'Add by hand: [superlink.{name}] with address = "{address}" and insecure = true.',
        ) from error
    try:
        known = yaml.safe_load(credentials.read_text(encoding="utf-8")) if credentials.exists() else {}
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{credentials} cannot be read: {error}.", hint="Correct it, or move it away, and try again."
        ) from error
    key = f"flower.account-auth.{address}"
    values = {"authn-type": "oidc", "oidc-access-token": token, "oidc-refresh-token": token}
    stored = dict(known) if isinstance(known, dict) else {}
    stored |= {f"{key}.{part}": base64.b64encode(text.encode()).decode() for part, text in values.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_private(config, tomlkit.dumps(document).encode())
    write_private(credentials, yaml.safe_dump(stored).encode())
    return config, credentials
