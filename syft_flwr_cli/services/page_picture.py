"""A page as a picture, taken by a Chromium or Chrome of this machine, without a network."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from syft_flwr_cli.errors import SyftFlwrError, UsageError

__all__ = ["take_picture"]

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZE: Final = (1200, 1700)
TIMEOUT: Final = 120.0


def take_picture(page: str, target: Path) -> None:
    """Write ``target``, a PNG of the first 1200 by 1700 points of ``page``.

    Raises
    ------
    UsageError
        If no browser is found.
    SyftFlwrError
        If it makes no picture.
    """
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise UsageError(
            "--png needs Chromium or Chrome, and none is on the PATH.",
            hint="Install one (Debian: apt install chromium), or open the page and print it: syft-flwr report",
        )
    with tempfile.TemporaryDirectory(prefix="syft-flwr-png-") as place:
        file = Path(place) / "report.html"
        file.write_text(page, encoding="utf-8")
        picture = Path(place) / "report.png"
        words = [browser, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        words += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={place}/profile"]
        # The page is ours, runs no script, and root has no sandbox in Chromium.
        words += ["--no-sandbox"] if os.geteuid() == 0 else []
        words += [f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={picture}", file.as_uri()]
        try:
            done = subprocess.run(words, capture_output=True, timeout=TIMEOUT, check=False, cwd=place)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SyftFlwrError(
                f"{browser} made no picture: {error}", hint="Open the page and print it: syft-flwr report"
            ) from error
        if done.returncode or not picture.is_file():
            raise SyftFlwrError(
                f"{browser} made no picture (exit code {done.returncode}).",
                hint="Open the page and print it: syft-flwr report",
            )
        target.write_bytes(picture.read_bytes())
