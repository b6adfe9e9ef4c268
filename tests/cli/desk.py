"""A data owner's desk for the transcripts of the command line: a home, a project, and the command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PYPROJECT = """\
[project]
name = "study"
version = "1.0.0"
dependencies = ["numpy>=1.26"]

[tool.flwr.app.components]
serverapp = "study.server_app:app"
clientapp = "study.client_app:app"

[tool.flwr.app.config]
num-server-rounds = 3

[tool.syft_flwr]
app_name = "alice@a.example_study_1700000000"
aggregator = "alice@a.example"
datasites = ["bob@b.example", "carol@c.example"]
transport = "local"

[tool.syft_flwr.data]
reads = ["patients.csv"]
"""

CLIENT = """\
from syft_flwr_cli import get_data_dir

rows = (get_data_dir() / "patients.csv").read_text()
"""


class Desk:
    """A participant's machine: a home, a project, the environment, and the command."""

    def __init__(self, place: Path, email: str = "bob@b.example") -> None:
        self.place = place
        self.email = email
        self.participant = place / "home" / "participants" / email
        self.log = self.participant / "audit.jsonl"
        self.variables = {
            "SYFT_FLWR_HOME": str(place / "home"),
            "SYFTBOX_EMAIL": email,
            "NO_COLOR": "1",
            "COLUMNS": "80",
        }
        self.project = place / "study"
        (self.project / "study").mkdir(parents=True)
        (self.project / "pyproject.toml").write_text(PYPROJECT)
        (self.project / "study" / "client_app.py").write_text(CLIENT)
        (self.project / "study" / "server_app.py").write_text("raise SystemExit('run')\n")

    def type(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        outside = {
            name: value for name, value in os.environ.items() if not name.startswith(("SYFT", "DATA_"))
        }
        done = subprocess.run(
            [sys.executable, "-m", "syft_flwr_cli", *words],
            cwd=self.place,
            env=outside | self.variables,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        document = json.loads(self.type(*words, "--json", code=code).stdout)
        assert document["schema_version"] == 1
        assert document["status"] == ("error" if code else "ok")
        return document["data"]
