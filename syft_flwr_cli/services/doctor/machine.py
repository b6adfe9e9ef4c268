"""The machine: versions, the sandboxes that work here, free space at home."""

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from syft_flwr_cli.execution.sandbox.capabilities import capabilities
from syft_flwr_cli.services.doctor.finding import Finding, failed, fine, noticed

__all__ = ["check_machine"]

TESTED = ((1, 40), (1, 42))
"""The oldest and the newest minor version of flwr that is tested."""

LEAST_FREE = 1 << 30
"""Bytes that should be free where journals and results are written."""


def check_machine(home: Path) -> Iterator[Finding]:
    """What holds for everybody on this machine."""
    yield _python()
    yield _flwr()
    yield _sandbox()
    yield _space(home)


def _python() -> Finding:
    return fine("python", f"Python {'.'.join(str(part) for part in sys.version_info[:3])}.")


def _flwr() -> Finding:
    try:
        found = version("flwr")
    except PackageNotFoundError:
        return failed("flwr", "Flower is not installed.", "Type: pip install 'flwr>=1.40,<1.43'")
    parts = found.split(".")
    minor = (
        (int(parts[0]), int(parts[1]))
        if parts[1:] and parts[0].isdecimal() and parts[1].isdecimal()
        else (0, 0)
    )
    if not TESTED[0] <= minor <= TESTED[1]:
        oldest, newest = (".".join(map(str, one)) for one in TESTED)
        return failed(
            "flwr",
            f"flwr {found} is not one of the versions that this was tested with ({oldest} to {newest}).",
            "Type: pip install 'flwr>=1.40,<1.43'",
        )
    return fine("flwr", f"flwr {found}.")


def _sandbox() -> Finding:
    found = capabilities()
    best = next((one for one in found if one.works and one.kind != "none"), None)
    if best is None:
        return failed(
            "sandbox",
            "No sandbox works here: an approved app could do what you can.",
            "Install bubblewrap (Debian: apt install bubblewrap), or decide for --sandbox none.",
        )
    weak = best.unenforced()
    if weak:
        return noticed(
            "sandbox",
            f"The sandbox is {best.kind}; this kernel does not keep an app from: {', '.join(weak)}.",
            "Install bubblewrap (Debian: apt install bubblewrap), or a newer kernel.",
        )
    return fine("sandbox", f"The sandbox is {best.kind}: {best.why}.")


def _space(home: Path) -> Finding:
    there = home
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE:
        return failed(
            "space",
            f"Only {free / 1e9:.1f} GB are free where {home} lies.",
            "Free some space there: syft-flwr clean shows what of it can go.",
        )
    return fine("space", f"{free / 1e9:.0f} GB are free where {home} lies.")
