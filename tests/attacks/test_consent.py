"""Code that nobody approved: it is not run, does not see the data, and whoever waits for it hears why."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.participants import Process
from scene import DO1, DO2, OWNERS, Scene, executions
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

REFUSED = f"{DO1} has not approved this version of counted"


class Watched(FileSystemEventHandler):
    """Hears of everything that is opened, read or written below a folder."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._touched: list[str] = []

    def on_any_event(self, event: FileSystemEvent) -> None:
        with self._news:
            self._touched.append(Path(str(event.src_path)).name)
            self._news.notify_all()

    def until(self, name: str) -> list[str]:
        """What was touched before ``name``, which is waited for."""
        with self._news:
            assert self._news.wait_for(lambda: name in self._touched, 60), "the watch does not work"
            return self._touched[: self._touched.index(name)]


@contextmanager
def watched(folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Gives what was touched below ``folder`` until it is asked for."""
    watch, observer = Watched(), Observer()
    observer.schedule(watch, str(folder), recursive=True)
    observer.start()

    def touched() -> list[str]:
        (folder / "end of the watch").write_text("")
        return watch.until("end of the watch")

    try:
        yield touched
    finally:
        observer.stop()
        observer.join()


def own_copy(scene: Scene, owner: str) -> Path:
    """The project as one data owner has it, apart from the others'."""
    return Path(shutil.copytree(scene.project, scene.place / f"copy of {owner}" / "counted"))


def client(scene: Scene, project: Path, owner: str, *words: str) -> Process:
    """``run-client`` of a data owner's own copy."""
    given = ["--email", owner, "--root", str(scene.root), "--data", str(scene.data(owner))]
    return scene.command("run-client", str(project), *given, *words, email=owner)


def approve(scene: Scene, project: Path, owner: str) -> str:
    """The consent of a data owner to its own copy; its digest."""
    words = ["review", str(project), "--email", owner, "--approve", "--json"]
    return str(scene.run(*words, email=owner).data["digest"])


def change_a_byte(path: Path) -> None:
    """Where it changes what is said of the code, but not what the code does."""
    before = path.read_bytes()
    word = b"averages" if path.name == "server_app.py" else b"exact"
    assert word in before
    path.write_bytes(before.replace(word, word[:-1] + b"!", 1))


def test_code_that_is_not_approved_does_not_run_and_does_not_see_the_data(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    project = own_copy(scene, DO1)
    files = sorted(path for path in project.rglob("*") if path.is_file())
    assert len(files) == 4
    with watched(scene.data(DO1)) as touched:
        with subtests.test("never approved"):
            refused = client(scene, project, DO1).wait(14)
            assert REFUSED in refused.err
            assert f"syft-flwr review '{project}' --email {DO1} --diff" in refused.err
        approve(scene, project, DO1)
        for path in files:
            with subtests.test(f"one byte of {path.name} is another"):
                good = path.read_bytes()
                change_a_byte(path)
                refused = client(scene, project, DO1).wait(14)
                assert REFUSED in refused.err
                assert f"; {path.relative_to(project)} changed since the version approved last" in refused.err
                path.write_bytes(good)
        with subtests.test("a file more"):
            (project / "counted" / "numpy.py").write_text("open('/etc/passwd')\n")
            assert "counted/numpy.py changed since" in client(scene, project, DO1).wait(14).err
            (project / "counted" / "numpy.py").unlink()
        with subtests.test("a file less"):
            good_bytes = files[0].read_bytes()
            files[0].unlink()
            assert "changed since" in client(scene, project, DO1).wait(14).err
            files[0].write_bytes(good_bytes)
        with subtests.test("a file that can be executed"):
            files[0].chmod(0o755)
            assert "changed since" in client(scene, project, DO1).wait(14).err
            files[0].chmod(0o644)
        assert touched() == []
    assert list(scene.root.iterdir()) == [] and scene.executed(DO1) == []
    with subtests.test("as it was approved, it runs"):
        scene.approve(DO2)
        first, second = client(scene, project, DO1), scene.start_approved_client(DO2)
        for process in (scene.serve(), first, second):
            process.wait(0)
        scene.came_out_undisturbed()


def test_code_that_changes_while_its_node_runs_is_not_run_again(scene: Scene) -> None:
    project = own_copy(scene, DO1)
    approve(scene, project, DO1)
    scene.approve(DO2)
    gate = scene.gate(DO2, "train 1")
    node = client(scene, project, DO1, "--keep-alive")
    second = scene.start_approved_client(DO2, "--keep-alive")
    server = scene.serve()
    gate.reached()
    scene.only(scene.responses_of(DO1), ".response")
    # In the middle of a run: what runs is the approved copy, whatever becomes of the files.
    (project / "counted" / "client_app.py").write_text("raise SystemExit('not approved')\n")
    gate.open()
    server.wait(0)
    node.wait_for("is over: the run is complete")
    scene.came_out_undisturbed()
    # The next run finds them changed.
    server = scene.serve()
    sentence = "the files of the project at the data owner are not those any more that it has approved"
    server.wait_for(f"{DO1} reports an error: {sentence}")
    assert f"Finished, but without {DO1}." in server.wait(3).err
    refused = node.wait(14)
    assert (
        f"error: The files of counted in {project} have changed since this node was started." in refused.err
    )
    assert (
        f"hint: Look at them, then decide: syft-flwr review '{project}' --email {DO1} --diff" in refused.err
    )
    assert str(project) not in server.err
    assert scene.executed(DO1) == executions()
    second.end()


def test_an_aggregator_that_expects_other_code_is_told_so_by_everybody(scene: Scene) -> None:
    copies = {owner: own_copy(scene, owner) for owner in OWNERS}
    theirs = {owner: approve(scene, copy, owner) for owner, copy in copies.items()}
    with (scene.project / "counted" / "server_app.py").open("a") as file:
        file.write("# not what the data owners have approved\n")
    expected = str(
        scene.run("review", str(scene.project), "--email", DO1, "--json", email=DO1).data["digest"]
    )
    nodes = {owner: client(scene, copies[owner], owner) for owner in OWNERS}
    server = scene.serve("--json").wait(3)
    sentence = f"The aggregator expects the code {expected[:16]}…, and {theirs[DO1][:16]}… is what the data owner has"
    for owner, node in nodes.items():
        assert f"A request was not executed: {sentence}" in node.wait(0).err
        assert f"{owner} reports an error: {sentence}" in server.err
        assert scene.executed(owner) == []
    assert server.document["status"] == "error"
    assert server.data["missing"] == list(OWNERS)
