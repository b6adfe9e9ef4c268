"""A process that has imported what is slow to import, and forks participants from it.

A participant that it starts is a process of its own, to be killed like any other; only Python, Flower and the
other libraries come warm. The package under test is imported after the fork, with the participant's own
environment, so that its fault points are set up exactly as by the command line. Commands come in on stdin,
one JSON document a line; what becomes of the processes goes out on stdout.
"""

import importlib
import json
import os
import select
import signal
import sys
import time
import traceback

WARM = (
    "blake3",
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.hpke",
    "cryptography.hazmat.primitives.kdf.scrypt",
    "flwr.app",
    "flwr.clientapp.client_app",
    "flwr.client.mod",
    "flwr.common.config",
    "flwr.server.run_serverapp",
    "flwr.server.workflow",
    "flwr.serverapp.strategy",
    "numpy",
    "platformdirs",
    "rich.console",
    "rich.table",
    "sqlite3",
    "tenacity",
    "tomlkit",
    "typer",
    "watchdog.observers",
)


def main() -> None:
    """Fork what is asked for until stdin ends."""
    for name in WARM:
        importlib.import_module(name)
    if any(name.startswith("syft_flwr_cli") for name in sys.modules):
        raise SystemExit("the package under test was imported before the fork")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    tell({"ready": True})
    waiting = b""
    while True:
        ready, _, _ = select.select([0, reader], [], [])
        if reader in ready:
            os.read(reader, 4096)
            bury()
        if 0 in ready:
            block = os.read(0, 1 << 16)
            if not block:
                return
            *lines, waiting = (waiting + block).split(b"\n")
            for line in lines:
                tell({"started": bear(json.loads(line))})
                bury()


def tell(fact: dict[str, object]) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


def bury() -> None:
    """Tell of every child that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        tell({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def bear(wish: dict[str, object]) -> int:
    """Fork a participant; its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        become(wish)
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def become(wish: dict[str, object]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for descriptor, name in ((0, "/dev/null"), (1, wish["stdout"]), (2, wish["stderr"])):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        opened = os.open(str(name), flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(wish["environment"])  # type: ignore[call-overload]
    os.chdir(str(wish["directory"]))
    importlib.import_module("random").seed()
    if offset := os.environ.get("FAULT_CLOCK"):
        true = time.time
        time.time = lambda: true() + float(offset)
    from syft_flwr_cli.cli.main import run

    run(list(wish["words"]))  # type: ignore[call-overload]


main()
