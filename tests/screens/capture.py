"""Captures the screens of real commands under tmux, at 80x24 and 120x40, as text: `python tests/screens/capture.py`.

Seven scenes: the demo, run-server with one data owner away, node with two runs, status --watch, join, runs show, and
doctor with three faults. Every process is started here and ended here; everything lies in one temporary folder. What
differs from run to run (ids, fingerprints, durations) stays as it was: the files are looked at by people.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
SIZES = ((80, 24), (120, 40))
DS, DO1, DO2 = "ds@lab.example", "do1@clinic-a.example", "do2@clinic-b.example"
PLACE = Path("/tmp/syft-flwr-screens")
PROGRAM = [sys.executable, "-m", "syft_flwr_cli"]
DEADLINE = 120.0


class Tmux:
    """A terminal of one size, in a server of its own."""

    def __init__(self, width: int, height: int) -> None:
        self._name = f"syft-flwr-screens-{os.getpid()}-{width}"
        self._call("new-session", "-d", "-x", str(width), "-y", str(height), "-s", "s", "sh")
        self._call("send-keys", "-t", "s", f"PS1='$ '; cd {PLACE}; clear", "Enter")

    def _call(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-L", self._name, *words], capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, line: str) -> None:
        """Type a line."""
        self._call("send-keys", "-t", "s", "-l", line)
        self._call("send-keys", "-t", "s", "Enter")

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._call("send-keys", "-t", "s", "C-c")

    def screen(self) -> str:
        """What is on it, without blank lines at the end."""
        return self._call("capture-pane", "-p", "-t", "s").rstrip() + "\n"

    def wait_for(self, *words: str) -> str:
        """The screen once all of ``words`` are on it."""
        end = time.monotonic() + DEADLINE
        while not all(word in (found := self.screen()) for word in words):
            if time.monotonic() > end:
                raise SystemExit(f"{words} never came:\n{found}")
            time.sleep(0.1)
        return found

    def close(self) -> None:
        """End it, with what runs in it."""
        self._call("kill-server")


class Scene:
    """The folder, the project and the background processes of one size."""

    def __init__(self) -> None:
        shutil.rmtree(PLACE, ignore_errors=True)
        (PLACE / "root").mkdir(parents=True)
        self._running: list[subprocess.Popen[bytes]] = []

    def environment(self, who: str) -> dict[str, str]:
        return {
            **os.environ,
            "SYFT_FLWR_HOME": str(PLACE / who),
            "FLWR_TELEMETRY_ENABLED": "0",
            "SYFT_FLWR_SANDBOX": "none",
        }

    def run(self, who: str, *words: str) -> None:
        """Run a command of a participant's to its end."""
        done = subprocess.run(
            [*PROGRAM, *words], env=self.environment(who), cwd=PLACE, capture_output=True, check=False
        )
        if done.returncode not in (0, 3):
            raise SystemExit(f"{words}: {done.stderr.decode()}")

    def start(self, who: str, *words: str) -> None:
        """Start one in the background."""
        self._running.append(
            subprocess.Popen(
                [*PROGRAM, *words],
                env=self.environment(who),
                cwd=PLACE,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def project(self, name: str) -> None:
        self.run(
            "ds",
            "init",
            name,
            "--template",
            "numpy",
            "--aggregator",
            DS,
            "--datasites",
            f"{DO1},{DO2}",
            "--transport",
            "local",
        )

    def end(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        subprocess.run(["chmod", "-R", "u+w", str(PLACE)], check=False)
        shutil.rmtree(PLACE, ignore_errors=True)


def typed(who: str, *words: str) -> str:
    """A line for the terminal, short enough to be read."""
    return f"SYFT_FLWR_HOME={PLACE / who} syft-flwr {' '.join(words)}"


def demo(scene: Scene, tmux: Tmux) -> str:
    tmux.type("syft-flwr demo --rounds 4 --sandbox none --folder demo")
    return tmux.wait_for("Remove it: ")


def one_away(scene: Scene, tmux: Tmux) -> str:
    scene.project("study")
    scene.run("do1", "review", "study", "--approve", "--email", DO1)
    scene.start("do1", "run-client", "study", "--email", DO1, "--root", "root", "--mock")
    tmux.type(typed("ds", f"run-server study --email {DS} --root root"))
    return tmux.wait_for("answered", "awaiting its key")


def watched(scene: Scene, tmux: Tmux) -> str:
    scene.project("study")
    scene.run("do1", "review", "study", "--approve", "--email", DO1)
    scene.start("do1", "run-client", "study", "--email", DO1, "--root", "root", "--mock")
    scene.start("ds", "run-server", "study", "--email", DS, "--root", "root")
    journals = PLACE / "ds" / "participants"
    end = time.monotonic() + DEADLINE
    while not list(journals.glob("*/apps/*/results/*/timeline.jsonl")) and time.monotonic() < end:
        time.sleep(0.1)
    tmux.type(typed("ds", f"status --watch --email {DS}"))
    return tmux.wait_for("answered", "awaiting its key")


def two_runs(scene: Scene, tmux: Tmux) -> str:
    for name in ("heart", "lung"):
        scene.project(name)
        scene.run("do1", "review", name, "--approve", "--email", DO1)
        scene.start("ds", "run-server", name, "--email", DS, "--root", "root")
    tmux.type(typed("do1", f"node --email {DO1} --root root --mock"))
    return _with_two(tmux)


def _with_two(tmux: Tmux) -> str:
    end = time.monotonic() + DEADLINE
    while (found := tmux.screen()).count("answered") < 2:
        if time.monotonic() > end:
            raise SystemExit(f"there never were two runs:\n{found}")
        time.sleep(0.1)
    return found


def joined(scene: Scene, tmux: Tmux) -> str:
    scene.project("study")
    scene.run("do1", "keys", "publish", "study", "--email", DO1, "--root", "root")
    scene.run("ds", "share", "study", "--email", DS, "--root", "root")
    tmux.type(typed("do1", f"join {DS} --email {DO1} --root root"))
    return tmux.wait_for("?")


def runs_show(scene: Scene, tmux: Tmux) -> str:
    scene.run("ds", "demo", "--rounds", "3", "--sandbox", "none", "--folder", "demo")
    home = PLACE / "demo" / "homes" / DS
    (results,) = home.glob("participants/*/apps/*/results/*")
    tmux.type(f"clear; SYFT_FLWR_HOME={home} syft-flwr runs show {results.name[:6]}")
    return tmux.wait_for("next: ")


def three_faults(scene: Scene, tmux: Tmux) -> str:
    scene.project("study")
    scene.run("do1", "keys", "show", "--email", DO1)
    directory = PLACE / "do1" / "participants" / DO1
    (directory / "roster.json").write_text("nonsense")
    (directory / "roster.json").chmod(0o600)
    (PLACE / "do1").chmod(0o755)
    tmux.type(typed("do1", f"doctor study --email {DO1} --root gone"))
    found = ""
    while found != (found := tmux.screen()) or not found.rstrip().endswith("$"):
        time.sleep(1.0)
    return found


SCENES: dict[str, Callable[[Scene, Tmux], str]] = {
    "demo": demo,
    "run-server-one-away": one_away,
    "status-watch": watched,
    "node-two-runs": two_runs,
    "join": joined,
    "runs-show": runs_show,
    "doctor-three-faults": three_faults,
}


def capture(name: str, width: int, height: int) -> str:
    """The screen of a scene."""
    scene = Scene()
    tmux = Tmux(width, height)
    try:
        program = Path(sys.executable).parent  # where syft-flwr is
        tmux.type(f"export PATH={program}:$PATH FLWR_TELEMETRY_ENABLED=0 SYFT_FLWR_SANDBOX=none; clear")
        return SCENES[name](scene, tmux)
    finally:
        tmux.close()
        scene.end()


def main(words: Sequence[str]) -> None:
    """Capture what is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SCENES))
    for name in parser.parse_args(words).names:
        for width, height in SIZES:
            file = HERE / f"{name}-{width}x{height}.txt"
            file.write_text(capture(name, width, height))
            print(file)


if __name__ == "__main__":
    main(sys.argv[1:])
