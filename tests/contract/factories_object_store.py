"""Object stores for the conformance suite: a strict S3 server on this machine, behind a proxy that can fail.

Parts are small here, so that the suite's files are uploaded in several of them.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from doubles.s3 import ACCESS, SECRET, s3_server
from doubles.unreliable_http import UnreliableProxy
from federations import POLL, Federation, Setting

from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.retry import Retrying

__all__ = ["OBJECT_STORES"]

PART = 64 << 10


def bucket(setting: Setting, endpoint: str) -> Callable[[str], Transport]:
    """Views of one prefix, each with a state of its own, as on machines of their own."""
    from syft_flwr_cli.transports.object_store.open import open_object_store

    before = dict(os.environ)
    setting.stack.callback(os.environ.update, before)
    os.environ.update(AWS_ACCESS_KEY_ID=ACCESS, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION="us-east-1")
    number, prefix = count(), secrets.token_hex(8)
    return lambda email: open_object_store(
        f"s3://federation/{prefix}?endpoint={endpoint}",
        email=email,
        state_dir=setting.place / f"state {next(number)}",
        poll_interval=POLL,
        part=PART,
    )


def moto(setting: Setting) -> Federation:
    proxy = UnreliableProxy(s3_server())
    setting.stack.callback(proxy.close)

    @contextmanager
    def outage() -> Iterator[None]:
        proxy.out = True
        yield
        proxy.out = False

    return Federation(open=bucket(setting, proxy.address), knows_order=False, outage=outage, load=12)


def bad_moto(setting: Setting) -> Federation:
    proxy = UnreliableProxy(s3_server(), rate=0.2, seed=5)
    setting.stack.callback(proxy.close)
    view = bucket(setting, proxy.address)
    return Federation(
        open=lambda email: Retrying(view(email), 60.0, read_timeout=60.0, first=0.01, longest=0.2),
        knows_order=False,
        patience=60.0,
        load=6,
    )


def given(setting: Setting) -> Federation:
    """A server that somebody else has started, such as MinIO or one that ignores conditions."""
    return Federation(
        open=bucket(setting, os.environ["SYFT_FLWR_TEST_S3"]), knows_order=False, patience=60.0, load=12
    )


OBJECT_STORES: dict[str, Callable[[Setting], Federation]] = {"moto-s3": moto, "bad-moto-s3": bad_moto}
if "SYFT_FLWR_TEST_S3" in os.environ:
    OBJECT_STORES["given-s3"] = given
