"""What the folder transport promises beyond the contract: disks, links, modes, sync clients, events."""

import errno
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.storage.locks import lock_descriptor
from syft_flwr_cli.transports.base import BytesContent, TransientError, Watch
from syft_flwr_cli.transports.folder import watch as watch_module
from syft_flwr_cli.transports.folder.fs_events import Events, Identity, Listener
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.folder.watch import FolderWatch
from syft_flwr_cli.transports.wakeup import WakeupSignal

ALICE, BOB = "alice@a.example", "bob@b.example"
BOX = "outbox/app/rpc/messages"
HELLO = BytesContent(b"hello")
HOURS = 36_000.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "shared"


@pytest.fixture
def opened() -> Iterator[Callable[..., FolderTransport]]:
    """Opens transports, and closes them at the end."""
    made: list[FolderTransport] = []

    def view(root: Path, email: str, poll_interval: float = 0.05, **options: bool) -> FolderTransport:
        made.append(FolderTransport(root, email, poll_interval, **options))
        return made[-1]

    yield view
    for transport in made:
        transport.close()


Opened = Callable[..., FolderTransport]


def next_names(transport: FolderTransport, watch: Watch, patience: float = 30.0) -> list[str]:
    """The names that a watch tells of next."""
    return [name for name, _ in next_files(transport, watch, patience)]


def next_files(transport: FolderTransport, watch: Watch, patience: float = 30.0) -> list[tuple[str, int]]:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        token = transport.token()
        entries = watch.new()
        if entries:
            return [(entry.name, entry.size) for entry in entries]
        transport.wait(token, patience)
    raise AssertionError("nothing was told of")


# -- how files are written


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(root: Path, opened: Opened, umask: int) -> None:
    before = os.umask(umask)
    try:
        opened(root, ALICE).publish(f"{BOX}/one.request", HELLO, [BOB])
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(place.stat().st_mode) for place in [root, *root.rglob("*")] if place.is_dir()}
    assert modes == {0o755}
    assert stat.S_IMODE((root / ALICE / BOX / "one.request").stat().st_mode) == 0o644


def test_the_file_lies_where_everybody_expects_it(root: Path, opened: Opened) -> None:
    opened(root, ALICE).publish(f"{BOX}/one.request", HELLO, [BOB])
    assert (root / ALICE / BOX / "one.request").read_bytes() == b"hello"
    assert [place.name for place in (root / ALICE / BOX).iterdir()] == ["one.request"]


def test_temporary_files_of_the_dead_are_swept_and_those_of_the_living_are_left(
    root: Path, opened: Opened
) -> None:
    folder = root / ALICE / BOX
    folder.mkdir(parents=True)
    for name in (".dead.request.0badcafe.tmp", ".alive.request.0badcafe.tmp", "mine.tmp", ".mine"):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (0, 0))
    with (folder / ".alive.request.0badcafe.tmp").open("rb+") as written:
        assert lock_descriptor(written.fileno(), wait=False)
        opened(root, ALICE)
    assert {place.name for place in folder.iterdir()} == {".alive.request.0badcafe.tmp", "mine.tmp", ".mine"}


def test_a_writer_holds_the_lock_that_keeps_others_from_sweeping(root: Path, opened: Opened) -> None:
    alice = opened(root, ALICE)

    class Watched:
        size = 5

        def chunks(self) -> Iterator[bytes]:
            opened(root, ALICE)
            yield b"hello"

    alice.publish(f"{BOX}/one.request", Watched(), [BOB])
    assert (root / ALICE / BOX / "one.request").read_bytes() == b"hello"


def test_a_peers_temporary_files_are_its_own_business(root: Path, opened: Opened) -> None:
    left = root / ALICE / ".old.request.0badcafe.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    opened(root, BOB)
    assert left.exists()


# -- what cannot be written


def test_a_root_whose_parent_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="no-such-mount is not there") as raised:
        FolderTransport(tmp_path / "no-such-mount" / "shared", ALICE)
    assert str(tmp_path / "no-such-mount" / "shared") in raised.value.hint
    assert raised.value.exit_code == 13
    assert not (tmp_path / "no-such-mount").exists()


def test_a_root_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TransportError, match="file is no folder"):
        FolderTransport(tmp_path / "file", ALICE)
    with pytest.raises(TransportError, match="file is no folder"):
        FolderTransport(tmp_path / "file" / "shared", ALICE)


@contextmanager
def ordinary_user() -> Iterator[Path]:
    """An ordinary user's rights, and a folder that such a user can reach."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield place
    finally:
        os.seteuid(before)
        shutil.rmtree(place)


@pytest.mark.parametrize("own_space_is_there", [False, True])
def test_an_unwritable_root_is_refused_with_a_remedy_that_names_it(own_space_is_there: bool) -> None:
    with ordinary_user() as place:
        shared = place / "shared"
        if os.getuid() == 0:
            os.seteuid(0)
        (shared / ALICE).mkdir(parents=True) if own_space_is_there else shared.mkdir()
        for folder in [shared, *shared.iterdir()]:
            folder.chmod(0o555)
        if os.getuid() == 0:
            os.seteuid(65534)
        with pytest.raises(TransportError) as raised:
            FolderTransport(shared, ALICE)
        assert str(shared) in raised.value.what
        assert "--root" in raised.value.hint
        assert raised.value.exit_code == 13
        for folder in [shared, *shared.iterdir()]:
            if os.getuid() != 0:
                folder.chmod(0o755)


def test_a_file_beyond_the_limit_is_explained_and_leaves_nothing(root: Path, opened: Opened) -> None:
    alice = opened(root, ALICE)
    alice.publish(f"{BOX}/one.request", HELLO, [BOB])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(TransportError, match="larger than may be written"):
            alice.publish(f"{BOX}/two.payload", BytesContent(bytes(200_000)), [BOB])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [place.name for place in (root / ALICE / BOX).iterdir()] == ["one.request"]
    alice.publish(f"{BOX}/two.payload", BytesContent(bytes(200_000)), [BOB])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_explained_and_leaves_nothing(small_disk: Path, opened: Opened) -> None:
    alice = opened(small_disk, ALICE)
    alice.publish(f"{BOX}/one.request", HELLO, [BOB])
    with pytest.raises(TransportError, match="the disk is full") as raised:
        alice.publish(f"{BOX}/two.payload", BytesContent(bytes(2 << 20)), [BOB])
    assert "Free some space" in raised.value.hint
    assert not isinstance(raised.value, TransientError)
    assert [path for path, _ in alice.list_own()] == [f"{BOX}/one.request"]
    assert [place.name for place in (small_disk / ALICE / BOX).iterdir()] == ["one.request"]


def test_a_file_system_that_turns_read_only_is_explained(small_disk: Path, opened: Opened) -> None:
    alice = opened(small_disk, ALICE)
    alice.publish(f"{BOX}/one.request", HELLO, [BOB])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(TransportError, match="the file system is read-only"):
        alice.publish(f"{BOX}/two.request", HELLO, [BOB])
    with pytest.raises(TransportError, match="the file system is read-only"):
        alice.remove(f"{BOX}/one.request")
    with pytest.raises(TransportError, match="cannot be written"):
        FolderTransport(small_disk, ALICE)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    alice.publish(f"{BOX}/two.request", HELLO, [BOB])


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE])
def test_a_mount_that_died_is_waited_for_on_every_path(
    root: Path, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    alice = opened(root, ALICE)
    alice.publish(f"{BOX}/one.request", HELLO, [BOB])
    watch = alice.watch(ALICE, BOX)
    died = OSError(number, os.strerror(number))

    def dead(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(place: object, *rest: Any, **more: Any) -> Any:
            if str(place).startswith(str(root)):
                raise died
            return real(place, *rest, **more)

        return call

    for name in ("open", "stat", "scandir", "mkdir"):
        monkeypatch.setattr(os, name, dead(getattr(os, name)))
    monkeypatch.setattr(Path, "stat", dead(Path.stat))
    for action in (
        lambda: alice.publish(f"{BOX}/two.request", HELLO, [BOB]),
        lambda: alice.publish("new folder/two.request", HELLO, [BOB]),
        lambda: alice.open(ALICE, f"{BOX}/one.request"),
        lambda: alice.fetch(ALICE, f"{BOX}/one.request", tmp_path / "copy"),
        lambda: alice.remove(f"{BOX}/one.request"),
        alice.list_own,
        watch.new,
        lambda: FolderTransport(root, BOB),
    ):
        with pytest.raises(TransientError, match="the mount that holds it has died") as raised:
            action()
        assert "mount it again" in raised.value.hint
    monkeypatch.undo()
    alice.publish(f"{BOX}/two.request", HELLO, [BOB])
    assert next_names(alice, watch) == ["one.request", "two.request"]


def test_a_vanished_root_is_not_made_anew_under_an_empty_mount_point(root: Path, opened: Opened) -> None:
    alice = opened(root, ALICE)
    shutil.rmtree(root)
    with pytest.raises(TransientError, match="is gone"):
        alice.publish(f"{BOX}/one.request", HELLO, [BOB])
    with pytest.raises(TransientError, match="is gone"):
        alice.list_own()
    with pytest.raises(NotThereError):
        alice.open(BOB, f"{BOX}/one.request")
    assert not root.exists()
    root.mkdir()
    with pytest.raises(TransientError, match=f"{ALICE} is gone"):
        alice.publish(f"{BOX}/one.request", HELLO, [BOB])
    assert not list(root.iterdir())
    (root / ALICE).mkdir()
    alice.publish(f"{BOX}/one.request", HELLO, [BOB])
    assert (root / ALICE / BOX / "one.request").read_bytes() == b"hello"


# -- what a peer may try


def test_no_symbolic_link_is_followed_out_of_a_peers_space(
    root: Path, opened: Opened, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    (secret / "messages").mkdir(parents=True)
    for place in (secret / "one.request", secret / "messages" / "one.request"):
        place.write_bytes(b"mine alone")
    bob = opened(root, BOB)
    evil = root / ALICE
    (evil / "file" / "rpc").mkdir(parents=True)
    (evil / "file" / "rpc" / "one.request").symlink_to(secret / "one.request")
    (evil / "folder").mkdir()
    (evil / "folder" / "rpc").symlink_to(secret)
    (evil / "outbox").symlink_to(secret)
    for path in ("file/rpc/one.request", "folder/rpc/one.request", "outbox/one.request"):
        with pytest.raises(NotThereError):
            bob.open(ALICE, path)
        with pytest.raises(NotThereError):
            bob.fetch(ALICE, path, tmp_path / "copy")
        assert [
            entry for entry in bob.watch(ALICE, path.rsplit("/", 1)[0]).new() if not entry.file_type_error
        ] == []
    assert bob.watch(ALICE, "outbox/messages").new() == []
    assert not (tmp_path / "copy").exists()


def test_the_space_itself_may_be_a_link_that_the_machine_has_set_up(
    root: Path, opened: Opened, tmp_path: Path
) -> None:
    (tmp_path / "mounted elsewhere").mkdir()
    root.mkdir()
    (root / ALICE).symlink_to(tmp_path / "mounted elsewhere")
    opened(root, ALICE).publish(f"{BOX}/one.request", HELLO, [BOB])
    bob = opened(root, BOB)
    assert bob.open(ALICE, f"{BOX}/one.request").read() == b"hello"
    assert next_names(bob, bob.watch(ALICE, BOX)) == ["one.request"]


def test_pipes_and_sockets_neither_hang_nor_count_as_files(
    root: Path, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = opened(root, BOB)
    folder = root / ALICE / "box"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "one.request")
    monkeypatch.chdir(folder)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("two.request")
        for name in ("one.request", "two.request"):
            with pytest.raises(NotThereError):
                bob.open(ALICE, f"box/{name}")
            with pytest.raises(NotThereError):
                bob.fetch(ALICE, f"box/{name}", tmp_path / "copy")
        assert [entry for entry in bob.watch(ALICE, "box").new() if not entry.file_type_error] == []


def test_an_unreadable_file_is_explained(root: Path) -> None:
    with ordinary_user() as place:
        if os.getuid() == 0:
            os.seteuid(0)
        shared = place / "shared"
        for folder in (shared / ALICE / "box", shared / BOB):
            folder.mkdir(parents=True)
        (shared / BOB).chmod(0o777)
        (shared / ALICE / "box" / "one.request").write_bytes(b"x")
        (shared / ALICE / "box" / "one.request").chmod(0)
        if os.getuid() == 0:
            os.seteuid(65534)
        bob = FolderTransport(shared, BOB, events=False)
        with pytest.raises(TransportError, match="permission denied") as raised:
            bob.open(ALICE, "box/one.request")
        assert not isinstance(raised.value, NotThereError)
        bob.close()


# -- fetch


def test_a_fetch_on_the_same_file_system_copies_nothing(root: Path, opened: Opened, tmp_path: Path) -> None:
    opened(root, ALICE).publish(f"{BOX}/one.payload", HELLO, [BOB])
    opened(root, BOB).fetch(ALICE, f"{BOX}/one.payload", tmp_path / "copy")
    assert (tmp_path / "copy").samefile(root / ALICE / BOX / "one.payload")


def test_a_fetch_to_another_file_system_copies(small_disk: Path, root: Path, opened: Opened) -> None:
    data = os.urandom(500_000)
    opened(root, ALICE).publish(f"{BOX}/one.payload", BytesContent(data), [BOB])
    opened(root, BOB).fetch(ALICE, f"{BOX}/one.payload", small_disk / "copy")
    assert [(place.name, place.read_bytes()) for place in small_disk.iterdir()] == [("copy", data)]


def test_a_fetch_that_fails_leaves_nothing(small_disk: Path, root: Path, opened: Opened) -> None:
    opened(root, ALICE).publish(f"{BOX}/one.payload", BytesContent(bytes(2 << 20)), [BOB])
    with pytest.raises(TransportError, match="the disk is full"):
        opened(root, BOB).fetch(ALICE, f"{BOX}/one.payload", small_disk / "copy")
    assert list(small_disk.iterdir()) == []


# -- files that are whole


@pytest.mark.parametrize("events", [True, False])
def test_a_file_that_is_being_written_in_place_is_not_told_of(
    root: Path, opened: Opened, events: bool
) -> None:
    bob = opened(root, BOB, events=events)
    folder = root / ALICE / BOX
    folder.mkdir(parents=True)
    watch = bob.watch(ALICE, BOX)
    with (folder / "one.payload").open("wb") as stream:
        for _ in range(50):
            stream.write(b"x" * 1000)
            stream.flush()
            assert watch.new() == []
    assert next_files(bob, watch) == [("one.payload", 50_000)]


@pytest.mark.parametrize("events", [True, False])
def test_an_empty_file_is_told_of_when_it_has_grown(root: Path, opened: Opened, events: bool) -> None:
    bob = opened(root, BOB, events=events)
    folder = root / ALICE / BOX
    folder.mkdir(parents=True)
    (folder / "one.request").touch()
    watch = bob.watch(ALICE, BOX)
    assert watch.new() == []
    with pytest.raises(NotThereError):
        bob.open(ALICE, f"{BOX}/one.request")
    (folder / "one.request").write_bytes(b"hello")
    assert next_files(bob, watch) == [("one.request", 5)]


@pytest.mark.parametrize("events", [True, False])
def test_a_file_that_grew_after_it_was_told_of_is_told_of_again(
    root: Path, opened: Opened, events: bool
) -> None:
    bob = opened(root, BOB, events=events)
    folder = root / ALICE / BOX
    folder.mkdir(parents=True)
    (folder / "one.request").write_bytes(b"hel")
    watch = bob.watch(ALICE, BOX)
    assert next_files(bob, watch) == [("one.request", 3)]
    with (folder / "one.request").open("ab") as stream:
        stream.write(b"lo")
    assert next_files(bob, watch) == [("one.request", 5)]


@pytest.mark.parametrize("events", [True, False])
def test_leftovers_of_sync_clients_are_not_told_of(root: Path, opened: Opened, events: bool) -> None:
    bob = opened(root, BOB, events=events)
    folder = root / ALICE / BOX
    folder.mkdir(parents=True)
    watch = bob.watch(ALICE, BOX)
    assert watch.new() == []
    for name in (
        ".one.request.tmp",
        "one.request.tmp",
        "one.request.conflict.20240101000000",
        "one.request.rejected.20240101000000",
        "one (Alice's conflicted copy 2024-01-01).request",
        "one.sync-conflict-20240101-000000-ABC.request",
        "one.request~",
    ):
        (folder / name).write_bytes(b"x")
    opened(root, ALICE).publish(f"{BOX}/two.request", HELLO, [BOB])
    assert next_names(bob, watch) == ["two.request"]
    assert watch.new() == []


@pytest.mark.parametrize("events", [True, False])
def test_what_only_has_the_name_of_a_file_is_told_of_once_as_what_it_is(
    root: Path, opened: Opened, events: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = opened(root, BOB, events=events)
    folder = root / ALICE / "box"
    folder.mkdir(parents=True)
    watch = bob.watch(ALICE, "box")
    assert watch.new() == []
    (folder / "link.request").symlink_to("/dev/zero")
    (folder / "nowhere.request").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.request")
    (folder / "folder.request").mkdir()
    monkeypatch.chdir(folder)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.request")
        told: dict[str, str] = {}
        while len(told) < 5:
            token = bob.token()
            for entry in watch.new():
                assert entry.name not in told
                told[entry.name] = entry.file_type_error
            bob.wait(token, 0.05)
    assert told == {
        "link.request": "a symbolic link",
        "nowhere.request": "a symbolic link",
        "pipe.request": "a pipe",
        "folder.request": "a folder",
        "socket.request": "a socket",
    }
    (folder / "folder.request" / "one.request").write_bytes(b"hello")
    opened(root, ALICE).publish("box/two.request", HELLO, [BOB])
    assert next_names(bob, watch) == ["two.request"]


def test_a_file_that_is_moved_in_is_told_of(root: Path, opened: Opened, tmp_path: Path) -> None:
    bob = opened(root, BOB, HOURS)
    folder = root / ALICE / BOX
    folder.mkdir(parents=True)
    watch = bob.watch(ALICE, BOX)
    assert watch.new() == []
    (tmp_path / "one.request").write_bytes(b"hello")
    (tmp_path / "one.request").rename(folder / "one.request")
    assert next_names(bob, watch) == ["one.request"]


# -- events: with the next poll hours away, only they can have told


def test_an_event_tells_of_a_file_without_a_scan(
    root: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = opened(root, ALICE), opened(root, BOB, HOURS)
    for number in range(200):
        (root / ALICE / BOX).mkdir(parents=True, exist_ok=True)
        (root / ALICE / BOX / f"{number}.request").write_bytes(b"x")
    watch = bob.watch(ALICE, BOX)
    heard: list[str] = []
    while len(heard) < 200:
        heard += next_names(bob, watch)
    scans: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: (scans.append(place), scandir(place))[1])
    for number in range(50):  # at first a scan may be quicker than the first event
        scans.clear()
        alice.publish(f"{BOX}/new{number}.request", HELLO, [BOB])
        assert next_names(bob, watch) == [f"new{number}.request"]
        if not scans:
            break
    assert scans == []


def test_another_process_wakes_the_reader(root: Path, opened: Opened) -> None:
    bob = opened(root, BOB, HOURS)
    watch = bob.watch(ALICE, BOX)
    assert watch.new() == []
    code = (
        "import sys; from pathlib import Path\n"
        "from syft_flwr_cli.transports.base import BytesContent\n"
        "from syft_flwr_cli.transports.folder.transport import FolderTransport\n"
        "FolderTransport(Path(sys.argv[1]), sys.argv[2]).publish(sys.argv[3], BytesContent(b'x'), [])"
    )
    subprocess.run([sys.executable, "-c", code, str(root), ALICE, f"{BOX}/one.request"], check=True)
    assert next_names(bob, watch) == ["one.request"]


def test_folders_that_are_made_while_they_are_waited_for_are_never_missed(root: Path, opened: Opened) -> None:
    alice, bob = opened(root, ALICE), opened(root, BOB, HOURS)
    for turn in range(30):
        box = f"outbox{turn}/app/rpc/messages"
        watch = bob.watch(ALICE, box)
        publishing = threading.Thread(target=alice.publish, args=(f"{box}/one.request", HELLO, [BOB]))
        publishing.start()
        assert next_names(bob, watch) == ["one.request"]
        publishing.join()
        watch.close()


def test_a_folder_that_is_removed_and_made_anew_is_watched_again(root: Path, opened: Opened) -> None:
    alice, bob = opened(root, ALICE), opened(root, BOB, HOURS)
    watch = bob.watch(ALICE, BOX)
    for turn in range(20):
        alice.publish(f"{BOX}/{turn}.request", HELLO, [BOB])
        assert next_names(bob, watch) == [f"{turn}.request"]
        shutil.rmtree(root / ALICE / BOX.split("/")[0])


def test_two_watches_of_one_folder_are_both_woken(root: Path, opened: Opened) -> None:
    alice, bob = opened(root, ALICE), opened(root, BOB, HOURS)
    first, second = bob.watch(ALICE, BOX), bob.watch(ALICE, BOX)
    alice.publish(f"{BOX}/one.request", HELLO, [BOB])
    assert next_names(bob, first) == next_names(bob, second) == ["one.request"]
    first.close()
    alice.publish(f"{BOX}/two.request", HELLO, [BOB])
    assert next_names(bob, second) == ["two.request"]
    assert first.new() == []


def test_without_events_the_transport_scans(root: Path, opened: Opened) -> None:
    alice, bob = opened(root, ALICE), opened(root, BOB, events=False)
    watch = bob.watch(ALICE, BOX)
    for number in range(3):
        alice.publish(f"{BOX}/{number}.request", HELLO, [BOB])
        assert next_names(bob, watch) == [f"{number}.request"]


# -- scans, on a clock of our own


class SilentEvents(Events):
    """A file system that takes watches and never tells, as NFS does for what others write."""

    def listen(self, folder: Path, identity: Identity, listener: Listener) -> bool:
        return True

    def forget(self, folder: Path, listener: Listener) -> None:
        pass


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def silent(root: Path, clock: Clock) -> FolderWatch:
    """A watch over a folder whose events never come."""
    (root / ALICE / "box").mkdir(parents=True)
    return FolderWatch(root, [ALICE, "box"], SilentEvents(), WakeupSignal(3.0), 3.0, clock=clock)


def put(root: Path, name: str, data: bytes = b"hello") -> None:
    FolderTransport(root, ALICE, events=False).publish(f"box/{name}", BytesContent(data), [])


def test_a_change_that_no_event_tells_of_is_found_within_the_poll_interval(
    root: Path, silent: FolderWatch, clock: Clock
) -> None:
    assert silent.new() == []
    put(root, "one.request")
    clock.now += 3.0
    assert [entry.name for entry in silent.new()] == ["one.request"]


def test_once_events_have_proved_silent_every_look_is_a_scan(
    root: Path, silent: FolderWatch, clock: Clock
) -> None:
    assert silent.new() == []
    put(root, "one.request")
    clock.now += 3.0
    assert silent.new()
    put(root, "two.request")
    clock.now += 0.01
    assert [entry.name for entry in silent.new()] == ["two.request"]


def test_a_folder_that_does_not_change_is_soon_not_scanned_any_more(
    root: Path, silent: FolderWatch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent.new()
    put(root, "one.request")
    clock.now += 3.0
    assert silent.new(), "the time of the folder has moved with a new file"
    scans: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: (scans.append(place), scandir(place))[1])
    for _ in range(15):
        silent.new()
        clock.now += 1.0
    assert len(scans) > 0
    scans.clear()
    for _ in range(60):
        silent.new()
        clock.now += 1.0
    assert len(scans) <= 12, "only now and then, lest the time is late"
    monkeypatch.undo()
    put(root, "two.request")
    clock.now += 3.0
    assert [entry.name for entry in silent.new()] == ["two.request"]


class FrozenTime:
    """A mounted object store: the modification time of a folder does not tell of what comes into it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.late = False
        fstat = os.fstat

        def stat_of(descriptor: int) -> os.stat_result:
            facts = fstat(descriptor)
            if not stat.S_ISDIR(facts.st_mode) or self.late:
                return facts
            return os.stat_result([*facts[:8], 0, *facts[9:10]], {"st_mtime_ns": 0, "st_ctime_ns": 0})

        monkeypatch.setattr(os, "fstat", stat_of)


def test_where_a_folders_time_does_not_move_it_is_scanned_at_every_look(
    root: Path, silent: FolderWatch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    FrozenTime(monkeypatch)
    for number in range(5):
        for _ in range(120):
            clock.now += 1.0
            assert silent.new() == []
        put(root, f"{number}.request")
        clock.now += 1.0
        assert [entry.name for entry in silent.new()] == [f"{number}.request"]


def test_a_time_that_was_late_once_is_not_believed_again(
    root: Path, silent: FolderWatch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent.new()
    put(root, "true.request")
    clock.now += 3.0
    assert silent.new()
    for _ in range(60):
        clock.now += 1.0
        silent.new()
    before = (root / ALICE / "box").stat()
    put(root, "late.request")
    os.utime(root / ALICE / "box", ns=(before.st_atime_ns, before.st_mtime_ns))
    late = next(second for second in range(1, 8) if (clock.tick(1.0), silent.new())[1])
    assert late <= 6
    for _ in range(60):
        clock.now += 1.0
        silent.new()
    put(root, "later.request")
    os.utime(root / ALICE / "box", ns=(before.st_atime_ns, before.st_mtime_ns))
    clock.now += 1.0
    assert [entry.name for entry in silent.new()] == ["later.request"]


def test_what_was_moved_in_from_elsewhere_is_whole_at_once(
    root: Path, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIET", "QUIET_WITHOUT_EVENTS", "FRESH"):
        monkeypatch.setattr(watch_module, name, HOURS)  # so that only an event can say that a file is whole
    bob = opened(root, BOB, HOURS)
    folder = root / ALICE / BOX
    folder.mkdir(parents=True)
    watch = bob.watch(ALICE, BOX)
    assert watch.new() == []
    for number in range(20):
        made = tmp_path / "made"
        made.write_bytes(b"hello")
        os.utime(made)
        made.rename(folder / f"{number}.request")
        assert next_names(bob, watch) == [f"{number}.request"]


def test_threads_and_descriptors_do_not_grow_with_peers(root: Path, opened: Opened) -> None:
    bob = opened(root, BOB, HOURS)
    first = bob.watch(ALICE, BOX)
    put(root, "first.request")
    threads, descriptors = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    watches = [bob.watch(f"owner{number}@a.example", "box") for number in range(300)]
    for number in range(300):
        FolderTransport(root, f"owner{number}@a.example", events=False).publish(
            "box/one.request", HELLO, [BOB]
        )
    assert all(next_names(bob, watch) == ["one.request"] for watch in watches)
    assert threading.active_count() <= threads
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
    first.close()


def test_a_file_in_place_counts_as_whole_once_it_has_been_left_alone(
    root: Path, silent: FolderWatch, clock: Clock
) -> None:
    place = root / ALICE / "box" / "one.payload"
    place.write_bytes(b"half")
    assert silent.new() == []
    clock.now += 0.4
    place.write_bytes(b"half and more")
    assert silent.new() == []
    clock.now += 0.4
    assert silent.new() == []
    clock.now += 0.4
    assert [entry.size for entry in silent.new()] == [len(b"half and more")]


def test_an_old_file_counts_as_whole_at_once(root: Path, silent: FolderWatch) -> None:
    place = root / ALICE / "box" / "one.payload"
    place.write_bytes(b"whole")
    os.utime(place, (time.time() - 3600, time.time() - 3600))
    assert [entry.name for entry in silent.new()] == ["one.payload"]


def test_what_is_odd_is_not_opened(root: Path, silent: FolderWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / ALICE / "box"
    os.mkfifo(folder / "pipe.request")
    (folder / "link.request").symlink_to("/dev/zero")
    opened: list[object] = []
    really = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: (opened.append(path), really(path, *rest, **more))[1]
    )
    assert {entry.file_type_error for entry in silent.new()} == {"a pipe", "a symbolic link"}
    assert not [path for path in opened if str(path).endswith(".request")]


def test_a_file_in_the_place_of_what_was_odd_is_told_of(
    root: Path, silent: FolderWatch, clock: Clock
) -> None:
    (root / ALICE / "box" / "one.request").mkdir()
    assert [entry.file_type_error for entry in silent.new()] == ["a folder"]
    (root / ALICE / "box" / "one.request").rmdir()
    put(root, "one.request")
    clock.now += 3.0
    assert [(entry.file_type_error, entry.size) for entry in silent.new()] == [("", 5)]


def test_a_file_that_stays_empty_is_told_of_as_that_once_and_again_when_it_has_grown(
    root: Path, silent: FolderWatch, clock: Clock
) -> None:
    place = root / ALICE / "box" / "one.request"
    place.touch()
    told: list[str] = []
    for _ in range(50):
        told += [entry.file_type_error for entry in silent.new()]
        clock.now += 1.0
    assert told == []
    for _ in range(100):
        told += [entry.file_type_error for entry in silent.new()]
        clock.now += 1.0
    assert told == ["an empty file"]
    place.write_bytes(b"hello")
    clock.now += 61.0
    silent.new()
    clock.now += 3.0
    assert [(entry.file_type_error, entry.size) for entry in silent.new()] == [("", 5)]


def test_what_is_odd_does_not_make_a_look_cost_more(
    root: Path, silent: FolderWatch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent.new()
    put(root, "one.request")
    clock.now += 3.0
    assert silent.new()
    os.mkfifo(root / ALICE / "box" / "pipe.request")
    (root / ALICE / "box" / "empty.request").touch()
    for _ in range(100):
        silent.new()
        clock.now += 1.0
    scans: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: (scans.append(place), scandir(place))[1])
    for _ in range(10):
        silent.new()
        clock.now += 1.0
    assert len(scans) <= 2


def test_files_are_told_of_in_the_order_in_which_they_were_written(root: Path, silent: FolderWatch) -> None:
    for name in ("b", "c", "a"):
        put(root, f"{name}.request")
    assert [entry.name for entry in silent.new()] == ["b.request", "c.request", "a.request"]
