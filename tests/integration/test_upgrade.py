"""What an earlier version wrote is taken up by this one; what a later one wrote is refused with a sentence."""

import json
import sqlite3
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from fault.federation import OWNERS, SERVER, Federation, Shell

from syft_flwr_cli.audit.log import verify
from syft_flwr_cli.consent.policy import write_open_policy
from syft_flwr_cli.security.identity import read_public
from syft_flwr_cli.storage.journal import MIGRATIONS
from syft_flwr_cli.storage.journal_reader import look_at_journal
from syft_flwr_cli.storage.paths import app_dir, participant_dir
from syft_flwr_cli.storage.sqlite import read_only

ARCHIVE = Path(__file__).parent.parent / "fixtures" / "unfinished-run-4d37984.tar.gz"
PATIENCE = 240.0


@pytest.fixture
def unfinished(tmp_path: Path) -> Iterator[Federation]:
    """The federation of commit 4d37984 whose processes were killed, moved to another place."""
    place = tmp_path / "moved"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="tar")
    before = (place / "where").read_text().strip()
    for settings in place.glob("homes/*/settings.toml"):
        settings.write_text(settings.read_text().replace(before, str(place)))
    federation = Federation(
        Shell(),
        place,
        place / "project",
        config={"num-server-rounds": 2, "fraction-train": 0.5},
        approved=True,
    )
    for owner in OWNERS:
        # The run was begun with a run config that nobody had to approve then.
        write_open_policy(participant_dir(federation.home(owner), owner))
    yield federation
    federation.kill_all()


def journal_of(federation: Federation, who: str) -> Path:
    return app_dir(federation.home(who), federation.email(who), federation.app) / "journal.sqlite3"


def schema(path: Path) -> int:
    with read_only(path) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_a_run_that_an_earlier_version_left_unfinished_is_finished(unfinished: Federation) -> None:
    paths = {who: journal_of(unfinished, who) for who in (SERVER, *OWNERS)}
    assert {schema(path) for path in paths.values()} == {1}
    with read_only(paths[SERVER]) as db:
        (begun,) = db.execute("SELECT run FROM runs")
    calls = {owner: len(unfinished.calls(owner)) for owner in OWNERS}
    unfinished.start_all()
    unfinished.finish(PATIENCE)
    document = unfinished.lives[SERVER][-1].document()
    assert document["status"] == "ok" and document["data"]["missing"] == []
    assert [run.run for run in look_at_journal(paths[SERVER]).runs] == [begun["run"]]
    expected = json.loads((unfinished.place / "expected.json").read_text())
    with np.load(unfinished.out) as model:
        found = {name: sha256(model[name].tobytes()).hexdigest() for name in model.files}
    assert found == expected
    assert all(len(unfinished.calls(owner)) > before for owner, before in calls.items())
    assert {schema(path) for path in paths.values()} == {len(MIGRATIONS)}
    for who in (SERVER, *OWNERS):
        path = unfinished.audit(who)
        public, _ = read_public(path.parent, unfinished.email(who))
        verify(path, public)


@pytest.mark.parametrize("who", [SERVER, OWNERS[0]])
def test_a_home_of_a_later_schema_is_refused_with_the_version_that_reads_it(
    unfinished: Federation, who: str
) -> None:
    path = journal_of(unfinished, who)
    later = len(MIGRATIONS) + 1
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE migrations (version INTEGER PRIMARY KEY, needs TEXT NOT NULL) STRICT")
    db.execute("INSERT INTO migrations VALUES (?, '7.3.1')", (later,))
    db.execute(f"PRAGMA user_version={later}")
    db.close()
    process = unfinished.start(who)
    assert process.wait(PATIENCE) == 1
    said = " ".join(process.said().split())
    assert f"The journal {path} was written by a newer version of syft-flwr: it has schema {later}" in said
    assert "7.3.1 or later is needed" in said
