"""Participants of two versions finish a run together, whichever side is the earlier one."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from fault.ending import assert_audit_verifies, assert_model
from fault.federation import OWNERS, SERVER, Federation, Process, Shell

pytestmark = pytest.mark.mixed

PATIENCE = 240.0


class Versions:
    """Starts some participants with another version, as a person does who has not upgraded."""

    def __init__(self, earlier: Sequence[str], python: Path) -> None:
        self._earlier = frozenset(earlier)
        self._today, self._before = Shell(), Shell(str(python))

    def start(
        self, name: str, words: Sequence[str], environment: Mapping[str, str], out: Path, err: Path
    ) -> Process:
        """Start ``syft-flwr WORDS``."""
        shell = self._before if name in self._earlier else self._today
        return shell.start(name, words, environment, out, err)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "federation"


def make(place: Path, earlier: Sequence[str], python: Path) -> Federation:
    """A federation in which ``earlier`` run the other version; every owner has approved by its own command."""
    versions = Versions(earlier, python)
    federation = Federation(versions, place, approved=True)  # type: ignore[arg-type]
    for owner in OWNERS:
        words = ["review", str(federation.project), "--email", owner, "--approve", "--json"]
        stem = federation.place / "said" / f"{owner}.review"
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(place),
            "SYFT_FLWR_HOME": str(federation.home(owner)),
        }
        review = versions.start(owner, words, environment, stem.with_suffix(".out"), stem.with_suffix(".err"))
        assert review.wait(PATIENCE) == 0, review.said()
    return federation


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param((SERVER,), id="the aggregator is the earlier one"),
        pytest.param(OWNERS, id="the data owners are the earlier ones"),
        pytest.param(OWNERS[:1], id="one data owner is the earlier one"),
    ],
)
def test_a_run_of_two_versions_comes_to_the_same_model(
    place: Path, earlier_python: Path, earlier: Sequence[str]
) -> None:
    federation = make(place, earlier, earlier_python)
    try:
        federation.start_all()
        federation.finish(PATIENCE)
    finally:
        federation.kill_all()
    document = federation.lives[SERVER][-1].document()
    assert document["status"] == "ok" and document["data"]["missing"] == []
    assert_model(federation)
    for who in federation.lives:
        assert_audit_verifies(federation, who)


def test_the_other_version_is_another_one(earlier_python: Path) -> None:
    where = subprocess.run(
        [str(earlier_python), "-c", "import json, syft_flwr_cli; print(json.dumps(syft_flwr_cli.__file__))"],
        cwd=earlier_python.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    package = Path(json.loads(where.stdout)).parent
    assert (package / "messaging").is_dir() and not (package / "delivery").exists()
