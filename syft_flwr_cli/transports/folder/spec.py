"""The shared directory as a transport, before it is opened: ``local``, alias ``folder``."""

from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.spec import Opening, Option, Options, PublicDocuments, TransportSpec

__all__ = ["SPEC"]


def _open(opening: Opening) -> Transport:
    from syft_flwr_cli.transports.folder.transport import FolderTransport

    return FolderTransport(opening.options["root"], opening.email, opening.poll_interval)


def _public_documents(options: Options) -> PublicDocuments | None:
    root = options.get("root")
    return None if root is None else PublicDocuments(root)


SPEC = TransportSpec(
    name="local",
    aliases=("folder",),
    options=(
        Option(
            key="root",
            variable="SYFT_FLWR_ROOT",
            flag="--root",
            is_path=True,
            missing="The shared folder is not known.",
            hint="Give it with --root DIR, or set SYFT_FLWR_ROOT; it is remembered for the next command.",
        ),
    ),
    open=_open,
    public_documents=_public_documents,
)
