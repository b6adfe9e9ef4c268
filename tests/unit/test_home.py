"""A home in one file: everything comes back, and a file that is no home writes nothing outside it."""

import io
import tarfile
from pathlib import Path

import pytest

from syft_flwr_cli.errors import BusyError, UsageError
from syft_flwr_cli.security.identity import load_or_create
from syft_flwr_cli.services.home import MARK, export_home, import_home
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.storage.locks import FileLock
from syft_flwr_cli.storage.paths import app_dir, participant_dir

EMAIL, APP = "do1@a.example", "ds@lab.example_study_1"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    load_or_create(participant_dir(place, EMAIL), EMAIL, 1.0)
    journal = Journal(app_dir(place, EMAIL, APP) / "journal.sqlite3")
    journal.begin_run("7", "data owner", 1.0, {"aggregator": "ds@lab.example"}, {})
    journal.close()
    (place / "settings.toml").write_text('[default]\nroot = "/shared"\n')
    return place


def test_a_home_comes_back_on_another_machine(home: Path, tmp_path: Path) -> None:
    written = export_home(home, tmp_path / "copy.tar.gz")
    assert written.participants == (EMAIL,)
    assert (tmp_path / "copy.tar.gz").stat().st_mode & 0o777 == 0o600
    there = tmp_path / "there"
    there.mkdir()
    assert import_home(there, tmp_path / "copy.tar.gz").files == written.files
    own, created = load_or_create(participant_dir(there, EMAIL), EMAIL, 2.0)
    before, _ = load_or_create(participant_dir(home, EMAIL), EMAIL, 2.0)
    assert not created and own.public == before.public
    journal = Journal(app_dir(there, EMAIL, APP) / "journal.sqlite3")
    assert [run.run for run in journal.runs()] == ["7"]
    journal.close()
    assert (there / "settings.toml").read_text() == (home / "settings.toml").read_text()
    secret = participant_dir(there, EMAIL) / "identity.json"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_two_homes_are_not_mixed_and_nothing_is_overwritten(home: Path, tmp_path: Path) -> None:
    export_home(home, tmp_path / "copy.tar.gz")
    with pytest.raises(UsageError, match="there already"):
        export_home(home, tmp_path / "copy.tar.gz")
    with pytest.raises(UsageError, match="holds a home already"):
        import_home(home, tmp_path / "copy.tar.gz")


def test_a_home_at_work_is_not_copied(home: Path, tmp_path: Path) -> None:
    lock = FileLock(app_dir(home, EMAIL, APP) / "lock")
    assert lock.try_acquire("run-client")
    with pytest.raises(BusyError, match="works on"):
        export_home(home, tmp_path / "copy.tar.gz")
    lock.release()
    assert not (tmp_path / "copy.tar.gz").exists()


@pytest.mark.parametrize("name", ["../out", f"{MARK}/../../out", "/tmp/out", f"{MARK}/link", "other/file"])
def test_a_file_that_is_no_home_is_refused(tmp_path: Path, name: str) -> None:
    place = tmp_path / "in" / "home"
    place.mkdir(parents=True)
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(name)
        if name.endswith("link"):
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        else:
            member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(UsageError, match="no home"):
        import_home(place, tmp_path / "bad.tar.gz")
    assert list(place.iterdir()) == [] and not (tmp_path / "out").exists()


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk")
    (tmp_path / "home").mkdir()
    with pytest.raises(UsageError, match="cannot be read as a home"):
        import_home(tmp_path / "home", tmp_path / "junk")
