"""What a failure of an object store means, as one of the errors of the transport contract, with its remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

from obstore import exceptions

from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.transports.base import TransientError

__all__ = ["explained"]


@contextmanager
def explained(store: str, doing: str) -> Iterator[None]:
    """Turn an error of the client into one of ours.

    Parameters
    ----------
    store : str
        The store as the user named it.
    doing : str
        What was tried, to follow "cannot".

    Raises
    ------
    NotThereError
        If there is no such object.
    TransportError
        If the store refuses us.
    TransientError
        If trying again may help.
    """
    try:
        yield
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
            raise TransportError(
                f"{store} does not exist: cannot {doing}.",
                hint="Check the name of the bucket and the region, or create the bucket.",
            ) from error
        raise NotThereError(f"{store} has no such object: cannot {doing}.", hint="Wait for it.") from error
    except (exceptions.UnauthenticatedError, exceptions.PermissionDeniedError) as error:
        raise TransportError(
            f"{store} refuses our credentials: cannot {doing}.",
            hint="Check the credentials of the store's usual chain (for S3: AWS_ACCESS_KEY_ID, a profile, or the"
            " machine's role) and that they may list, read and write below the prefix.",
        ) from error
    except exceptions.UnknownConfigurationKeyError as error:
        raise TransportError(
            f"{store}: an option is not known: {_first_line(error)}.",
            hint="See docs/transports.md for options.",
        ) from error
    except (exceptions.BaseError, OSError) as error:
        raise TransientError(
            f"{store} does not answer as it should: cannot {doing}: {_first_line(error)}.",
            hint="Check the network and the endpoint; what was there before goes on from there.",
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:300]
