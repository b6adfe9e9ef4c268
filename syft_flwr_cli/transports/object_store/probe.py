"""What a store does with conditional writes, found out by trying: some compatible services ignore them in silence.

Nothing of ours depends on them. Who shares the bucket with other programs may, so a store that lies is named.
"""

import secrets
from contextlib import suppress

import obstore
from obstore import exceptions
from obstore.store import ObjectStore

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.transports.object_store.errors import explained

__all__ = ["ignored_conditions"]


def ignored_conditions(store: ObjectStore, name: str, prefix: str) -> list[str]:
    """The conditions that the store ignores without a word, as sentences; empty if it keeps its word.

    Writes one object below ``prefix`` a few times and removes it. A condition that is refused as not
    supported is not ignored.

    Raises
    ------
    TransportError
        If the store cannot be written at all.
    """
    key = f"{prefix}/.probe-{secrets.token_hex(8)}"
    lies = []
    with explained(name, f"write {key}"):
        obstore.put(store, key, b"1", use_multipart=False)
    try:
        try:
            obstore.put(store, key, b"2", mode="create", use_multipart=False)
            lies.append("it overwrites an object although only a new one was to be created (If-None-Match)")
        except exceptions.BaseError:
            pass
        try:
            obstore.put(store, key, b"3", mode={"e_tag": '"0123456789abcdef"'}, use_multipart=False)
            lies.append("it overwrites an object although another version was expected (If-Match)")
        except exceptions.BaseError:
            pass
    finally:
        with suppress(NotThereError), explained(name, f"remove {key}"):
            obstore.delete(store, key)
    return lies
