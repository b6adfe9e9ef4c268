"""A federation over Google Drive (emulated) comes to the undisturbed end whatever Drive does, whoever is killed.

The result, the journals and the records are checked as for the folder; what lies on Drive is checked by
asking the emulator: every file once, in a folder that is read by those it is for, and no payload left.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from doubles.sampling import sample

from fault.ending import assert_audit_verifies, assert_model, assert_nothing_open, assert_rounds
from fault.federation import AGGREGATOR, SERVER, STEADY, Federation, Zygote
from syft_flwr_cli.testing.drive_emulator import Call, Emulator, start

OWNERS = ("do1@fault.example", "do2@fault.example", "o'neil@fault.example")
PATIENCE = 120.0

POINTS = [
    "gdrive.folder.planned",
    "gdrive.folder.made",
    "gdrive.folder.shared",
    "gdrive.publish.planned",
    "gdrive.publish.written",
    "gdrive.publish.done",
    "gdrive.remove.begin",
    "gdrive.remove.deleted",
]


class DriveFederation(Federation):
    """A federation whose participants have nothing in common but the emulated Drive."""

    def words(self, who: str) -> list[str]:
        """The command of a participant: the same each time."""
        words = super().words(who)
        at = words.index("--transport")
        return [*words[:at], "--transport", "gdrive", *words[at + 4 :]]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with start(seed=11) as running:
        yield running


Make = Callable[[], DriveFederation]


@pytest.fixture
def drive_federation(zygote: Zygote, place: Path, emulator: Emulator) -> Iterator[Make]:
    made: list[DriveFederation] = []
    project = place / "steady"
    shutil.copytree(STEADY, project, ignore=shutil.ignore_patterns("__pycache__"))
    about = project / "pyproject.toml"
    two = json.dumps(["do1@fault.example", "do2@fault.example"])
    assert two in about.read_text()
    about.write_text(about.read_text().replace(two, json.dumps(OWNERS)))

    def make(rounds: int = 3) -> DriveFederation:
        where = {"SYFT_FLWR_DRIVE_ENDPOINT": emulator.endpoint, "SYFT_FLWR_POLL_INTERVAL": "0.2"}
        how = {"owners": OWNERS, "config": {"num-server-rounds": rounds}, "environment": where}
        made.append(DriveFederation(zygote, place / "one", project=project, **how))
        return made[-1]

    yield make
    for one in made:
        one.kill_all()


def assert_same_end(federation: DriveFederation, emulator: Emulator) -> None:
    document = federation.lives[SERVER][-1].document()
    assert document["status"] == "ok", document
    assert document["data"]["transport"] == "gdrive"
    assert_model(federation)
    assert_rounds(federation, document["data"])
    assert_nothing_open(federation)
    for who in federation.lives:
        assert_audit_verifies(federation, who)
    assert_drive_is_tidy(emulator)


def assert_drive_is_tidy(emulator: Emulator) -> None:
    files, folders = emulator.files(), emulator.files(folders=True)
    twins = Counter((file.parent or "", file.name) for file in files)
    twins += Counter((folder.owner, folder.name) for folder in folders)
    assert [name for name, times in twins.items() if times > 1] == []
    left = [file.name for file in files if not file.name.endswith((".request", ".response", "identity.json"))]
    assert left == [], "what was needed only for a while is still there"
    asked = {file.name for file in files if file.name.endswith(".request")}
    answered = [file for file in files if file.name.endswith(".response")]
    assert len(asked) - len(answered) == len(OWNERS), "only the signals to stop have no answer"
    for folder in folders:
        readers = {email for email, _ in folder.shared.values()}
        if "_to_all/" in folder.name:
            assert readers == set(OWNERS)
        elif "_to_" in folder.name:
            (reader,) = readers
            assert f"_{folder.owner}_to_{reader}/" in folder.name
        else:
            assert readers <= {AGGREGATOR, *OWNERS}
    refused = [call for call in emulator.calls() if call.status in (400, 501)]
    assert refused == [], "Google would not have understood these"


@pytest.mark.full
def test_five_rounds_over_drive(
    drive_federation: Callable[[int], DriveFederation], emulator: Emulator
) -> None:
    run = drive_federation(5)
    run.start_all()
    run.finish(PATIENCE)
    assert_same_end(run, emulator)


def test_five_rounds_while_a_fifth_of_all_calls_fails(
    drive_federation: Callable[[int], DriveFederation], emulator: Emulator
) -> None:
    emulator.chaos(0.2)
    run = drive_federation(5)
    run.start_all()
    run.finish(PATIENCE)
    assert_same_end(run, emulator)
    faults = Counter(call.fault for call in emulator.calls() if call.fault)
    assert {fault.removesuffix(" after") for fault in faults} >= {"drop", "429", "500", "502", "503"}
    assert any(fault.endswith(" after") for fault in faults)


@pytest.mark.full
def test_five_rounds_while_the_feed_is_late_and_leaves_out_a_third_and_repeats_itself(
    drive_federation: Callable[[int], DriveFederation], emulator: Emulator
) -> None:
    emulator.chaos(0.2)
    emulator.settings(feed_lag=0.5, feed_loss=0.3, feed_repeats=7)
    run = drive_federation(5)
    run.start_all()
    run.finish(PATIENCE)
    assert_same_end(run, emulator)


@pytest.mark.parametrize(
    "what",
    sample(["network", "api disabled", "login revoked", "drive full", "sharing refused"], "drive full"),
)
def test_a_run_goes_on_when_what_was_wrong_is_right_again(
    drive_federation: Make, emulator: Emulator, what: str
) -> None:
    run = drive_federation()
    sick = [AGGREGATOR, OWNERS[0]]
    if what == "sharing refused":  # which matters when folders are made, so from the beginning
        emulator.account(AGGREGATOR, sharing_refused=True)
    run.start_all()
    if what != "sharing refused":
        calls(emulator, lambda call: call.method == "files.create" and ".request" in call.detail)
    if what == "network":
        emulator.chaos(1.0, kinds=("drop",), after=0.0)
    elif what == "api disabled":
        emulator.settings(api_disabled=True)
    elif what == "login revoked":
        for email in sick:
            emulator.revoke(email)
    elif what == "drive full":
        for email in sick:
            emulator.account(email, limit=1)
    calls(emulator, lambda call: call.status in (0, 400, 401, 403), 3)
    assert all(not process.ended.is_set() for lives in run.lives.values() for process in lives)
    emulator.calm()
    for email in sick:
        emulator.restore(email)
        emulator.account(email, limit=1 << 30, sharing_refused=False)
    run.finish(PATIENCE)
    assert_same_end(run, emulator)


def calls(emulator: Emulator, wanted: Callable[[Call], bool], times: int = 1) -> None:
    """Wait until the emulator was asked what is wanted."""
    deadline = monotonic() + PATIENCE
    while sum(map(wanted, emulator.calls())) < times:
        assert monotonic() < deadline, "it was never asked"
        sleep(0.02)


@pytest.mark.parametrize(
    "who, point", [(SERVER, "gdrive.publish.planned:3"), (OWNERS[2], "gdrive.publish.written:4")]
)
def test_a_participant_killed_at_a_write_to_drive(
    drive_federation: Make, emulator: Emulator, who: str, point: str
) -> None:
    kill_and_go_on(drive_federation, emulator, who, point)


@pytest.mark.full
@pytest.mark.parametrize("chaos", [0.0, 0.2])
@pytest.mark.parametrize("time", [1, 2, 5])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("who", [SERVER, OWNERS[2]])
def test_a_participant_killed_at_any_write_to_drive(
    drive_federation: Make, emulator: Emulator, who: str, point: str, time: int, chaos: float
) -> None:
    emulator.chaos(chaos)
    # A small response is one file, which its owner keeps for a while: it need not remove anything.
    passes = time == 1 and not (who in OWNERS and point.startswith("gdrive.remove"))
    kill_and_go_on(drive_federation, emulator, who, f"{point}:{time}", must=passes)


def kill_and_go_on(make: Make, emulator: Emulator, who: str, point: str, *, must: bool = True) -> None:
    run = make()
    run.start_all({who: point})
    run.finish(PATIENCE)
    assert run.killed(who) == 1 or not must, f"{who} did not pass {point}"
    assert_same_end(run, emulator)
