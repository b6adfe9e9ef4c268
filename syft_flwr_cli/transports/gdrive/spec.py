"""Google Drive as a transport, before it is opened: ``gdrive``, alias ``p2p``."""

from collections.abc import Mapping
from pathlib import Path

from syft_flwr_cli.transports.base import CallCosts, Transport
from syft_flwr_cli.transports.spec import Opening, TransportSpec

__all__ = ["SPEC"]


def _open(opening: Opening) -> Transport:
    from syft_flwr_cli.transports.gdrive.open import open_gdrive

    return open_gdrive(
        email=opening.email,
        state_dir=opening.state_dir,
        poll_interval=opening.poll_interval,
        sign=opening.sign,
        check=opening.check,
    )


def _costs(state_dir: Path) -> Mapping[str, CallCosts]:
    from syft_flwr_cli.transports.gdrive.journal import read_calls

    return read_calls(state_dir / "gdrive")


def _used(state_dir: Path) -> int | None:
    from syft_flwr_cli.transports.gdrive.journal import read_size

    return read_size(state_dir / "gdrive")


SPEC = TransportSpec(name="gdrive", aliases=("p2p",), open=_open, costs=_costs, used=_used)
