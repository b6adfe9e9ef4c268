"""Runs one hostile program in a sandbox and says as JSON what came of it; needs the standard library alone.

Started by the tests as root or as somebody else: ``driver.py SOURCE KIND SPEC PROGRAM``, where SOURCE holds the
package, SPEC is a JSON object with ``limits``, ``readable``, ``grants`` and ``results``, and PROGRAM is the text.
"""

import json
import os
import sys
import time
from pathlib import Path

source, kind, given, program = sys.argv[1:]
sys.path[:] = [source, *(path for path in sys.path if path.startswith(("/usr", sys.base_prefix)))]

from syft_flwr_cli.execution.sandbox.capabilities import Capability  # noqa: E402
from syft_flwr_cli.execution.sandbox.interpreter import interpreter_paths  # noqa: E402
from syft_flwr_cli.execution.sandbox.launch import Sandbox, start  # noqa: E402
from syft_flwr_cli.execution.sandbox.spec import Limits, SandboxSpec  # noqa: E402
from syft_flwr_cli.protocol.grants import grants_from_lists  # noqa: E402

asked = json.loads(given)
grants = grants_from_lists(asked.get("grants", {}))
spec = SandboxSpec(
    programs=tuple(interpreter_paths(None)),
    readable=(f"{source}/syft_flwr_cli", *asked.get("readable", ())),
    directory=f"{source}/syft_flwr_cli",
    results=asked.get("results"),
    network="granted" if grants.network else "none",
    grants=grants,
    limits=Limits(**asked.get("limits", {})),
)
environment = {"NODE": str(os.getpid()), **asked.get("environment", {})}
command = [sys.executable, "-I", "-c", program]
process = start(Sandbox(Capability(kind, True, "", {}), spec), command, environment=environment)
scratch = process.scratch
process.begin()
assert process.stdout is not None
output = process.stdout.read().decode(errors="replace")
code = process.wait()
report = process.report()
marks = asked.get("marks", "")
left = []
for entry in Path("/proc").iterdir():
    if marks and entry.name.isdecimal():
        try:
            if marks in (entry / "cmdline").read_bytes().decode(errors="replace").split("\0"):
                left.append(int(entry.name))
        except OSError:
            continue
print(
    json.dumps(
        {
            "output": output,
            "code": code,
            "reason": report.reason,
            "memory": report.memory,
            "left": left,
            "scratch_is_gone": scratch is not None and not scratch.exists(),
            "time": time.time(),
        }
    )
)
