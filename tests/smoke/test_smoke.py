"""The quickest proof that the package stands: every module imports, help is light, and one round runs."""

import json
import subprocess
import sys
from pathlib import Path
from pkgutil import walk_packages

import syft_flwr_cli


def run(*words: str, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "SYFT_FLWR_HOME": str(home / "syft-flwr")}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_every_module_can_be_imported_by_itself(tmp_path: Path) -> None:
    names = [module.name for module in walk_packages(syft_flwr_cli.__path__, "syft_flwr_cli.")]
    names = [name for name in names if not name.endswith("__main__") and ".templates." not in name]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = run("-c", code, *names, cwd=tmp_path, home=tmp_path)
    assert done.returncode == 0, done.stderr


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom syft_flwr_cli.__main__ import main\nsys.argv = ['syft-flwr', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit(sorted({'flwr', 'googleapiclient', 'starlette', 'numpy'} & set(sys.modules)) or 0)"
    )
    done = run("-c", code, cwd=tmp_path, home=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_template_is_made_and_simulated(tmp_path: Path) -> None:
    made = run(
        *("-m", "syft_flwr_cli", "init", "study", "--template", "numpy", "--aggregator", "ds@lab.example"),
        *("--datasites", "do1@a.example,do2@b.example"),
        cwd=tmp_path,
        home=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    done = run(
        *("-m", "syft_flwr_cli", "simulate", "study", "--run-config", "num-server-rounds=1", "--json"),
        cwd=tmp_path,
        home=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"
