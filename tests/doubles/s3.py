"""A strict server for S3 on this machine, in a process of its own."""

import atexit
import os
import socket
import subprocess
import sys
import urllib.request
from functools import cache
from time import monotonic

__all__ = ["ACCESS", "SECRET", "s3_server"]

ACCESS = os.environ.get("SYFT_FLWR_TEST_S3_ACCESS", "testing")
SECRET = os.environ.get("SYFT_FLWR_TEST_S3_SECRET", "testing-secret")


@cache
def s3_server() -> str:
    """The endpoint of the server that was given; else moto's server is started, once for this process."""
    if given := os.environ.get("SYFT_FLWR_TEST_S3"):
        return given
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
