"""The desk in headless Chromium: no console error, no request elsewhere, nothing serious for axe-core, by keyboard too.

Needs Chromium, Node, and the npm packages playwright-core and axe-core in the folder that SYFT_FLWR_NODE_MODULES names.
"""

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from desk_scene import CLIENT, TOKEN, Scene

from syft_flwr_cli.ui.desk.actions import Place
from syft_flwr_cli.ui.desk.server import make_app

CHROMIUM, NODE = shutil.which("chromium"), shutil.which("node")
MODULES = Path(os.environ.get("SYFT_FLWR_NODE_MODULES", "node_modules")).absolute()
THERE = all((MODULES / name).is_dir() for name in ("playwright-core", "axe-core"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    scene = Scene(tmp_path)
    browser = scene.browser()
    first = scene.offer()
    browser.submit(f"/project/{first}", f"/project/{first}/approve", use="folder", folder=str(scene.data))
    scene.write("study/client_app.py", CLIENT + "# <script>alert(1)</script> \x1b[31m\n")
    place = f"/project/{scene.offer('<b>bold</b>')}"
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    app = make_app(Place(scene.desk, scene.node), {address}, TOKEN)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    file = f"{place}/file?path=study%2Fclient_app.py"
    yield f"http://{address}", ["/", "/runs", "/keys", "/evidence", place, f"{place}/rehearsal", file]
    server.should_exit = True
    thread.join()


@pytest.mark.full
@pytest.mark.skipif(CHROMIUM is None or NODE is None, reason="chromium or node is not installed")
@pytest.mark.skipif(
    not THERE, reason="SYFT_FLWR_NODE_MODULES names no folder with playwright-core and axe-core"
)
def test_every_page_in_a_browser(served: tuple[str, list[str]], tmp_path: Path) -> None:
    origin, paths = served
    given = {"modules": str(MODULES), "chromium": CHROMIUM, "profile": str(tmp_path / "profile")}
    given |= {"origin": origin, "token": TOKEN, "paths": paths}  # type: ignore[dict-item]
    script = Path(__file__).with_name("desk_browser.js")
    done = subprocess.run(
        [str(NODE), str(script), json.dumps(given)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["checked"] > 100
