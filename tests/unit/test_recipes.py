"""The recipes of docs/architecture.md, carried out as they stand there in a copy of the package, and tried."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(?:python|diff)\n# (new|edit): (\S+)\n(.*?)```", re.S)

TRIED = {
    "A transport": """
from pathlib import Path
from tempfile import mkdtemp
from syft_flwr_cli.transports.base import BytesContent
from syft_flwr_cli.transports.registry import Opening, all_specs, open_transport
assert "parcel" in all_specs()
place = Path(mkdtemp())
alice = open_transport("parcel", Opening("alice@a.example", {"parcels": place}, 0.1, place / "state"))
alice.publish("box/one.request", BytesContent(b"hello"), ["bob@b.example"])
assert [path for path, _ in alice.list_own("box")] == ["box/one.request"]
alice.close()
""",
    "A command": """
from typer.testing import CliRunner
from syft_flwr_cli.cli.main import load
done = CliRunner().invoke(load(), ["greet", "Ada"])
assert done.exit_code == 0 and "Hello, Ada." in done.stderr
""",
    "A kind of record": """
from syft_flwr_cli.catalogue.records import Record, read_record, record_bytes
from syft_flwr_cli.catalogue.rules import check_record
from syft_flwr_cli.protocol.rejection import RefusedError
there = read_record(record_bytes(Record("greeting", "", 1, 0.0, {"words": "hello"})))
check_record("me@a.example", "you@b.example", there)
try:
    check_record("me@a.example", "you@b.example", Record("greeting", "", 1, 0.0, {"words": 7}))
except RefusedError:
    pass
else:
    raise AssertionError("taken")
""",
    "An event": """
from syft_flwr_cli import events
from syft_flwr_cli.events import Publisher
heard = []
Publisher(heard.append)(events.AppGreeted("study"))
assert heard[0].sentence() == "study says hello." and heard[0].facts()["app_name"] == "study"
""",
    "A sink": """
import inspect
from syft_flwr_cli import events
from syft_flwr_cli.cli import run_server
from syft_flwr_cli.events import Publisher
from syft_flwr_cli.ui.event_count import EventCount
count = EventCount()
Publisher(count)(events.EncryptionOff())
assert count.heard == {"encryption-off": 1}
assert "EventCount()" in inspect.getsource(run_server)
""",
}


def recipes() -> dict[str, list[tuple[str, str, str]]]:
    text = (ROOT / "docs" / "architecture.md").read_text().split("## Five recipes")[1]
    parts = re.split(r"^### (.+)$", text, flags=re.M)[1:]
    return {title: BLOCK.findall(body) for title, body in zip(parts[::2], parts[1::2], strict=True)}


def edited(source: str, change: str) -> str:
    """``source`` with a change as the page shows it: lines that stay, go (-) and come (+), which stand there once."""
    lines = change.splitlines()
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
    assert source.count(before) == 1, f"not once in the file:\n{before}"
    return source.replace(before, after)


def test_there_are_five_and_each_is_tried() -> None:
    assert set(recipes()) == set(TRIED)


@pytest.mark.parametrize("title", TRIED)
def test_a_recipe_touches_what_it_says_and_does_what_it_says(title: str, tmp_path: Path) -> None:
    steps = recipes()[title]
    assert 1 <= len(steps) <= 2, "its own file or entry, and at most one more"
    shutil.copytree(
        ROOT / "syft_flwr_cli", tmp_path / "syft_flwr_cli", ignore=shutil.ignore_patterns("__pycache__")
    )
    for how, path, text in steps:
        place = tmp_path / path
        assert place.exists() == (how == "edit")
        place.write_text(text if how == "new" else edited(place.read_text(), text))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{TRIED[title]}"],
        env={**os.environ, "SYFT_FLWR_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
