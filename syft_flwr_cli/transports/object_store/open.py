"""Opening an object store by its address: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``.

Credentials come from the service's usual chain (environment, profile, role of the machine), never from the project.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.transports.object_store.keys import PART_SIZE
from syft_flwr_cli.transports.object_store.transport import ObjectStoreTransport

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["open_object_store", "store_at"]

SCHEMES = ("s3", "gs", "az")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def open_object_store(
    address: str, *, email: str, state_dir: Path, poll_interval: float = 3.0, part: int = PART_SIZE
) -> ObjectStoreTransport:
    """One participant's view of a bucket.

    Parameters
    ----------
    address : str
        Where the federation lies. Options follow a question mark, such as ``?endpoint=https://minio.lab.example``
        or ``?region=eu-central-1``.
    email : str
        Whose view this is.
    state_dir : Path
        Where unfinished uploads are noted.
    poll_interval : float
        Seconds between two looks at the most.
    part : int
        Bytes of a part of a large file.

    Raises
    ------
    UsageError
        If the address cannot be understood, or names an endpoint elsewhere without TLS.
    TransportError
        If the store cannot be reached or refuses us.
    """
    store, url = store_at(address)
    return ObjectStoreTransport(store, url, email, state_dir, poll_interval, part)


def store_at(address: str) -> "tuple[ObjectStore, str]":
    """The store at an address, and its URL without options; `UsageError` as for `open_object_store`."""
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    parts = urlsplit(address)
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise UsageError(
            f"{address!r} is not the address of an object store.",
            hint="Set SYFT_FLWR_BUCKET to s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX.",
        )
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    if parts.scheme == "s3" and "endpoint" not in options:
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            options["endpoint"] = endpoint
    plain = urlsplit(str(options.get("endpoint", "")))
    if plain.scheme == "http" and plain.hostname not in LOOPBACK:
        raise UsageError(
            f"The endpoint {plain.geturl()} has no TLS: whoever is on the way could use our credentials.",
            hint="Give an endpoint that begins with https://.",
        )
    secret = [key for key in options if any(word in key.lower() for word in ("secret", "token", "key"))]
    if secret:
        raise UsageError(
            f"{secret[0]} belongs in the environment, not in an address that is shown and remembered.",
            hint="Use the store's usual variables, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    url = f"{parts.scheme}://{parts.netloc}{parts.path}"
    try:
        opener: Callable[..., Any] = from_url
        store: ObjectStore = opener(
            url,
            config=options,
            client_options={"allow_http": plain.scheme == "http", "timeout": "60s"},
            retry_config={"max_retries": 2},
        )
    except (BaseError, ValueError) as error:
        raise UsageError(
            f"{url} cannot be opened: {str(error).splitlines()[0][:300]}.",
            hint="See docs/transports.md for addresses and options.",
        ) from error
    return store, url
