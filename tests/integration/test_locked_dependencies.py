"""A project needs a package that the tool lacks: its lock is approved, its environment built from wheels alone."""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from participants import AGGREGATOR, Federation, federate

DO1 = "do1@a.example"


def wheel(folder: Path, value: int) -> Path:
    """The wheel of a package ``tinydep`` that is a number."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "tinydep/__init__.py": f"VALUE = {value}\n",
        "tinydep-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tinydep\nVersion: 1.0\n",
        "tinydep-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
        f"{len(text)}\n"
        for name, text in files.items()
    )
    place = folder / "tinydep-1.0-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        for name, text in {
            **files,
            "tinydep-1.0.dist-info/RECORD": record + "tinydep-1.0.dist-info/RECORD,,\n",
        }.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return folder


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    made = federate(tmp_path, "averaging", [DO1])
    made.root.mkdir(exist_ok=True)
    made.variables["SYFT_FLWR_POLL_INTERVAL"] = "0.3"
    made.variables["UV_CACHE_DIR"] = str(tmp_path / "uv")
    project = made.project
    (project / "pyproject.toml").write_text(
        (project / "pyproject.toml").read_text().replace('"numpy>=1.26"', '"numpy>=1.26", "tinydep>=1"')
    )
    client = project / "averaging" / "client_app.py"
    client.write_text(
        client.read_text().replace("from .task", "import tinydep\nassert tinydep.VALUE == 7\n\nfrom .task", 1)
    )
    server = project / "averaging" / "server_app.py"
    server.write_text(
        server.read_text().replace(
            "min_available_nodes=2", "min_available_nodes=1, min_train_nodes=1, min_evaluate_nodes=1"
        )
    )
    yield made
    made.close()


def test_the_environment_is_built_from_the_approved_lock_and_a_folder_of_wheels(
    federation: Federation,
) -> None:
    wheels, others = wheel(federation.place / "wheels", 7), wheel(federation.place / "others", 8)
    root = ["--root", str(federation.root)]
    share = ["share", str(federation.project), *root]
    plain = federation.run(*share, "--dry-run", email=AGGREGATOR)
    assert "needs tinydep>=1, which syft-flwr does not bring" in plain.err
    locked = federation.run(*share, "--lock", "--wheels", str(wheels), email=AGGREGATOR)
    assert "Locked 1 packages" in locked.err and "tinydep 1.0" in locked.err
    assert "tinydep==1.0" in (federation.project / "requirements.lock").read_text()
    join = ["join", AGGREGATOR, "--email", DO1, *root, "--approve", "--no-data", "--run"]
    waiting = federation.command(*join, "--wheels", str(others), email=DO1)
    server = federation.start_server("--json")
    waiting.wait(14)
    assert "not the one that was approved" in waiting.err
    joined = federation.command(*join, "--wheels", str(wheels), email=DO1)
    server.wait(0)
    joined.wait(0)
    assert "Locked packages" in joined.out
    assert server.data["missing"] == []
    again = federation.run("node", "--once", "--email", DO1, email=DO1)
    assert "cannot be installed" not in again.err, "what was built is used again, without the wheels"
