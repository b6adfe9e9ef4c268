"""The environment that lies in a project's folder: run only as it was approved, and nothing beside it."""

import os
import py_compile
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from doubles.sampling import sample
from integration.participants import Process
from scene import DO1, DO2, Scene

IMPORTED = "VALUE = 1\n"


@pytest.fixture
def project(scene: Scene) -> Path:
    """The project as a data owner has it, with an environment in its folder, and an unknown module that it imports."""
    project = Path(shutil.copytree(scene.project, scene.place / "copy" / "counted"))
    venv.create(project / ".venv", symlinks=True)
    packages = packages_of(project)
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()))
    (packages / "start.pth").write_text("import imported\n")
    (packages / "imported.py").write_text(IMPORTED)
    return project


def packages_of(project: Path) -> Path:
    (packages,) = (project / ".venv" / "lib").glob("python3.*/site-packages")
    return packages


def leave_a_mark(mark: Path) -> str:
    return f"open({str(mark)!r}, 'w').close()\n"


def client(scene: Scene, project: Path, *words: str, **variables: str) -> Process:
    given = ["--email", DO1, "--root", str(scene.root), "--data", str(scene.data(DO1))]
    return scene.command("run-client", str(project), *given, *words, email=DO1, **variables)


def approve(scene: Scene, project: Path, *words: str) -> None:
    scene.run("review", str(project), "--email", DO1, "--approve", *words, email=DO1)


def test_an_environment_that_was_not_approved_or_was_altered_runs_nothing(
    scene: Scene, project: Path, subtests: pytest.Subtests
) -> None:
    mark, imported = scene.place / "mark", packages_of(project) / "imported.py"
    with subtests.test("approved without it"):
        approve(scene, project, "--no-environment")
        imported.write_text(leave_a_mark(mark))
        assert f"{DO1} has not approved it" in client(scene, project).wait(14).err
        imported.write_text(IMPORTED)
    approve(scene, project)
    with subtests.test("a file of a package is another"):
        imported.write_text(leave_a_mark(mark))
        refused = client(scene, project).wait(14).err
        assert f"The environment .venv of counted is not the one that {DO1} approved" in refused
        assert "site-packages/imported.py changed" in refused
        assert f"hint: Look at it, then decide: syft-flwr review {project} --email {DO1}; or name" in refused
        imported.write_text(IMPORTED)
    with subtests.test("a file more, that Python runs at its start"):
        (packages_of(project) / "a.pth").write_text(f"import os; {leave_a_mark(mark)}")
        assert "a.pth changed" in client(scene, project).wait(14).err
        (packages_of(project) / "a.pth").unlink()
    with subtests.test("another interpreter"):
        python = project / ".venv" / "bin" / "python"
        before = os.readlink(python)  # noqa: PTH115
        python.unlink()
        python.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
        python.chmod(0o755)
        assert "bin/python changed" in client(scene, project).wait(14).err
        python.unlink()
        python.symlink_to(before)
    assert not mark.exists() and list(scene.root.iterdir()) == []
    with subtests.test("as it was approved, it runs"):
        node = client(scene, project)
        second, server = scene.start_client(DO2), scene.serve()
        for process in (server, node, second):
            process.wait(0)
        assert f"The app runs in the project's environment {project / '.venv'}" in node.err
        scene.came_out_undisturbed()


@pytest.mark.full
def test_cached_bytecode_that_comes_with_the_environment_or_the_project_is_not_run(
    scene: Scene, project: Path
) -> None:
    mark, imported = scene.place / "mark", packages_of(project) / "imported.py"
    forge_bytecode(imported, leave_a_mark(mark))
    forge_bytecode(project / "counted" / "client_app.py", leave_a_mark(mark))
    # So well forged that Python itself runs it.
    subprocess.run([project / ".venv" / "bin" / "python", "-c", ""], env=scene.environ(DO1), check=True)
    assert mark.exists()
    mark.unlink()
    approve(scene, project)
    node = client(scene, project, PYTHONDONTWRITEBYTECODE="")
    second, server = scene.start_client(DO2), scene.serve()
    for process in (server, node, second):
        process.wait(0)
    scene.came_out_undisturbed()
    assert not mark.exists()
    assert list(scene.kept_by(DO1).parents[1].rglob("imported.*.pyc"))


def forge_bytecode(source: Path, code: str) -> None:
    """Bytecode of ``code`` that passes for what was compiled from ``source``."""
    good, facts = source.read_bytes(), source.stat()
    padding = len(good) - len(code)
    source.write_text(code + "#" * max(0, padding))
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    cached = Path(py_compile.compile(str(source), doraise=True))
    source.write_bytes(good)
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    header = bytearray(cached.read_bytes())
    header[12:16] = len(good).to_bytes(4, "little")
    cached.write_bytes(header)


FINDER = """\
import sys
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "left_out":
            return spec_from_file_location(name, {project!r} + "/left_out.py")

sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize("form", sample(["a path", "a finder"], "a finder"))
def test_what_the_digest_leaves_out_is_not_imported_from_where_the_project_lies(
    scene: Scene, project: Path, form: str
) -> None:
    mark = scene.place / "mark"
    pyproject = project / "pyproject.toml"
    pyproject.write_text(f'{pyproject.read_text()}exclude = ["left_out.py"]\n')
    app = project / "counted" / "client_app.py"
    app.write_text(f"try:\n    import left_out\nexcept ImportError:\n    pass\n{app.read_text()}")
    # As an installation in editable form has it.
    (packages_of(project) / "editable.py").write_text(FINDER.format(project=str(project)))
    line = str(project) if form == "a path" else "import editable"
    (packages_of(project) / "counted.pth").write_text(f"{line}\n")
    approve(scene, project)
    (project / "left_out.py").write_text(leave_a_mark(mark))
    scene.project = project
    node = client(scene, project)
    scene.approve(DO2)
    second, server = scene.start_approved_client(DO2, "--python", sys.executable), scene.serve()
    for process in (server, node, second):
        process.wait(0)
    assert not mark.exists()


def test_a_worker_that_died_is_not_started_again_with_an_environment_that_changed(
    scene: Scene, project: Path
) -> None:
    app = project / "counted" / "client_app.py"
    death = "if (place / 'die').exists():\n        (place / 'die').unlink()\n        os.kill(os.getpid(), 9)\n    "
    app.write_text(app.read_text().replace("number = int(", f"{death}number = int("))
    scene.project = project
    mark = scene.place / "mark"
    approve(scene, project)
    scene.approve(DO2)
    (scene.data(DO1) / "die").touch()
    gate = scene.gate(DO2, "train 1")
    node = client(scene, project)
    second, server = scene.start_approved_client(DO2, "--python", sys.executable), scene.serve()
    gate.reached()
    server.wait_for(f"{DO1} reports an error")
    (packages_of(project) / "imported.py").write_text(leave_a_mark(mark))
    gate.open()
    assert "is not the one that" in node.wait(14).err
    assert not mark.exists()
    server.end()
    second.end()


@pytest.mark.full
def test_a_project_that_is_named_by_its_pyproject_runs_in_its_own_environment(
    scene: Scene, project: Path
) -> None:
    mark = scene.place / "mark"
    (packages_of(project) / "imported.py").write_text(leave_a_mark(mark))
    approve(scene, project)
    node = client(scene, project / "pyproject.toml")
    second, server = scene.start_client(DO2), scene.serve()
    for process in (server, node, second):
        process.wait(0)
    assert mark.exists()
