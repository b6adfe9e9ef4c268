"""The transcript of docs/first-federation.md, typed: three machines, one shared folder, and nobody copies a folder."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from participants import AGGREGATOR, OWNERS, Federation, Process

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-federation.md"
PEOPLE = dict(zip(("ds", "do1", "do2"), (AGGREGATOR, *OWNERS), strict=True))


def commands() -> list[tuple[str, list[str]]]:
    """Who types what, up to the end of the run."""
    text = PAGE.read_text(encoding="utf-8").partition("## Afterwards")[0]
    return [
        (who, shlex.split(words)) for who, words in re.findall(r"^(ds|do\d)\$ syft-flwr (.*)$", text, re.M)
    ]


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    made = Federation(tmp_path, tmp_path / "ds" / "study")
    made.variables["SYFT_FLWR_POLL_INTERVAL"] = "0.3"
    made.root.mkdir(exist_ok=True)
    yield made
    made.close()


def test_the_page_needs_few_commands_and_copies_nothing() -> None:
    assert 0 < len(commands()) <= 8
    assert {words[0] for _, words in commands()} == {"init", "share", "join", "run-server"}


def test_the_page_typed_on_three_machines_ends_with_a_complete_run(federation: Federation) -> None:
    machines = {who: federation.place / who for who in PEOPLE}
    for folder in machines.values():
        (folder / "records").mkdir(parents=True)
    rows = (
        Path(__file__).resolve().parents[2]
        / "templates"
        / "tabular"
        / "package"
        / "mock_data"
        / "tumours.jsonl"
    )
    for who in ("do1", "do2"):
        shutil.copy(rows, machines[who] / "records")
    waiting: list[Process] = []
    for who, words in commands():
        typed = [str(federation.root) if word == "/shared" else word for word in words]
        process = federation.start(
            [sys.executable, "-m", "syft_flwr_cli", *typed], PEOPLE[who], machines[who]
        )
        if words[0] == "join":
            waiting.append(process)
        else:
            process.wait(0)
    for process in waiting:
        process.wait(0)
    last = federation.processes[-1]
    assert "is complete" in last.err
    assert re.search(r"5\s+evaluate\s+2/2", last.out + last.err)
    assert not (machines["do1"] / "study").exists()
