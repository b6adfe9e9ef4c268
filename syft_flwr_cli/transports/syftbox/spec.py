"""SyftBox as a transport, before it is opened: ``syftbox``."""

from collections.abc import Mapping
from pathlib import Path

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.spec import Opening, Option, Options, PublicDocuments, TransportSpec

__all__ = ["SPEC"]


def _open(opening: Opening) -> Transport:
    from syft_flwr_cli.transports.pieces import Pieces
    from syft_flwr_cli.transports.syftbox.transport import SyftBoxTransport

    config = opening.options.get("syftbox_config")
    return Pieces(SyftBoxTransport(config, opening.email, opening.poll_interval))


def _account(options: Options) -> str | None:
    from syft_flwr_cli.transports.syftbox.config import account

    return account(options.get("syftbox_config"))


def _public_documents(options: Options) -> PublicDocuments | None:
    from syft_flwr_cli.transports.syftbox.config import INSIDE, read_config

    try:
        config = read_config(options.get("syftbox_config"))
    except TransportError:
        return None  # no SyftBox at the moment: that is for what needs it to say
    return PublicDocuments(config.data_dir / "datasites", tuple(INSIDE.split("/")))


def _default(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home()) / ".syftbox" / "config.json"


SPEC = TransportSpec(
    name="syftbox",
    options=(
        Option(
            key="syftbox_config",
            variable="SYFTBOX_CLIENT_CONFIG_PATH",
            flag="--syftbox-config",
            is_path=True,
            default=_default,
        ),
    ),
    open=_open,
    account=_account,
    public_documents=_public_documents,
)
