"""Flower's own deployment engine under measurement: a SuperLink, SuperNodes, and ``flwr run``.

As its documentation has it for one machine: everything on loopback addresses, without TLS, the state in
memory, a new process for each message (isolation ``subprocess``), and the very same project as for
syft-flwr. Its settings lie in a ``FLWR_HOME`` of its own.
"""

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.marks import BenchError, Marks
from benchmarks.rounds import Federation, Plan, Series, measure

__all__ = ["run"]

APPS = Path(__file__).with_name("apps")
BIN = Path(sys.executable).parent


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(
    plan: Plan, place: Path, during: Callable[[Federation, float], Callable[[], None]] | None = None
) -> list[Series]:
    """Measure a federation of ``plan.owners`` below ``place``."""
    project = place / "project"
    shutil.copytree(APPS / plan.app, project, ignore=shutil.ignore_patterns("__pycache__"))
    link, *nodes = _free_ports(plan.owners + 1)
    home = place / "flwr"
    home.mkdir()
    connection = f'[superlink]\ndefault = "bench"\n\n[superlink.bench]\naddress = "127.0.0.1:{link}"\ninsecure = true\n'
    (home / "config.toml").write_text(connection)
    environ = {
        **os.environ,
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
    }
    federation = Federation(place)
    marks = Marks(place, federation.dead)
    begun = time.monotonic()
    try:
        superlink = [str(BIN / "flower-superlink"), "--insecure", "--isolation", "subprocess"]
        superlink += ["--host", "127.0.0.1", "--port", str(link), "--disable-runtime-dependency-installation"]
        federation.start("server", "superlink", superlink, environ)
        end = time.monotonic() + 60.0
        while not _answers(link):
            if dead := federation.dead():
                raise BenchError(dead)
            if time.monotonic() > end:
                raise BenchError("the SuperLink does not answer")
            time.sleep(0.1)
        for index, port in enumerate(nodes):
            supernode = [str(BIN / "flower-supernode"), "--insecure", "--superlink", f"127.0.0.1:{link}"]
            supernode += ["--isolation", "subprocess", "--host", "127.0.0.1", "--port", str(port)]
            supernode += ["--node-config", f"partition-id={index} num-partitions={plan.owners}"]
            federation.start("node", f"supernode{index + 1}", supernode, environ)
        command = [str(BIN / "flwr"), "run", str(project), "bench", "--run-config", plan.run_config(marks)]
        federation.start("cli", "flwr-run", command, environ, passing=True)
        return measure("flower", plan, federation, marks, begun, during=during)
    finally:
        federation.stop("node")
        federation.stop("server")
        federation.end()
        marks.close()
