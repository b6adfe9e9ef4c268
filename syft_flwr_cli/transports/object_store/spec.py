"""An object store as a transport, before it is opened: ``s3``, aliases ``gcs``, ``azure`` and ``object-store``."""

from importlib.util import find_spec

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.spec import Opening, Option, TransportSpec

__all__ = ["SPEC"]


def _open(opening: Opening) -> Transport:
    if find_spec("obstore") is None:
        raise UsageError(
            "Object stores need the package obstore, which is not installed.",
            hint="Install it: pip install obstore.",
        )
    from syft_flwr_cli.transports.object_store.open import open_object_store

    return open_object_store(
        opening.options["bucket"],
        email=opening.email,
        state_dir=opening.state_dir / "object_store",
        poll_interval=opening.poll_interval,
    )


SPEC = TransportSpec(
    name="s3",
    aliases=("gcs", "azure", "object-store"),
    options=(
        Option(
            key="bucket",
            variable="SYFT_FLWR_BUCKET",
            missing="The bucket is not known.",
            hint="Set SYFT_FLWR_BUCKET to s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX.",
        ),
    ),
    open=_open,
)
