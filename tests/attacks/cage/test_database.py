"""An app reads its rows from a real PostgreSQL, and only by a grant."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_what_an_app_tries import Cage, cage

__all__ = ["cage"]

PROGRAMS = (
    sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:] if Path("/usr/lib/postgresql").exists() else []
)

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not PROGRAMS, reason="PostgreSQL is not installed"),
]


def owner() -> int:
    """PostgreSQL does not run as root."""
    return pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else os.geteuid()


@pytest.fixture(scope="module")
def database() -> Iterator[int]:
    """A server with a table of three patients; its port."""
    place = Path(tempfile.mkdtemp(prefix="pg-"))
    os.chown(place, owner(), -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program: str, *words: str) -> None:
        command = [str(PROGRAMS[0] / program), *words]
        subprocess.run(command, check=True, capture_output=True, user=owner(), cwd=place, timeout=120)

    run("initdb", "-D", str(place / "data"), "-A", "trust", "-U", "reader", "--no-sync")
    options = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-D", str(place / "data"), "-w", "-l", str(place / "log"), "-o", options, "start")
    try:
        rows = "create table patients as select * from (values (41), (52), (63)) as rows (age)"
        run("psql", "-h", "127.0.0.1", "-p", str(port), "-U", "reader", "-d", "postgres", "-c", rows)
        yield port
    finally:
        run("pg_ctl", "-D", str(place / "data"), "-w", "-m", "immediate", "stop")
        shutil.rmtree(place)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_rows_are_read_by_a_grant_and_not_without(cage: Cage, database: int, host: str) -> None:
    program = f"""
import subprocess
words = '-h {host} -p {database} -U reader -d postgres -t -A -c'.split()
done = subprocess.run([{str(PROGRAMS[0] / "psql")!r}, *words, 'select sum(age) from patients'],
                      capture_output=True, text=True)
print('sum', done.stdout.strip(), done.stderr.strip())
"""
    granted = cage.run(program, grants={"network": [f"{host}:{database}"]})
    assert "sum 156" in granted["output"], granted
    refused = cage.run(program)
    assert "156" not in refused["output"] and "sum" in refused["output"]
