"""Where a round's time goes: py-spy looks at the server, a node and its worker while rounds go on.

Each sample is credited to the innermost function of ours or of Flower that is on the stack, so that the
table speaks of what somebody decided and not of ``memcpy``; time in which a thread waits is left out.
"""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import descendants
from benchmarks.rounds import Federation

__all__ = ["Profile", "find_py_spy"]

RATE = 400
OURS = ("syft_flwr_cli/", "flwr/", "benchapp/")


def find_py_spy() -> str | None:
    """Where py-spy is; None if it is not installed."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


class Profile:
    """Profiles one server, one node and that node's worker.

    Parameters
    ----------
    place : Path
        Where the raw stacks go.
    size : float
        The model size, in MB, whose rounds are looked at.
    """

    def __init__(self, place: Path, size: float) -> None:
        self._place = place
        self._size = size
        self._spies: list[tuple[str, Path, subprocess.Popen[bytes]]] = []

    def __call__(self, federation: Federation, size: float) -> Callable[[], None]:
        """Begin, if this is the size; what is returned ends it."""
        spy = find_py_spy()
        if size != self._size or spy is None:
            return lambda: None
        nodes = [pid for pid, role in federation.roots.items() if role == "node"]
        servers = [pid for pid, role in federation.roots.items() if role == "server"]
        workers = descendants(nodes[0])[:1]
        for role, pid in [("server", servers[0]), ("node", nodes[0]), *(("worker", pid) for pid in workers)]:
            out = self._place / f"profile-{role}.txt"
            words = [
                spy,
                "record",
                "-p",
                str(pid),
                "-r",
                str(RATE),
                "-f",
                "raw",
                "-o",
                str(out),
                "-t",
                "--nonblocking",
            ]
            self._spies.append(
                (role, out, subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            )
        return self._end

    def _end(self) -> None:
        for _, _, spy in self._spies:
            spy.send_signal(2)
        for _, _, spy in self._spies:
            spy.wait(30)

    def tables(self, rounds: int, most: int = 14) -> dict[str, list[tuple[str, float]]]:
        """For each role, where its time goes: function and milliseconds per round, the most first."""
        return {role: _table(out, rounds)[:most] for role, out, _ in self._spies if out.exists()}


def _table(raw: Path, rounds: int) -> list[tuple[str, float]]:
    found: Counter[str] = Counter()
    for line in raw.read_text(errors="replace").splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame for frame in stack.split(";") if not frame.startswith("thread (")]
        found[_credit(frames)] += int(count)
    return [(name, samples / RATE / rounds * 1000) for name, samples in found.most_common()]


def _credit(frames: list[str]) -> str:
    """The innermost frame that is ours or Flower's; ``function (file)``."""
    for frame in reversed(frames):
        name, _, place = frame.partition(" (")
        path = place.rpartition(":")[0]
        for part in OURS:
            if part in path:
                return f"{name} ({part}{path.rpartition(part)[2]})"
    return "elsewhere"
