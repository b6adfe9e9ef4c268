"""The environment that lies in a project's folder has one digest over all that could run from it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syft_flwr_cli.audit.log import AuditLog, read_entries
from syft_flwr_cli.consent.approvals import (
    Decision,
    decide,
    environments_dir,
    is_approved,
    read_decision,
    require_approved,
    require_environment,
)
from syft_flwr_cli.consent.environment import (
    Environment,
    compare_items,
    keep_items,
    kept_items,
    read_environment,
)
from syft_flwr_cli.consent.manifest import make_manifest
from syft_flwr_cli.errors import NotApprovedError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.storage.file_index import FileIndex

BOB = Identity.create("bob@b.example", 1.0, bytes(SECRETS_SIZE))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "study"
    root.mkdir()
    (root / "app.py").write_text("x = 1\n")
    return root


@pytest.fixture
def packages(project: Path) -> Path:
    """An environment in the project, as far as its files go."""
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (project / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    folder = project / ".venv" / "lib" / "python3.11" / "site-packages"
    (folder / "pack-1.2.dist-info").mkdir(parents=True)
    (folder / "pack-1.2.dist-info" / "METADATA").write_text("Name: pack\n")
    (folder / "pack.py").write_text("y = 1\n")
    (project / ".venv" / "lib64").symlink_to("lib")
    return folder


@pytest.fixture
def keep(tmp_path: Path) -> Path:
    return tmp_path / "home" / "environments"


def later() -> float:
    """A time at which every file that is there has been left alone for a while."""
    return time.time() + 60


@pytest.fixture
def read(project: Path, keep: Path) -> Callable[[], Environment]:
    def read() -> Environment:
        found = read_environment(project, keep, later)
        assert found is not None
        return found

    return read


def test_a_project_without_an_environment_has_none_and_costs_nothing(project: Path, keep: Path) -> None:
    assert read_environment(project, keep) is None
    assert not keep.exists()


def test_it_says_what_it_holds_and_where_it_leads(
    project: Path, packages: Path, read: Callable[[], Environment]
) -> None:
    found = read()
    assert found.interpreter == project / ".venv" / "bin" / "python"
    assert found.distributions == ("pack 1.2",)
    assert [item.path for item in found.items] == [
        "bin/python",
        "lib/python3.11/site-packages/pack-1.2.dist-info/METADATA",
        "lib/python3.11/site-packages/pack.py",
        "lib64",
        "pyvenv.cfg",
    ]
    assert set(found.leads) == {os.path.realpath(sys.executable), os.path.realpath("/usr/bin")}


def test_an_interpreter_that_was_copied_still_leads_to_where_its_library_is(
    packages: Path, read: Callable[[], Environment], tmp_path: Path
) -> None:
    environment = packages.parents[2]
    (environment / "bin" / "python").unlink()
    shutil.copy(sys.executable, environment / "bin" / "python")
    (environment / "pyvenv.cfg").write_text(f"home = {tmp_path / 'python' / 'bin'}\n")
    assert read().leads == (str(tmp_path / "python" / "bin"),)


@pytest.mark.parametrize("home", ["{project}/build/bin", "build/bin", "{project}"])
def test_an_interpreter_whose_library_is_in_the_project_is_refused(
    project: Path, packages: Path, read: Callable[[], Environment], home: str
) -> None:
    (packages.parents[2] / "pyvenv.cfg").write_text(
        f"version = 3.11\nhome = {home.format(project=project)}\n"
    )
    with pytest.raises(NotApprovedError, match="library"):
        read()


@pytest.mark.parametrize("name", ["pybuilddir.txt", "python311._pth"])
def test_a_file_that_moves_the_library_is_refused(
    packages: Path, read: Callable[[], Environment], name: str
) -> None:
    (packages.parents[2] / "bin" / name).write_text("../build\n")
    with pytest.raises(NotApprovedError, match="elsewhere"):
        read()


def test_a_path_file_that_is_a_link_is_read_as_python_reads_it(
    packages: Path, read: Callable[[], Environment], tmp_path: Path
) -> None:
    (packages.parent / "paths.txt").write_text(f"{tmp_path / 'else'}\n")
    (packages / "a.pth").symlink_to("../paths.txt")
    assert str(tmp_path / "else") in read().leads


@pytest.mark.parametrize(
    "change",
    [
        lambda packages: (packages / "pack.py").write_text("y = 2\n"),
        lambda packages: (packages / "pack.py").chmod(0o755),
        lambda packages: (packages / "pack.py").rename(packages / "Pack.py"),
        lambda packages: (packages / "new.pth").write_text("import os\n"),
        lambda packages: (packages / "pack.pyc").write_bytes(b""),
        lambda packages: (packages / "pack.py").unlink(),
        lambda packages: point_to(packages / "pack.py", "/tmp/pack.py"),
        lambda packages: point_to(packages.parents[2] / "bin" / "python", "/bin/sh"),
        lambda packages: (packages.parents[2] / "pyvenv.cfg").write_text("home = /tmp\n"),
        lambda packages: put(packages / "__pycache__" / "pack.py", b""),
        lambda packages: put(packages / "__pycache__" / "pack.pyc", b""),
    ],
)
def test_whatever_could_be_run_changes_the_digest(
    packages: Path, read: Callable[[], Environment], change: Callable[[Path], object]
) -> None:
    before = read().digest
    change(packages)
    assert read().digest != before


def point_to(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def test_bytecode_that_python_caches_does_not(packages: Path, read: Callable[[], Environment]) -> None:
    before = read().digest
    put(packages / "__pycache__" / "pack.cpython-311.pyc", b"anything")
    put(packages / "__pycache__" / "pack.cpython-311.opt-1.pyc", b"anything")
    put(packages / "__pycache__" / "pack.cpython-311.pyc.140012345", b"torn")
    assert read().digest == before


def test_an_environment_elsewhere_that_a_link_leads_to_is_the_environment(
    project: Path, packages: Path, tmp_path: Path, read: Callable[[], Environment]
) -> None:
    before = read().digest
    (project / ".venv").rename(tmp_path / "elsewhere")
    (project / ".venv").symlink_to(tmp_path / "elsewhere")
    assert read().digest == before
    (tmp_path / "elsewhere" / "lib" / "python3.11" / "site-packages" / "pack.py").write_text("y = 2\n")
    assert read().digest != before


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda packages: os.mkfifo(packages / "pipe.py"), "neither a file nor a link"),
        (lambda packages: (packages / "a\nb.py").touch(), "line break"),
        (lambda packages: (packages / "app").symlink_to(packages.parents[3]), "back into the project"),
        (
            lambda packages: point_to(packages.parents[2] / "bin" / "python", "../../app.py"),
            "back into the project",
        ),
    ],
)
def test_what_has_no_digest_is_named(
    packages: Path, read: Callable[[], Environment], make: Callable[[Path], object], why: str
) -> None:
    make(packages)
    with pytest.raises(NotApprovedError, match=why):
        read()


def test_places_outside_are_listed(
    project: Path, packages: Path, tmp_path: Path, read: Callable[[], Environment]
) -> None:
    (packages / "study.pth").write_text(f"{project}\nimport os\n# {tmp_path}/comment\n../inside\n")
    (packages / "far").symlink_to(tmp_path / "far")
    (project / ".venv" / "pyvenv.cfg").write_text("Include-System-Site-Packages=TRUE\n")
    interpreter = os.path.realpath(sys.executable)
    system = "the packages of the system's Python"
    assert set(read().leads) == {interpreter, str(project), str(tmp_path / "far"), system}


def test_what_changed_between_two_states_can_be_told_from_what_was_kept(
    packages: Path, keep: Path, read: Callable[[], Environment]
) -> None:
    before = read()
    keep_items(keep, before)
    (packages / "pack.py").write_text("y = 2\n")
    (packages / "more.py").touch()
    was = kept_items(keep, before.digest)
    assert was == before.items
    changes = compare_items(was, read().items)
    assert [path.rpartition("/")[2] for path in (*changes.added, *changes.changed)] == ["more.py", "pack.py"]
    assert kept_items(keep, "0" * 64) is None
    file = keep / f"{before.digest}.manifest"
    file.write_bytes(file.read_bytes()[:-1])
    assert kept_items(keep, before.digest) is None


def change_under_the_same_size_and_time(path: Path, data: bytes) -> None:
    """What nobody can do from afar: the system's own note of the change is another."""
    before = path.stat()
    assert len(data) == before.st_size
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_bytes_changed_under_the_same_size_and_time_are_noticed(
    packages: Path, read: Callable[[], Environment]
) -> None:
    before = read().digest
    change_under_the_same_size_and_time(packages / "pack.py", b"y = 2\n")
    assert read().digest != before


def test_the_digest_is_the_same_with_an_index_without_one_and_with_a_damaged_one(
    project: Path, packages: Path, keep: Path, read: Callable[[], Environment]
) -> None:
    first = read()
    (index,) = keep.iterdir()
    assert index.stat().st_mode & 0o077 == 0
    assert read() == first
    for damaged in (b"", b"garbage", index.read_bytes()[:-30], index.read_bytes() + b"\n1 2 3"):
        index.write_bytes(damaged)
        assert read() == first


def test_an_index_knows_what_did_not_change_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    index = FileIndex(tmp_path / "index", later)
    index.enter("file", file.stat(), "d1")
    index.save()
    index = FileIndex(tmp_path / "index", later)
    assert index.find("file", file.stat()) == "d1"
    assert index.find("other", file.stat()) is None
    change_under_the_same_size_and_time(file, b"xyz")
    assert index.find("file", file.stat()) is None


def test_a_file_that_changed_just_now_is_read_again_the_next_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    just_now = file.stat().st_ctime
    index = FileIndex(tmp_path / "index", lambda: just_now + 1)
    index.enter("file", file.stat(), "d1")
    index.save()
    assert FileIndex(tmp_path / "index", later).find("file", file.stat()) is None


@pytest.fixture
def owner(tmp_path: Path) -> Path:
    return tmp_path / "home" / "participants" / "bob@b.example"


def say(owner: Path, project: Path, environment: Environment | None, decision: Decision = "approve") -> str:
    return decide(
        owner,
        BOB,
        AuditLog(owner / "audit.jsonl", BOB),
        make_manifest(project),
        project,
        decision=decision,
        project="study",
        app_name="alice@a.example_study_1",
        aggregator="alice@a.example",
        now=5.0,
        environment=environment,
    ).digest


def require(owner: Path, project: Path, environment: Environment) -> None:
    digest = make_manifest(project).digest
    require_environment(owner, digest, BOB.public, environment, project, "study")


def test_an_approved_environment_may_be_run_and_is_in_the_record(
    owner: Path, project: Path, packages: Path, read: Callable[[], Environment]
) -> None:
    digest = say(owner, project, read())
    require(owner, project, read())
    found = read_decision(owner, digest, BOB.public)
    assert found is not None and found.environment == read().digest
    (entry,) = (entry for entry in read_entries(owner / "audit.jsonl") if entry["event"] == "approved")
    assert entry["environment"] == read().digest
    assert [path for path in owner.rglob("*") if path.stat().st_mode & 0o077] == []


def test_another_environment_is_not_approved_and_what_changed_is_named(
    owner: Path, project: Path, packages: Path, read: Callable[[], Environment]
) -> None:
    say(owner, project, read())
    (packages / "pack.py").write_text("y = 2\n")
    with pytest.raises(
        NotApprovedError, match=r"is not the one that bob@b\.example approved: .*pack\.py changed"
    ) as caught:
        require(owner, project, read())
    assert caught.value.exit_code == 14 and f"syft-flwr review {project}" in caught.value.hint
    (environments_dir(owner) / f"{kept_digest(owner, project)}.manifest").unlink()
    with pytest.raises(NotApprovedError, match=r"approved\.$"):
        require(owner, project, read())


def kept_digest(owner: Path, project: Path) -> str:
    found = read_decision(owner, make_manifest(project).digest, BOB.public)
    assert found is not None and found.environment is not None
    return found.environment


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_an_approval_of_the_files_alone_does_not_let_an_environment_run(
    owner: Path, project: Path, packages: Path, read: Callable[[], Environment], decision: Decision
) -> None:
    digest = say(owner, project, None if decision == "approve" else read(), decision)
    assert b"environment" not in (owner / "approvals" / f"{digest}.json").read_bytes()
    with pytest.raises(NotApprovedError, match="has not approved it"):
        require(owner, project, read())


def test_a_statement_with_another_environment_put_in_approves_nothing(
    owner: Path, project: Path, packages: Path, read: Callable[[], Environment]
) -> None:
    digest = say(owner, project, read())
    file = owner / "approvals" / f"{digest}.json"
    file.write_bytes(file.read_bytes().replace(read().digest.encode(), b"0" * 64))
    assert not is_approved(owner, digest, BOB.public)
    with pytest.raises(NotApprovedError, match="does not count"):
        require_approved(owner, make_manifest(project), BOB.public, project, "app", "study")


KEEP_OUT = """
import sys
from syft_flwr_cli.execution.import_guard import keep_out
sys.path[:0] = sys.argv[1:]
keep_out(sys.argv[1:])
found = []
for name in ("outside", "inside", "allowed", "flwr"):
    try:
        __import__(name)
        found.append(name)
    except ImportError:
        pass
print(*found)
"""


@pytest.mark.slow
def test_nothing_is_imported_from_a_folder_that_is_kept_out(tmp_path: Path) -> None:
    project, copy, outside = tmp_path / "study", tmp_path / "study" / "copy", tmp_path / "study2"
    for folder, name in ((project, "inside"), (copy, "allowed"), (outside, "outside")):
        folder.mkdir()
        (folder / f"{name}.py").touch()
    (tmp_path / "by-a-link").symlink_to(project)
    done = subprocess.run(
        [sys.executable, "-c", KEEP_OUT, str(project), str(copy)],
        env={**os.environ, "PYTHONPATH": f"{outside}:{tmp_path / 'by-a-link'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["outside", "allowed", "flwr"]
