"""A sandbox whose node was killed leaves nothing behind: neither a process nor its scratch folder."""

import sys
import tempfile
from pathlib import Path

import pytest

import syft_flwr_cli
from syft_flwr_cli.execution.sandbox.capabilities import Capability, capabilities
from syft_flwr_cli.execution.sandbox.interpreter import interpreter_paths
from syft_flwr_cli.execution.sandbox.launch import Sandbox, start
from syft_flwr_cli.execution.sandbox.spec import SandboxSpec

KINDS = [one for one in capabilities() if one.works and one.kind in ("bwrap", "landlock")]
WRITES = """
import os, time
open(os.environ["TMPDIR"] + "/x", "w").write("x")
print("there", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not KINDS, reason="there is no sandbox on this machine")
@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.kind)
def test_the_scratch_folder_goes_with_the_app_when_nobody_is_left_to_remove_it(
    kind: Capability, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    package = str(Path(syft_flwr_cli.__file__).parent)
    spec = SandboxSpec(programs=tuple(interpreter_paths(None)), readable=(package,), directory=package)
    process = start(Sandbox(kind, spec), [sys.executable, "-I", "-S", "-c", WRITES], environment={})
    assert process.stdout is not None and process.control is not None
    assert process.stdout.readline() == b"there\n"
    assert list(tmp_path.iterdir())
    process.control.close()  # what the death of the node does
    assert process.wait(60) != 0
    assert not list(tmp_path.iterdir())
    process.stdout.close()
