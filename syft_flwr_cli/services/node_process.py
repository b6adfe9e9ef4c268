"""The node as a process that another one starts and ends: ``syft-flwr node`` with its output in a file.

It ends the way Ctrl-C ends it, so that nothing is lost. It knows only the process that it started itself; a node that
runs as a service of the machine is seen by the locks it holds on its apps.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from syft_flwr_cli.execution.output import log_tail
from syft_flwr_cli.project.settings import child_environment
from syft_flwr_cli.services.status import apps_of
from syft_flwr_cli.storage.locks import who_holds
from syft_flwr_cli.storage.paths import app_dir, make_private_dir, participant_dir

__all__ = ["NodeProcess"]

GRACE = 20.0
"""Seconds that a node gets to end by itself."""


class NodeProcess:
    """See the module's first paragraph.

    Parameters
    ----------
    home, email : Path, str
        Whose node.
    words : sequence of str
        Further words of its command, such as ``--root DIR``.
    """

    def __init__(self, home: Path, email: str, words: Sequence[str] = ()) -> None:
        self._home, self._email, self._words = home, email, tuple(words)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process that was started here is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the process that was started here ended; None if it goes on, or none was started."""
        return None if self._process is None else self._process.poll()

    @property
    def served_elsewhere(self) -> bool:
        """Whether another process holds an app of this participant."""
        mine = self._process.pid if self._process is not None and self.running else None
        holders = (
            who_holds(app_dir(self._home, self._email, app) / "lock")
            for app in apps_of(self._home, self._email)
        )
        return any(holder is not None and holder.pid not in (mine, os.getpid()) for holder in holders)

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.running:
            return
        place = make_private_dir(make_private_dir(participant_dir(self._home, self._email)) / "desk")
        words = [sys.executable, "-m", "syft_flwr_cli", "node", "--email", self._email, *self._words]
        descriptor = os.open(place / "node.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._process = subprocess.Popen(
                words,
                env=child_environment(SYFT_FLWR_HOME=str(self._home), NO_COLOR="1"),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """End it as Ctrl-C does, and wait until it has."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def said(self) -> str:
        """The last that it printed."""
        return log_tail(participant_dir(self._home, self._email) / "desk" / "node.log")
