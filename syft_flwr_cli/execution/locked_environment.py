"""The environment of a project, built from its approved lock: exact versions, checked by hash, from wheels alone.

It is a virtual environment of its own below the participant's directory, named after the lock and the interpreter, and
behind its packages lie those of the tool. uv builds it where it is there, else venv and pip. What is complete is used
again; what a crash left is built anew. Nothing is built from source, nothing that the lock does not name is installed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from syft_flwr_cli.errors import NotApprovedError, UsageError
from syft_flwr_cli.execution.dependency_lock import Locked, lock_text, parse_lock, provided
from syft_flwr_cli.storage.paths import locked as holding
from syft_flwr_cli.storage.paths import make_private_dir, write_private

__all__ = ["built_environment", "compile_lock", "environment_of"]

_COMPLETE = "syft-flwr-complete"
_LONGEST = 3600.0
_LAST = 800


def environment_of(place: Path, packages: Sequence[Locked]) -> Path:
    """The interpreter of the environment of a lock; it may not be there yet."""
    return _folder(place, packages) / "bin" / "python"


def built_environment(place: Path, packages: Sequence[Locked], wheels: Path | None) -> tuple[Path, bool]:
    """The interpreter of the environment of a lock, built now if it is not there; whether it was built now.

    Parameters
    ----------
    place : Path
        The folder of all built environments of the participant.
    packages : sequence of Locked
        An approved lock.
    wheels : Path, optional
        A folder with wheels, which alone are used; from the configured package index if None.

    Raises
    ------
    NotApprovedError
        If a wheel has another hash than the lock says.
    UsageError
        If it cannot be built for another reason.
    """
    folder = _folder(place, packages)
    interpreter = folder / "bin" / "python"
    if wheels is not None and not wheels.is_dir():
        raise UsageError(f"There is no folder {wheels}.", hint="Give a folder with wheels with --wheels DIR.")
    with holding(folder):
        if (folder / _COMPLETE).exists() and interpreter.exists():
            return interpreter, False
        shutil.rmtree(folder, ignore_errors=True)
        make_private_dir(place)
        lock = folder.with_name(f"{folder.name}.txt")
        write_private(lock, lock_text(packages).encode())
        try:
            _make(folder)
            _install(interpreter, lock, wheels)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            lock.unlink(missing_ok=True)
        _show_tool(folder)
        write_private(folder / _COMPLETE, b"")
    return interpreter, True


def compile_lock(requirements: Sequence[str], wheels: Path | None) -> str:
    """A lock for requirement lines, without what the tool brings; needs uv.

    Raises
    ------
    UsageError
        If no versions are found that fit, or uv is not there.
    """
    uv = _uv()
    if uv is None:
        raise UsageError("There is no uv, which writes locks.", hint="Install it: pip install uv")
    command = [uv, "pip", "compile", "-", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
    command += ["--python", sys.executable, "--only-binary", ":all:", "--universal", *_source(wheels)]
    done = _run(command, "\n".join(requirements) + "\n")
    if done.returncode:
        raise UsageError(
            f"No lock was found for {', '.join(requirements)}: {_last(done)}",
            hint="Correct the dependencies in pyproject.toml, or give a folder with their wheels: --wheels DIR.",
        )
    brought = provided()
    found = [one for one in parse_lock(done.stdout, Path("uv's output")) if one.name not in brought]
    return lock_text(found)


def _folder(place: Path, packages: Sequence[Locked]) -> Path:
    tag = f"{sys.implementation.cache_tag} {sys.prefix} {sysconfig.get_platform()}\n"
    return place / hashlib.sha256((tag + lock_text(packages)).encode()).hexdigest()[:32]


def _make(folder: Path) -> None:
    uv = _uv()
    command = (
        [uv, "venv", "--quiet", "--no-config", "--no-project", "--python", sys.executable] if uv else None
    )
    if command is None:
        command = [sys.executable, "-m", "venv"]
    done = _run([*command, str(folder)])
    if done.returncode:
        raise UsageError(
            f"No environment can be made in {folder}: {_last(done)}",
            hint="Make one yourself and name it with --python PATH.",
        )


def _install(interpreter: Path, lock: Path, wheels: Path | None) -> None:
    uv = _uv()
    command = [uv, "pip", "install", "--quiet", "--python", str(interpreter)] if uv else None
    if command is None:
        command = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary", ":all:", "--no-deps", *_source(wheels), "-r", str(lock)]
    done = _run(command)
    if not done.returncode:
        return
    said = _last(done)
    if "hash" in done.stderr.lower():
        raise NotApprovedError(
            f"A package is not the one that was approved: {said}",
            hint="Do not use these wheels; ask where they come from.",
        )
    raise UsageError(
        f"The approved packages cannot be installed: {said}",
        hint="Where there is no package index, give a folder with their wheels: --wheels DIR; or name an "
        "environment of your own: --python PATH.",
    )


def _source(wheels: Path | None) -> list[str]:
    return [] if wheels is None else ["--no-index", "--find-links", str(wheels.absolute())]


def _show_tool(folder: Path) -> None:
    """Let the packages of the tool be found behind those of the environment."""
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    for packages in folder.glob("lib*/python3*/site-packages"):
        (packages / "zz-syft-flwr.pth").write_text("".join(f"{path}\n" for path in sorted(here)))


def _uv() -> str | None:
    return shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def _run(command: Sequence[str], given: str | None = None) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"{command[0]} cannot be run: {error}.", hint="Name an environment with --python PATH."
        ) from error


def _last(done: "subprocess.CompletedProcess[str]") -> str:
    return " ".join((done.stderr or done.stdout).split())[-_LAST:] or f"exit code {done.returncode}"
