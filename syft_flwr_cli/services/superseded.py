"""What a data owner received of versions that are offered no more: removed, unless it was approved.

The approved copies, which run, lie elsewhere and are not touched. Prints nothing and asks nobody.
"""

from syft_flwr_cli.consent.manifest import remove_copy
from syft_flwr_cli.services import revoking
from syft_flwr_cli.services.federation import Federation
from syft_flwr_cli.services.joining import offered_to

__all__ = ["remove_superseded"]


def remove_superseded(federation: Federation) -> None:
    """Remove the trees of offers that no longer stand, except those of which an approval does."""
    home = federation.directory.parents[1]
    now = federation.session.channel.clock()
    keep = {one.digest for one in revoking.standing(federation.directory, federation.email, now)}
    stand = {one.offer.digest for one in offered_to(federation.store, home, federation.email)}
    for folder in (federation.directory / "projects").glob("[0-9a-f]*"):
        if folder.name not in stand and folder.name not in keep:
            remove_copy(folder)
