"""How a SQLite file of ours is opened: migrated in one step, refused when it is of a later schema, private."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from syft_flwr_cli.errors import DiskError, SyftFlwrError
from syft_flwr_cli.storage.sqlite import Database, Migration, read_only, schema_of

FIRST = Migration("CREATE TABLE pets (name TEXT NOT NULL) STRICT; INSERT INTO pets VALUES ('Rex')", "0.1.0")
SECOND = Migration("ALTER TABLE pets ADD COLUMN legs INTEGER NOT NULL DEFAULT 4", "0.2.0")
BROKEN = Migration("ALTER TABLE pets ADD COLUMN tail TEXT; ALTER TABLE nobody ADD COLUMN tail TEXT", "0.3.0")


def test_each_migration_is_done_once_and_rows_are_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "home" / "pets.sqlite3"
    Database(path, [FIRST], "list of pets").close()
    for _ in range(2):
        db = Database(path, [FIRST, SECOND], "list of pets")
        row = db.one("SELECT * FROM pets")
        assert row is not None and (row["name"], row["legs"]) == ("Rex", 4)
        db.close()
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_without_a_number_that_has_its_tables_already_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "pets.sqlite3"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE pets (name TEXT NOT NULL)")
    db.close()
    Database(
        path, [Migration("CREATE TABLE IF NOT EXISTS pets (name TEXT NOT NULL)", "0.1.0")], "list"
    ).close()
    with read_only(path) as looked_at:
        assert looked_at.execute("PRAGMA user_version").fetchone()[0] == 1


def test_a_later_schema_is_refused_with_the_version_that_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "pets.sqlite3"
    Database(path, [FIRST, SECOND], "list of pets").close()
    before = path.read_bytes()
    with pytest.raises(SyftFlwrError) as refused:
        Database(path, [FIRST], "list of pets")
    assert "it has schema 2, and this version reads up to schema 1" in refused.value.what
    assert "0.2.0 or later is needed" in refused.value.hint
    with read_only(path) as looked_at, pytest.raises(SyftFlwrError):
        schema_of(looked_at, path, [FIRST], "list of pets")
    assert path.read_bytes() == before


def test_a_later_schema_that_names_no_version_is_refused_without_repeating_what_stands_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pets.sqlite3"
    Database(path, [FIRST, Migration(SECOND.script, "\x1b[2Jsomething else")], "list of pets").close()
    with pytest.raises(SyftFlwrError) as refused:
        Database(path, [FIRST], "list of pets")
    assert "\x1b" not in refused.value.hint and "a newer version is needed" in refused.value.hint


def test_a_migration_that_fails_leaves_the_schema_and_the_rows_before_it(tmp_path: Path) -> None:
    path = tmp_path / "pets.sqlite3"
    Database(path, [FIRST], "list of pets").close()
    with pytest.raises(DiskError):
        Database(path, [FIRST, SECOND, BROKEN], "list of pets")
    db = Database(path, [FIRST], "list of pets")
    assert [dict(row) for row in db.all("SELECT * FROM pets")] == [{"name": "Rex"}]
    db.close()


def test_a_process_killed_in_a_migration_leaves_the_schema_before_it(tmp_path: Path) -> None:
    path = tmp_path / "pets.sqlite3"
    Database(path, [FIRST], "pets", points="pets").close()
    code = (
        "import sys; from pathlib import Path; from syft_flwr_cli.storage.sqlite import Database, Migration\n"
        f"Database(Path(sys.argv[1]), [Migration('', '0.1.0'), {SECOND!r}], 'pets', points='pets')"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(path)], env={"SYFT_FLWR_FAULT_POINT": "pets.migrate"}, check=False
    )
    assert killed.returncode == -9
    Database(path, [FIRST], "pets").close()


def test_several_that_open_a_new_file_at_once_make_it_once(tmp_path: Path) -> None:
    path, failed = tmp_path / "pets.sqlite3", []
    gate = threading.Barrier(6)

    def open_it() -> None:
        gate.wait(timeout=60)
        try:
            Database(path, [FIRST, SECOND], "list of pets").close()
        except SyftFlwrError as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    db = Database(path, [FIRST, SECOND], "list of pets")
    assert len(db.all("SELECT * FROM pets")) == 1
    db.close()


def test_what_is_raised_in_a_transaction_undoes_it(tmp_path: Path) -> None:
    db = Database(tmp_path / "pets.sqlite3", [FIRST], "list of pets")
    with pytest.raises(KeyError), db.change() as change:
        change.execute("DELETE FROM pets")
        raise KeyError
    assert len(db.all("SELECT * FROM pets")) == 1
    db.close()


def test_what_was_deleted_can_no_longer_be_read_from_the_files_once_it_is_erased(tmp_path: Path) -> None:
    path, secret = tmp_path / "pets.sqlite3", "a secret that is told to nobody " * 500
    db = Database(path, [FIRST], "list of pets")
    with db.change() as change:
        change.execute("INSERT INTO pets VALUES (?)", (secret,))
    with db.change() as change:
        change.execute("DELETE FROM pets WHERE name=?", (secret,))
    db.erase()
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"told to nobody" not in held
    db.close()
