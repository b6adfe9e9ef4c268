"""Attacks with what is genuine, but old: of a run that is over, or of before a data owner lost its memory."""

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from doubles.sampling import sample
from forgery import header_of, plaintext_of, sealed
from integration.participants import Process, until
from scene import AGGREGATOR, DO1, DO2, Scene, drop, envelope, executions, new_id

from syft_flwr_cli.storage.journal_reader import look_at_journal
from syft_flwr_cli.storage.paths import participant_dir


def refused(scene: Scene, email: str) -> dict[str, tuple[str, str]]:
    """Reason and sentence by the name of the file."""
    journal = look_at_journal(scene.kept_by(email) / "journal.sqlite3")
    return {one.path.rpartition("/")[2]: (one.reason, one.sentence) for one in journal.refused}


def made(path: Path) -> float:
    """When a message was made."""
    return envelope(path).header.created


@dataclass
class Kept:
    """What somebody has kept of the first run: files by what they are."""

    train: Path
    evaluate: Path
    stop: Path
    answer: Path

    @classmethod
    def of(cls, scene: Scene, aside: Path) -> "Kept":
        shutil.copytree(scene.requests_to(DO1), aside / "requests")
        shutil.copytree(scene.responses_of(DO2), aside / "responses")
        train, evaluate, *_, stop = sorted((aside / "requests").glob("*.request"), key=made)
        return cls(train, evaluate, stop, min((aside / "responses").glob("*.response"), key=made))


@dataclass
class SecondRun:
    """A second run of the same people, after it; names of files by what was done with them."""

    scene: Scene
    clients: list[Process]
    server: Process
    names: dict[str, str]


def second_run(scene: Scene) -> SecondRun:
    """Run twice; in the middle of round 1 of the second run, throw in what was kept of the first."""
    clients = scene.start_clients("--keep-alive")
    scene.serve().wait(0)
    for client in clients:
        client.wait_for("is over")
    scene.came_out_undisturbed()
    kept = Kept.of(scene, scene.place / "kept")
    gate = scene.gate(DO2, "train 1")
    server = scene.serve()
    gate.reached()
    asked = max(scene.requests_to(DO2).glob("*.request"), key=made)
    header = header_of(envelope(kept.train), id=new_id())
    late = sealed(
        header,
        plaintext_of(envelope(kept.train), scene.keys(DO1)),
        scene.keys(AGGREGATOR),
        scene.keys(DO1).public,
    )
    folder = scene.requests_to(DO1)
    names = {
        "renamed": drop(folder / f"{new_id()}.request", kept.train.read_bytes()).name,
        "stop renamed": drop(folder / f"{new_id()}.request", kept.stop.read_bytes()).name,
        "held back": drop(folder / f"{header['id']}.request", late).name,
        "again": drop(folder / kept.train.name, kept.train.read_bytes()).name,
        "stop again": drop(folder / kept.stop.name, kept.stop.read_bytes()).name,
        "overwritten": drop(folder / kept.evaluate.name, b"noise" * 99).name,
        "answer": drop(scene.responses_of(DO2) / f"{asked.stem}.response", kept.answer.read_bytes()).name,
    }
    until(lambda: len(refused(scene, DO1)) == 4 and len(refused(scene, AGGREGATOR)) == 1, "five refusals")
    gate.open()
    server.wait(0)
    for client in clients:
        client.wait_for("is over", times=2)
        client.signal(signal.SIGINT).wait(130)
    return SecondRun(scene, clients, server, names)


OF_THE_FIRST_RUN = {
    "renamed": ("replayed", "its file has another name than the id it was signed with"),
    "stop renamed": ("replayed", "its file has another name than the id it was signed with"),
    "held back": ("wrong-run", "has ended (the run is complete)"),
    "overwritten": ("garbage", "The file has no header line."),
}


def test_messages_of_a_run_that_is_over_are_nothing_to_the_next_one(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    second = second_run(scene)
    for trick, (reason, words) in OF_THE_FIRST_RUN.items():
        with subtests.test(f"a request {trick}"):
            name = second.names[trick]
            found, sentence = refused(scene, DO1)[name]
            assert found == reason and words in sentence
            assert (
                f"Refused {name} of {AGGREGATOR} ({reason}): {sentence.rstrip('.')}." in second.clients[0].err
            )
    with subtests.test("an answer to another request"):
        name = second.names["answer"]
        reason, sentence = refused(scene, AGGREGATOR)[name]
        assert reason == "misaddressed"
        assert f"Refused {name} of {DO2} (misaddressed): {sentence}." in second.server.err
    with subtests.test("the run after it is undisturbed, and nothing was done twice"):
        for owner in scene.owners:
            assert scene.executed(owner) == 2 * executions()
            (scene.data(owner) / "executions.log").write_text("".join(f"{line}\n" for line in executions()))
        scene.came_out_undisturbed()
        for client in second.clients:
            assert client.err.count("is over") == 2


@pytest.mark.parametrize(
    "lost",
    sample(
        ["nothing", "the journal and the audit log", "the journal and the published answer"],
        "the journal and the published answer",
    ),
    ids=lambda lost: lost.replace(" ", "-"),
)
def test_a_data_owner_that_starts_again_executes_nothing_again(scene: Scene, lost: str) -> None:
    gate = scene.gate(DO2, "train 1")
    first, second = scene.start_clients()
    server = scene.serve()
    gate.reached()
    answer = scene.only(scene.responses_of(DO1), ".response")
    request = scene.only(scene.requests_to(DO1), ".request")
    aggregators = scene.kept_by(AGGREGATOR) / "journal.sqlite3"
    until(
        lambda: look_at_journal(aggregators).runs[0].messages.get("answered") == 1, "the answer being taken"
    )
    first.signal(signal.SIGKILL).wait(-signal.SIGKILL)
    if lost != "nothing":
        shutil.rmtree(scene.kept_by(DO1))
    if lost.endswith("log"):
        (participant_dir(scene.home(DO1), DO1) / "audit.jsonl").unlink()
    if lost.endswith("answer"):
        answer.unlink()
    renamed = drop(request.with_name(f"{new_id()}.request"), request.read_bytes())
    drop(request, request.read_bytes())
    again = scene.start_approved_client(DO1)
    again.wait_for(f"Refused {renamed.name} of {AGGREGATOR} (replayed)")
    if lost != "nothing":
        again.wait_for(f"Request {request.stem} was answered by an earlier installation; not executed again.")
    gate.open()
    for process in (server, again, second):
        process.wait(0)
    scene.came_out_undisturbed()
