"""Transcripts: what is typed, what is answered and the exit code, with the real program in its own process.

A transcript is text. ``$ `` starts a command (``syft-flwr`` is the program under test), the lines up to the
next one are its whole output, stdout first, then stderr; ``? N`` is its exit code if that is not 0. ``…`` in
an expected line stands for anything.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from doubles.json_documents import check_document


@dataclass(frozen=True)
class Answer:
    """What a command said and how it left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        text = self.out + self.err + (f"? {self.code}\n" if self.code else "")
        return [line.rstrip() for line in text.splitlines()]


@dataclass(frozen=True)
class Shell:
    """A place to type commands in, with a home and an environment of its own."""

    folder: Path
    home: Path

    def run(self, *words: str, stdin: str = "", **environ: str) -> Answer:
        """Run one command without a terminal."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", "syft_flwr_cli", *words],
            cwd=self.folder,
            input=stdin,
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
            env={
                **kept,
                "HOME": str(self.folder),
                "SYFT_FLWR_HOME": str(self.home),
                "PYTHONPATH": str(Path(__file__).parents[2]),
                **environ,
            },
        )
        check_document(words, done.stdout)
        return Answer(done.returncode, done.stdout, done.stderr)

    def follows(self, transcript: str) -> None:
        """Type every command of ``transcript`` and compare every line of every answer."""
        commands = re.split(r"^\$ ", transcript.strip("\n") + "\n", flags=re.MULTILINE)[1:]
        assert commands, "no command in this transcript"
        for command in commands:
            typed, _, expected = command.partition("\n")
            program, *words = shlex.split(typed)
            assert program == "syft-flwr"
            answer = self.run(*words)
            assert "Traceback" not in answer.err
            wanted = [line.rstrip() for line in expected.splitlines()]
            pattern = "\n".join(re.escape(line).replace("…", ".*") for line in wanted)
            said = "\n".join(answer.lines)
            assert re.fullmatch(pattern, said), f"$ {typed}\n--- expected\n{expected}\n--- said\n{said}"
