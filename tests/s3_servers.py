"""The object store suite on servers that are not ours: MinIO, and s3rver, which ignores conditions.

Run by ``make test-s3`` after the suite on moto. A server whose toolchain (Go, Node) is not on this machine is named
and left out; one that is there and does not start is a failure.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

BUILD = Path(__file__).resolve().parents[1] / "build" / "s3"
ACCESS, SECRET = "testing-access", "testing-secret-key"
SUITE = (
    "tests/contract",
    "tests/fault/test_object_store_killed.py",
    "tests/integration/test_object_store_federation.py",
)


def minio(port: int, data: Path) -> list[str]:
    program = BUILD / "minio"
    if not program.exists():
        environment = {**os.environ, "GOBIN": str(BUILD)}
        subprocess.run(["go", "install", "github.com/minio/minio@latest"], env=environment, check=True)
    return [str(program), "server", "--quiet", "--address", f"127.0.0.1:{port}", str(data)]


def s3rver(port: int, data: Path) -> list[str]:
    program = BUILD / "node_modules" / ".bin" / "s3rver"
    if not program.exists():
        subprocess.run(["npm", "install", "--silent", "--prefix", str(BUILD), "s3rver"], check=True)
    return [
        str(program),
        "-d",
        str(data),
        "-a",
        "127.0.0.1",
        "-p",
        str(port),
        "--configure-bucket",
        "federation",
    ]


def serve(name: str, command: Callable[[int, Path], list[str]]) -> int:
    with tempfile.TemporaryDirectory() as place, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        words = command(port, Path(place))
        free.close()
        access, secret = ("S3RVER", "S3RVER") if name == "s3rver" else (ACCESS, SECRET)
        environment = {
            **os.environ,
            "MINIO_ROOT_USER": access,
            "MINIO_ROOT_PASSWORD": secret,
            "AWS_ACCESS_KEY_ID": access,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
            "SYFT_FLWR_TEST_S3": f"http://127.0.0.1:{port}",
            "SYFT_FLWR_TEST_S3_ACCESS": access,
            "SYFT_FLWR_TEST_S3_SECRET": secret,
        }
        server = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        try:
            wait(port, server)
            if name == "minio":
                make_bucket(environment)
            print(f"== {name}", flush=True)
            return subprocess.run(
                [sys.executable, "-m", "pytest", "-q", *SUITE, "-k", "given or killed or bucket"],
                env=environment,
                check=False,
            ).returncode
        finally:
            server.kill()
            server.wait()


def wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if monotonic() > deadline or server.poll() is not None:
                raise
            sleep(0.1)


def make_bucket(environment: dict[str, str]) -> None:
    import boto3

    boto3.client(
        "s3",
        endpoint_url=environment["SYFT_FLWR_TEST_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    ).create_bucket(Bucket="federation")


def main() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    codes = []
    for name, toolchain, command in (("minio", "go", minio), ("s3rver", "npm", s3rver)):
        if shutil.which(toolchain) is None:
            print(f"== {name} left out: there is no {toolchain} on this machine")
        else:
            codes.append(serve(name, command))
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
