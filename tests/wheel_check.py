"""Build the wheel, install it into a new environment, and run every template that needs no PyTorch from there.

Not a test of pytest's: it is slow, needs the package index, and must not see the checkout. Exit code 0
means that what a user gets with ``pip install`` works.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
TEMPLATES = ("numpy", "tabular", "analytics", "secagg")


def run(*words: str, cwd: Path, **environment: str) -> str:
    """Run a command that must succeed; its stdout."""
    result = subprocess.run(
        words, cwd=cwd, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=False
    )
    if result.returncode:
        sys.exit(f"{' '.join(words)} ended with exit code {result.returncode}")
    return result.stdout


def main() -> None:
    """Build, install, try."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(place), str(CHECKOUT), cwd=place)
        (wheel,) = place.glob("*.whl")
        (CHECKOUT / "dist").mkdir(exist_ok=True)
        shutil.copy(wheel, CHECKOUT / "dist")
        venv.create(place / "env", with_pip=True)
        python = str(place / "env" / "bin" / "python")
        run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel), cwd=place)
        command = str(place / "env" / "bin" / "syft-flwr")
        where = run(python, "-c", "import syft_flwr_cli; print(syft_flwr_cli.__file__)", cwd=place)
        assert str(CHECKOUT) not in where, where
        for template in TEMPLATES:
            name = f"try-{template}"
            people = ["--aggregator", "ds@lab.example", "--datasites", "do1@a.example,do2@b.example"]
            run(command, "init", name, "--template", template, *people, "--yes", cwd=place)
            text = run(command, "simulate", name, "--json", cwd=place, SYFT_FLWR_HOME=str(place / "home"))
            document = json.loads(text)
            assert document["status"] == "ok" and document["data"]["rounds"], document
            print(f"{template}: {len(document['data']['rounds'])} rounds from the installed wheel")


if __name__ == "__main__":
    main()
