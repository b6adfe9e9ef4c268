"""What a hostile app tries, in each kind of sandbox, as root and as somebody without any rights.

Each program says what it got; a sandbox that lets it get anything fails the test. Kinds that do not work on
the machine of the tests are skipped, never passed.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.execution.sandbox.capabilities import capabilities

PACKAGE = Path(__file__).parents[3] / "syft_flwr_cli"
NOBODY = 65534
MIB = 1 << 20

CAPABILITIES = {one.kind: one for one in capabilities()}
USERS = (0, NOBODY) if os.geteuid() == 0 else (os.geteuid(),)


@dataclass(frozen=True)
class Cage:
    kind: str
    user: int
    place: Path
    python: str

    def run(self, program: str, **asked: Any) -> dict[str, Any]:
        """Run a program in the sandbox and give what the driver says of it."""
        line = [self.python, str(self.place / "driver.py"), str(self.place), self.kind]
        done = subprocess.run(
            [*line, json.dumps(asked), program],
            user=self.user,
            group=self.user,
            extra_groups=[],
            cwd="/",
            env={"PATH": os.defpath, "SECRET_OF_THE_NODE": "hidden", "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def owned(self, folder: str) -> Path:
        """A folder that belongs to the user."""
        made = self.place / folder
        made.mkdir(exist_ok=True)
        os.chown(made, self.user, self.user)
        return made


def readable_python() -> str:
    """An interpreter that anybody may start."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        if not Path(candidate).exists():
            continue
        program = "import sys; sys.exit(sys.version_info < (3, 11))"
        try:
            if (
                subprocess.run([candidate, "-c", program], user=USERS[-1], cwd="/", check=False).returncode
                == 0
            ):
                return candidate
        except PermissionError:
            continue
    pytest.skip("no Python that somebody without rights may start")


SAMPLE = {("bwrap", USERS[0]), ("landlock", USERS[-1])}
"""What is tried each time; all of it by ``make nightly``."""
EVERY = [(kind, user) for kind in ("bwrap", "landlock") for user in USERS]


@pytest.fixture(
    params=[pytest.param(one, marks=() if one in SAMPLE else pytest.mark.full) for one in EVERY], ids=str
)
def cage(request: pytest.FixtureRequest) -> Iterator[Cage]:
    kind, user = request.param
    if not CAPABILITIES[kind].works:
        pytest.skip(CAPABILITIES[kind].why)
    place = Path(
        tempfile.mkdtemp(prefix="cage-")
    )  # not below pytest's folder, which only its owner may enter
    place.chmod(0o755)
    shutil.copytree(
        PACKAGE, place / "syft_flwr_cli", ignore=shutil.ignore_patterns("__pycache__", "templates")
    )
    shutil.copy(Path(__file__).parent / "driver.py", place)
    yield Cage(kind, user, place, readable_python())
    shutil.rmtree(place)


READS = """
import os
for place in {places}:
    try:
        got = os.listdir(place) if os.path.isdir(place) else open(place, 'rb').read(64)
    except OSError as error:
        print('stopped', place, error.__class__.__name__)
    else:
        print('GOT', place, got)
"""


def test_no_file_is_read_that_is_not_named(cage: Cage) -> None:
    other = cage.owned("another-project")
    (other / "patients.csv").write_text("secret")
    places = [
        *("/etc/passwd", "/etc/shadow", "/root", "/home", "/var/log", str(other / "patients.csv")),
        *("/proc/1/environ", "/proc/1/cmdline", str(Path(__file__).parents[3] / "pyproject.toml")),
    ]
    program = READS.format(places=places) + READS.format(
        places="[f'/proc/{os.getppid()}/environ', f'/proc/{os.environ[\"NODE\"]}/environ', "
        "f'/proc/{os.environ[\"NODE\"]}/fd']"
    )
    result = cage.run(program)
    # In a process view of its own, number 1 is the first process of the sandbox itself.
    got = [line for line in result["output"].splitlines() if "GOT" in line and "/proc/1/cmdline" not in line]
    assert not got
    assert result["output"].count("stopped") >= 10


def test_the_environment_of_the_node_is_not_there(cage: Cage) -> None:
    result = cage.run("import os; print(sorted(os.environ))")
    assert "SECRET_OF_THE_NODE" not in result["output"]


def test_the_data_is_read_and_not_changed(cage: Cage) -> None:
    data = cage.owned("data")
    (data / "rows.csv").write_text("1,2,3")
    os.chown(data / "rows.csv", cage.user, cage.user)
    program = f"""
import os
print(open({str(data / "rows.csv")!r}).read())
for what in ("open(path, 'a')", "os.remove(path)", "os.rename(path, path + 'x')", "os.chmod(path, 0o777)",
             "open(folder + '/new', 'w')", "os.truncate(path, 0)"):
    try:
        eval(what, {{"open": open, "os": os, "path": {str(data / "rows.csv")!r}, "folder": {str(data)!r}}})
    except OSError as error:
        print('stopped', what)
    else:
        print('GOT', what)
"""
    result = cage.run(program, readable=[str(data)])
    assert "1,2,3" in result["output"]
    lines = [line for line in result["output"].splitlines() if line.startswith("GOT")]
    # Landlock rules no change of a file's mode; the owner of the file may do that, and nothing is gained by it.
    assert [line for line in lines if not (cage.kind == "landlock" and "chmod" in line)] == []
    assert (data / "rows.csv").read_text() == "1,2,3"


def test_nothing_is_written_outside_the_scratch_folder(cage: Cage) -> None:
    program = """
import os
for place in ('/x', '/usr/lib/x', '/dev/x', '/dev/shm/../x', '/var/tmp/x', '/proc/x', os.getcwd() + '/x', '/etc/x'):
    try:
        open(place, 'w').close()
    except OSError:
        print('stopped', place)
    else:
        print('GOT', place)
open(os.environ['TMPDIR'] + '/mine', 'w').write('fine')
print(open(os.environ['TMPDIR'] + '/mine').read())
"""
    result = cage.run(program)
    assert "GOT" not in result["output"]
    assert "fine" in result["output"]
    assert result["scratch_is_gone"]


def test_results_stay(cage: Cage) -> None:
    results = cage.owned("results")
    cage.run(f"open({str(results / 'model')!r}, 'w').write('weights')", results=str(results))
    assert (results / "model").read_text() == "weights"


SOCKETS = """
import socket
def attempt(name, make):
    try:
        got = make()
    except OSError as error:
        print('stopped', name, error)
    else:
        print('GOT', name, got)
def tcp(): return socket.create_connection(('127.0.0.1', {port}), 5)
def udp():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return one.sendto(b'x', ('127.0.0.1', {port}))
def unix():
    one = socket.socket(socket.AF_UNIX)
    return one.connect({path!r})
def abstract():
    one = socket.socket(socket.AF_UNIX)
    return one.connect({abstract!r})
def raw(): return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
def vsock(): return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
def packet(): return socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
attempt('name', lambda: socket.getaddrinfo('example.org', 80))
for make in (tcp, udp, unix, abstract, raw, vsock, packet):
    attempt(make.__name__, make)
"""


def test_no_socket_reaches_anything(cage: Cage) -> None:
    path = str(cage.place / "listening")
    abstract = f"\0syft-flwr-test-{os.getpid()}"
    with (
        socket.socket() as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as hidden,
    ):
        tcp.bind(("127.0.0.1", 0))
        unix.bind(path)
        Path(path).chmod(0o777)
        hidden.bind(abstract)
        for one in (tcp, unix, hidden):
            one.listen()
        program = SOCKETS.format(port=tcp.getsockname()[1], path=path, abstract=abstract)
        # The folder of the socket is shown, so that nothing but the rule for sockets keeps the app from it.
        readable = [] if cage.kind == "bwrap" else [str(cage.place)]
        result = cage.run(program, readable=readable)
    assert "GOT" not in result["output"]
    assert result["output"].count("stopped") == 8


def test_no_process_outside_is_signalled_or_traced(cage: Cage) -> None:
    program = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
node = int(os.environ['NODE'])
for name, target in (('node', node), ('parent', os.getppid() or 1)):
    try:
        os.kill(target, signal.SIGKILL)
        # The first process of a view of its own takes no signals, and is no process of the node.
        print('sent', name, target)
    except OSError:
        print('stopped', name)
    print('ptrace', name, libc.ptrace(16, target, 0, 0))
    print('process_vm_readv', name, libc.process_vm_readv(target, None, 0, None, 0, 0))
try:
    os.pidfd_open(node)
    print('GOT pidfd')
except OSError:
    print('stopped')
"""
    result = cage.run(program)
    lines = result["output"].splitlines()
    assert "stopped node" in lines
    assert not [
        line for line in lines if line.startswith(("ptrace", "process_vm")) and not line.endswith("-1")
    ]
    if cage.kind == "landlock":
        assert "stopped parent" in lines
    assert result["code"] == 0  # the supervisor lives: it told how the program ended


def test_forking_without_end_is_bounded(cage: Cage) -> None:
    program = """
import os, sys, time
made = 0
for _ in range(2000):
    try:
        child = os.fork()
    except OSError as error:
        print('refused after', made, error.errno, flush=True)
        break
    if child == 0:
        time.sleep(60)
        os._exit(0)
    made += 1
else:
    print('GOT', made)
"""
    result = cage.run(program, limits={"processes": 100, "seconds": 60})
    assert "GOT" not in result["output"]
    assert int(result["output"].split()[2]) <= 100 + 64


def test_a_fork_bomb_of_many_branches_is_bounded(cage: Cage) -> None:
    """All branches fork at once, so a count that lags behind would let many through."""
    program = """
import os, sys, time
read, write = os.pipe()
end = time.time() + 3
while time.time() < end:
    try:
        if os.fork() == 0:
            os.write(write, b'.')
    except OSError:
        time.sleep(0.01)
os._exit(0)
"""
    counter = (
        "import os\n"
        + program.replace("os._exit(0)", "")
        + (
            "os.set_blocking(read, False)\n"
            "if os.getpid() == first:\n print('started', len(os.read(read, 1 << 16)), flush=True)\n"
            "time.sleep(0.2)\nos._exit(0)\n"
        ).replace("first", "main")
    )
    counter = counter.replace("end = time.time() + 3", "main = os.getpid(); end = time.time() + 3")
    result = cage.run(counter, limits={"processes": 100, "seconds": 60})
    assert int(result["output"].split()[1]) <= 100 + 64


@pytest.mark.parametrize("way", ["one process", "many processes", "shared memory"])
def test_allocating_without_end_is_stopped(cage: Cage, way: str) -> None:
    program = {
        "one process": "held = []\nwhile True: held.append(bytearray(16 << 20))",
        "many processes": (
            "import os, time\n"
            "for _ in range(8):\n"
            "    if os.fork() == 0:\n"
            "        held = [bytearray(16 << 20) for _ in range(12)]\n"
            "        time.sleep(60)\n"
            "time.sleep(60)"
        ),
        "shared memory": (
            "import os\n"
            "held = os.memfd_create('x')\n"
            "block = bytes(16 << 20)\n"
            "while True: os.write(held, block)"
        ),
    }[way]
    result = cage.run(program, limits={"memory": 512 * MIB, "seconds": 60})
    assert result["code"] != 0
    assert result["memory"] <= (512 + 256) * MIB
    if way != "one process":
        assert "memory" in result["reason"]
    else:
        assert "MemoryError" in result["output"] or "memory" in result["reason"]


def test_filling_the_scratch_folder_is_stopped(cage: Cage) -> None:
    program = """
import os
block, number = bytes(1 << 20), 0
try:
    while True:
        with open(f"{os.environ['TMPDIR']}/{number}", 'wb') as file:
            for _ in range(8):
                file.write(block)
        number += 1
        print(number * 8, flush=True)
except OSError as error:
    print('stopped', number * 8, error.strerror)
"""
    result = cage.run(program, limits={"scratch": 128 * MIB, "seconds": 60})
    written = max(int(word) for word in result["output"].split() if word.isdecimal())
    assert written <= 128 + 64
    assert "stopped" in result["output"] or "scratch folder" in result["reason"]


def test_filling_the_results_folder_is_stopped(cage: Cage) -> None:
    results = cage.owned("results")
    program = f"""
block, number = bytes(1 << 20), 0
while True:
    with open({str(results)!r} + f"/{{number}}", 'wb') as file:
        for _ in range(8):
            file.write(block)
    number += 1
"""
    result = cage.run(program, results=str(results), limits={"results": 64 * MIB, "seconds": 60})
    assert "results folder" in result["reason"]


def test_a_daemon_is_not_left_behind(cage: Cage) -> None:
    mark = f"left-{os.getpid()}-{cage.kind}-{cage.user}"
    program = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1); os.close(2)
        os.execv(sys.executable, [sys.executable, '-I', '-c', 'import time; time.sleep(600)', {mark!r}])
    os._exit(0)
time.sleep(0.5)
print('gone')
"""
    result = cage.run(program, marks=mark)
    assert "gone" in result["output"]
    assert result["left"] == []


def test_a_request_that_outlives_its_time_is_stopped(cage: Cage) -> None:
    program = """
import signal, time
for number in set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
time.sleep(600)
"""
    result = cage.run(program, limits={"seconds": 1.0})
    assert "longer than 1 seconds" in result["reason"]


def test_processor_time_of_all_processes_is_bounded(cage: Cage) -> None:
    program = "import os\nos.fork()\nos.fork()\nwhile True: pass"
    result = cage.run(program, limits={"cpu_seconds": 1.0, "seconds": 60})
    assert "processor time" in result["reason"]


@pytest.mark.parametrize("place", ["data", "scratch", "memory"])
def test_no_program_of_the_apps_own_is_executed(cage: Cage, place: str) -> None:
    if place == "memory":
        pytest.skip("a program in memory is a file of nobody's folder, and has no more rights than the app")
    data = cage.owned("data")
    shutil.copy("/bin/true", data / "tool")
    (data / "tool").chmod(0o755)
    where = repr(str(data / "tool")) if place == "data" else "os.environ['TMPDIR'] + '/tool'"
    program = f"""
import os, shutil, subprocess
if {place == "scratch"}:
    shutil.copy({str(data / "tool")!r}, {where}); os.chmod({where}, 0o755)
try:
    print('GOT', subprocess.run([{where}]).returncode)
except OSError as error:
    print('stopped', error)
"""
    result = cage.run(program, readable=[str(data)])
    assert "GOT" not in result["output"]
    assert "stopped" in result["output"]


def test_no_descriptor_of_the_node_is_there(cage: Cage) -> None:
    program = """
import os
for number in range(3, 256):
    try:
        facts = os.fstat(number)
    except OSError:
        continue
    print('GOT', number, os.readlink(f'/proc/self/fd/{number}'))
"""
    assert "GOT" not in cage.run(program)["output"]


def test_no_privilege_is_left(cage: Cage) -> None:
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print([libc.mount(b'x', b'/tmp', b'tmpfs', 0, None), libc.unshare(0x10000000), libc.unshare(0x20000),
       libc.chroot(b'/tmp'), libc.setns(0, 0), libc.sethostname(b'x', 1)])
import resource
for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
    try:
        resource.setrlimit(kind, (1 << 40, 1 << 40)); print('GOT')
    except (OSError, ValueError): print('stopped')
"""
    result = cage.run(program)
    assert "[-1, -1, -1, -1, -1, -1]" in result["output"]
    assert "GOT" not in result["output"]


@pytest.fixture
def echo() -> Iterator[int]:
    """A server on this machine that gives back what it gets; its port."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                with one:
                    one.sendall(b"heard " + one.recv(100))

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_only_what_was_granted_is_reached(cage: Cage, echo: int, host: str) -> None:
    if host == "localhost" and cage.kind == "bwrap":
        pass  # a name leads to an address of its own inside
    program = f"""
import socket
with socket.create_connection(({host!r}, {echo}), 10) as one:
    one.sendall(b'hello')
    print(one.recv(100))
for port in (1, 22, 80, {echo + 1 if echo < 65535 else 1024}):
    try:
        socket.create_connection(('127.0.0.1', port), 5)
        print('GOT', port)
    except PermissionError:
        print('stopped by a rule')
    except OSError:
        print('stopped')
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))
    print('sent')
except OSError:
    print('stopped')
"""
    with socket.socket() as other:  # something listens there, and is not reached
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = cage.run(
            program.replace("22", str(other.getsockname()[1])), grants={"network": [f"{host}:{echo}"]}
        )
    assert "heard hello" in result["output"]
    assert "GOT" not in result["output"]


def test_what_was_not_granted_of_the_environment_and_the_paths_is_not_there(cage: Cage) -> None:
    granted = cage.owned("granted")
    (granted / "file").write_text("allowed")
    refused = cage.owned("refused")
    (refused / "file").write_text("secret")
    program = READS.format(places=[str(granted / "file"), str(refused / "file")])
    result = cage.run(program, grants={"paths": [str(granted)]})
    assert "allowed" in result["output"]
    assert "secret" not in result["output"]
