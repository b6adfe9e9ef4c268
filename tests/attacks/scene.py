"""A federation under attack: real processes, one shared folder that everybody can write to, and its burglars.

`Scene` adds to a federation what an attack needs: gates at which the app waits while files are dropped, the
keys that a test may take from a home to play a participant that has turned bad (or a provider that shows an
old file again), and what the run should have come to. Nothing waits for a time, only for files and words.
"""

import errno
import os
import secrets
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from integration.participants import Federation, Process, until

from syft_flwr_cli.protocol import names
from syft_flwr_cli.security.envelope import Envelope, read_envelope
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity, load
from syft_flwr_cli.storage.paths import app_dir, participant_dir

COUNTED = Path(__file__).with_name("counted")
AGGREGATOR, DO1, DO2 = "ds@lab.example", "do1@a.example", "do2@b.example"
OWNERS = (DO1, DO2)
STRANGER = "mallory@evil.example"

VALUES = {DO1: 31337.0625, DO2: 27182.8125}
"""What each data owner's data set is: a number that can be found again wherever it should not be."""

SHAPES = {"large": (512, 272), "small": (8,)}
ROUNDS = 2


def expected(rounds: int = ROUNDS) -> dict[str, np.ndarray]:
    """What the app's arithmetic comes to, exactly."""
    model = {
        name: np.arange(np.prod(shape), dtype=np.float64).reshape(shape) for name, shape in SHAPES.items()
    }
    for number in range(1, rounds + 1):
        model = {
            name: sum(array * 0.5 + value + number for value in VALUES.values()) / 2
            for name, array in model.items()
        }
    return model


def executions(rounds: int = ROUNDS) -> list[str]:
    """The lines that a data owner's app leaves in an undisturbed run."""
    return [f"{kind} {number}" for number in range(1, rounds + 1) for kind in ("train", "evaluate")]


def new_identity(email: str) -> Identity:
    """Keys that somebody made up for ``email``."""
    return Identity.create(email, 1_700_000_000, secrets.token_bytes(SECRETS_SIZE))


def new_id() -> str:
    """A message id that nobody has used."""
    return str(uuid.uuid4())


@dataclass
class Gate:
    """A place where the app waits in an execution, until the test lets it go on."""

    path: Path

    def reached(self) -> "Gate":
        """Wait until the app waits here."""
        self._writer = until(self._open, f"the app at {self.path}")
        return self

    def _open(self) -> int | None:
        try:
            return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK) + 1
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return None

    def open(self) -> None:
        """Let the app go on, now and whenever it comes here again."""
        self.path.unlink()
        os.close(self._writer - 1)


class Scene(Federation):
    """A federation of the app ``counted``, with its attackers."""

    def __init__(self, place: Path, **how: Any) -> None:
        place.mkdir(parents=True, exist_ok=True)
        project = Path(
            shutil.copytree(COUNTED, place / "counted", ignore=shutil.ignore_patterns("__pycache__"))
        )
        super().__init__(place, project, OWNERS, AGGREGATOR, **how)
        self.variables = {"SYFT_FLWR_POLL_INTERVAL": "0.5", "OPENBLAS_NUM_THREADS": "1", **self.variables}
        self.root.mkdir()
        for owner, value in VALUES.items():
            (self.data(owner) / "value.txt").write_text(repr(value))

    @property
    def saved(self) -> Path:
        """Where the ServerApp writes its model."""
        return self.place / "model.npz"

    def serve(self, *words: str, rounds: int = ROUNDS, **variables: str) -> Process:
        """``run-server``, whose model is saved."""
        config = f"save-to='{self.saved}' num-server-rounds={rounds}"
        return self.start_server("--run-config", config, *words, **variables)

    def gate(self, owner: str, what: str) -> Gate:
        """Have the app of ``owner`` wait in the execution ``what``, such as ``train 1``."""
        path = self.data(owner) / f"gate {what}"
        os.mkfifo(path)
        return Gate(path)

    def executed(self, owner: str) -> list[str]:
        """What the app of ``owner`` was executed for, in order."""
        log = self.data(owner) / "executions.log"
        return log.read_text().splitlines() if log.exists() else []

    def came_out_undisturbed(self, rounds: int = ROUNDS) -> None:
        """The result is the one of a run that nobody attacked, bit for bit, and so is what was executed."""
        with np.load(self.saved) as saved:
            found = {name: saved[name] for name in saved.files}
        for name, array in expected(rounds).items():
            assert found[name].dtype == array.dtype and found[name].tobytes() == array.tobytes(), name
        for owner in OWNERS:
            assert self.executed(owner) == executions(rounds), owner

    # What an attacker can reach

    def requests_to(self, owner: str, app: str | None = None) -> Path:
        """The folder in the aggregator's space with the requests to ``owner``."""
        return self.root / AGGREGATOR / names.rpc_folder(AGGREGATOR, owner, app or self.app_name)

    def responses_of(self, owner: str, app: str | None = None) -> Path:
        """The folder in the space of ``owner`` with its responses."""
        return self.root / owner / names.rpc_folder(owner, AGGREGATOR, app or self.app_name)

    def document(self, email: str) -> Path:
        """The published identity document of ``email``."""
        return self.root / email / names.IDENTITY_PATH

    def payloads(self, owner: str) -> list[Path]:
        """The payload files in the space of ``owner``."""
        return sorted((self.root / owner).rglob("*.payload"))

    def keys(self, email: str) -> Identity:
        """The private keys of a participant: for one that has turned bad, or whose old files are shown again."""
        return load(participant_dir(self.home(email), email), email)

    def only(self, folder: Path, suffix: str) -> Path:
        """The one file in ``folder`` that ends in ``suffix``, waited for."""
        found = until(lambda: sorted(folder.glob(f"*{suffix}")), f"a {suffix} in {folder}")
        assert len(found) == 1
        return Path(found[0])

    def newest(self, folder: Path, suffix: str, before: Mapping[Path, Any] | list[Path]) -> Path:
        """The file in ``folder`` that was not among ``before``, waited for."""

        def found() -> list[Path]:
            return [path for path in sorted(folder.glob(f"*{suffix}")) if path not in before]

        return Path(until(found, f"a new {suffix} in {folder}")[0])

    # What is kept at home

    def kept_by(self, email: str) -> Path:
        """What a participant keeps of this app."""
        return app_dir(self.home(email), email, self.app_name)


def drop(path: Path, data: bytes) -> Path:
    """Put a file there whole, as a sync client does: written aside, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{secrets.token_hex(4)}.tmp")
    aside.write_bytes(data)
    aside.replace(path)
    return path


def envelope(path: Path) -> Envelope:
    """The envelope in a file."""
    return read_envelope(path.read_bytes())
