"""Takes out one mend of a known attack after the other, and expects the test of that mend to fail.

    python tests/undo/undo.py              every patch
    python tests/undo/undo.py NAME ...     these

A patch is ``patches/NAME.undo``: a file of the package, the text that mends it, and the text without the mend. The text
must stand there exactly once, so that a patch which no longer fits is found out. Each is tried on a copy; before it
the test must pass, with it fail. The form::

    what: the sentence that the mend is about
    test: tests/unit/test_x.py::test_y
    file: syft_flwr_cli/room/module.py
    --- mended
    the lines as they are
    --- undone
    the lines without the mend
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COPIED = ("syft_flwr_cli", "tests", "templates", "docs", "pyproject.toml")


@dataclass(frozen=True)
class Mend:
    """One mend, and how it is taken out."""

    name: str
    what: str
    test: str
    file: str
    mended: str
    undone: str


def read(path: Path) -> Mend:
    """A patch."""
    head, mended, undone = re.split(r"^--- (?:mended|undone)\n", path.read_text(), flags=re.M)
    facts = dict(line.split(": ", 1) for line in head.strip().splitlines())
    return Mend(path.stem, facts["what"], facts["test"], facts["file"], mended, undone)


def passes(copy: Path, test: str) -> bool:
    """Whether a test passes with the package in ``copy``."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *shlex.split(test)]
    answer = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode not in (0, 1):
        raise SystemExit(f"{test} could not be run:\n{answer.stdout}{answer.stderr}")
    return answer.returncode == 0


def undo(mend: Mend, copy: Path) -> str:
    """What is wrong with a mend's test; empty if it found the mend missing."""
    file = copy / mend.file
    text = file.read_text()
    if text.count(mend.mended) != 1:
        return f"the mended text stands {text.count(mend.mended)} times in {mend.file}: bring the patch up to date"
    if not passes(copy, mend.test):
        return f"{mend.test} fails with the mend in place"
    file.write_text(text.replace(mend.mended, mend.undone))
    try:
        return f"{mend.test} passes without the mend" if passes(copy, mend.test) else ""
    finally:
        file.write_text(text)


def main() -> int:
    """Try the patches; 1 if one was not noticed."""
    mends = [read(path) for path in sorted((HERE / "patches").glob("*.undo"))]
    wanted = set(sys.argv[1:])
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="syft-flwr-undo-") as place:
        for name in COPIED:
            source = ROOT / name
            ignore = shutil.ignore_patterns("__pycache__", "corpus")
            if source.is_dir():
                shutil.copytree(source, Path(place) / name, ignore=ignore)
            else:
                shutil.copy(source, Path(place) / name)
        for mend in mends:
            if wanted and mend.name not in wanted:
                continue
            problem = undo(mend, Path(place))
            print(
                f"{'NOT NOTICED' if problem else 'noticed':<12} {mend.name}: {problem or mend.what}",
                flush=True,
            )
            wrong += bool(problem)
    print(
        f"{wrong} of {len(mends)} mends could be taken out without a test that fails."
        if wrong
        else "All noticed."
    )
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
