"""Object stores for the conformance suite: a strict server for S3 on this machine, in a process of its own.

Parts are small here, so that the suite's files are uploaded in several of them.
"""

import atexit
import os
import secrets
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from functools import cache
from itertools import count
from time import monotonic

from federations import POLL, Federation, Setting

__all__ = ["OBJECT_STORES", "s3_server"]

PART = 64 << 10


@cache
def s3_server() -> str:
    """Start moto's server with one bucket, once for all tests of this process; its endpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    atexit.register(server.kill)
    endpoint = f"http://127.0.0.1:{port}"
    deadline = monotonic() + 60
    while True:
        try:
            request = urllib.request.Request(f"{endpoint}/federation", method="PUT")
            urllib.request.urlopen(request, timeout=5)
            return endpoint
        except OSError:
            if monotonic() > deadline or server.poll() is not None:
                raise


def moto(setting: Setting) -> Federation:
    from syft_flwr_cli.transports.object_store.open import open_object_store

    before = dict(os.environ)
    setting.stack.callback(os.environ.update, before)
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_REGION="us-east-1")
    endpoint, prefix = s3_server(), secrets.token_hex(8)
    number = count()
    return Federation(
        open=lambda email: open_object_store(
            f"s3://federation/{prefix}?endpoint={endpoint}",
            email=email,
            state_dir=setting.place / f"state {next(number)}",
            poll_interval=POLL,
            part=PART,
        ),
        knows_order=False,
        load=12,
    )


OBJECT_STORES: dict[str, Callable[[Setting], Federation]] = {"moto-s3": moto}
