"""``python -m syft_flwr_cli.testing.drive_emulator --port 0 --ready-file F``: the emulator as a process of its own.

Once it listens, its address is written to the ready file (and to stdout); it ends with Ctrl-C or
SIGTERM. ``POST /emulator/faults`` and ``GET /emulator/calls`` steer it from outside.
"""

import argparse
import signal
import threading
from pathlib import Path

from syft_flwr_cli.testing.drive_emulator import start


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m syft_flwr_cli.testing.drive_emulator", description=__doc__
    )
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 for any")
    parser.add_argument("--ready-file", type=Path, help="where to write the address")
    parser.add_argument(
        "--account", action="append", default=[], help="an e-mail with a Google account; all if none"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what goes wrong")
    parser.add_argument("--lag", type=float, default=0.0, help="seconds until a search finds a write")
    parser.add_argument(
        "--feed-lag", type=float, default=0.0, help="seconds until the change feed tells of it"
    )
    parser.add_argument("--directory", type=Path, help="where bodies lie")
    given = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with start(
        given.account,
        port=given.port,
        seed=given.seed,
        lag=given.lag,
        feed_lag=given.feed_lag,
        directory=given.directory,
    ) as emulator:
        if given.ready_file:
            whole = given.ready_file.with_suffix(".part")
            whole.write_text(emulator.endpoint)
            whole.rename(given.ready_file)
        print(emulator.endpoint, flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
