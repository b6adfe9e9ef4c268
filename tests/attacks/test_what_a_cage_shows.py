"""An environment that others have put together, shown to the app in a sandbox: it does not say what else is shown.

A wheel of an approved lock, or a ``.venv`` that comes with a project, can hold ``.pth`` files, a ``pyvenv.cfg`` and
links that lead anywhere. No process is started.
"""

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from syft_flwr_cli.execution.sandbox.interpreter import interpreter_paths


def shown(paths: list[str], secret: Path) -> bool:
    """Whether what is shown holds, or is held by, what is secret."""
    real = os.path.realpath(secret)
    return any(
        real == one or real.startswith(one.rstrip("/") + "/") or one.startswith(real + "/")
        for one in map(os.path.realpath, paths)
    )


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "person" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "id_ed25519").write_text("the key")
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "built" / "0123"
    packages = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    (packages / "zz-syft-flwr.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.mark.parametrize(
    "how",
    ["pth", "pth that goes up", "pth through a link", "pyvenv.cfg", "pyvenv.cfg twice", "home of the node"],
)
def test_an_environment_of_others_shows_nothing_but_itself(
    environment: Path, secret: Path, tmp_path: Path, how: str
) -> None:
    packages = next(environment.glob("lib/python3*/site-packages"))
    keys = tmp_path / "home" / "participants"
    keys.mkdir()
    if how == "pth":
        (packages / "evil.pth").write_text(f"{secret}\n{secret.parent}\n/etc\n/\n")
    elif how == "pth that goes up":
        (packages / "evil.pth").write_text(f"{os.path.relpath(secret, packages)}\n")
    elif how == "pth through a link":
        (packages / "inside").symlink_to(secret)
        (packages / "evil.pth").write_text("inside\n")
    elif how == "pyvenv.cfg":
        (environment / "pyvenv.cfg").write_text(f"home = {secret}/bin\n")
    elif how == "pyvenv.cfg twice":
        text = f"home = {Path(sys.executable).parent}\nhome = {secret.parent}/x\n"
        (environment / "pyvenv.cfg").write_text(text)
    else:
        (packages / "evil.pth").write_text(f"{keys}\n")
    paths = interpreter_paths(environment / "bin" / "python", private=[tmp_path / "home"], foreign=True)
    assert not shown(paths, secret) and not shown(paths, keys)
    assert "/etc" not in paths and "/" not in paths
    assert str(environment) in paths, "and the app still has what it runs with"
    assert {os.path.realpath(sys.base_prefix), sysconfig.get_path("purelib")} <= {
        *map(os.path.realpath, paths),
        *paths,
        *([os.path.realpath(sys.base_prefix)] if sys.base_prefix in ("/", "/usr", "/usr/local") else []),
    }


def test_an_environment_of_ones_own_may_lead_elsewhere_but_not_to_the_keys(
    environment: Path, secret: Path, tmp_path: Path
) -> None:
    packages = next(environment.glob("lib/python3*/site-packages"))
    (packages / "mine.pth").write_text(f"{secret}\n{tmp_path / 'home' / 'participants'}\n")
    (tmp_path / "home" / "participants").mkdir()
    paths = interpreter_paths(environment / "bin" / "python", private=[tmp_path / "home"])
    assert shown(paths, secret), "it is its owner who installed that"
    assert not shown(paths, tmp_path / "home" / "participants")
