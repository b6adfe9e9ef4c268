"""Runs leave nothing growing but the audit log; what is kept, and for how long, is what was set."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fault.ending import assert_audit_verifies
from fault.federation import AGGREGATOR, HERE, OWNERS, SERVER, Federation
from fault.waiting import until
from syft_flwr_cli.protocol.names import rpc_folder
from syft_flwr_cli.storage.paths import make_private_dir

Make = Callable[..., Federation]
TOMBSTONE = 300
"""Bytes that an owner's journal keeps of each of its answers that it took back, at most."""
AT_ONCE = 'retention = "0.001s"\n'


def keep_for(run: Federation, text: str) -> None:
    """Set the retention time of everybody."""
    for who in (SERVER, *run.owners):
        make_private_dir(run.home(who))
        (run.home(who) / "settings.toml").write_text(f"[default]\n{text}")


def space(run: Federation) -> tuple[int, int]:
    """Files and bytes of all, but for the audit logs, the results, which stay until their owners remove them, and
    what the participants said, which is bounded by itself (`RunLog`).

    A journal's write-ahead log is looked at by itself: how full it is depends on when one looks, and
    SQLite begins it anew after a thousand pages of 4 KiB (https://sqlite.org/wal.html).
    """
    ours = [
        path
        for path in run.files()
        if path.name != "audit.jsonl" and not {"results", "logs"} & set(path.parts)
    ]
    sizes = {}
    for path in ours:
        with suppress(
            FileNotFoundError
        ):  # an owner that has said that a run is over still takes its answers back
            sizes[path] = path.stat().st_size
    logs = {path for path in sizes if path.name.endswith(("-wal", "-shm"))}
    assert all(sizes[path] < 4_500_000 for path in logs)
    return len(sizes), sum(size for path, size in sizes.items() if path not in logs)


@contextmanager
def servers(run: Federation) -> Iterator[Callable[[int], None]]:
    """Begins as many runs as it is asked for, one after the other, and comes back after the last."""
    words = [sys.executable, str(HERE / "many_runs.py"), str(run.project), AGGREGATOR, str(run.root)]
    environment = {
        **os.environ,
        "SYFT_FLWR_HOME": str(run.home(SERVER)),
        "SYFT_FLWR_POLL_INTERVAL": "0.5",
        "FLWR_TELEMETRY_ENABLED": "0",
        "PYTHONPATH": str(HERE.parent.parent),
    }
    with (run.place / "said" / "servers").open("w") as said:
        child = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
        )
    assert child.stdin is not None and child.stdout is not None

    def begin(count: int) -> None:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(f"{count}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n", (run.place / "said" / "servers").read_text()[-3000:]

    try:
        yield begin
        child.stdin.close()
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()


@pytest.mark.slow
def test_a_hundred_runs_leave_nothing_growing_but_the_audit_log(federation: Make) -> None:
    run = federation(client_options=("--isolation", "inline", "--keep-alive"))
    keep_for(run, AT_ONCE)
    for owner in OWNERS:
        run.start(owner)

    def settled(count: int) -> bool:
        return all(run.lives[owner][-1].said().count("is over") == count for owner in OWNERS)

    with servers(run) as begin:
        begin(10)
        until(lambda: settled(10), "the owners to hear of ten ends")
        files, size = space(run)
        logs = sum(run.audit(who).stat().st_size for who in (SERVER, *OWNERS))
        begin(90)
        tombstones = 90 * 6 * len(OWNERS) * TOMBSTONE
        until(lambda: settled(100), "the owners to hear of a hundred ends")
        until(lambda: space(run)[0] <= files + 4, "no more files than after ten runs")
        until(lambda: space(run)[1] <= 1.25 * size + tombstones, "hardly more bytes than after ten runs")
        logs_then = sum(run.audit(who).stat().st_size for who in (SERVER, *OWNERS))
    assert logs_then > 5 * logs, "the audit log keeps everything"
    for who in (SERVER, *OWNERS):
        assert_audit_verifies(run, who)
    for owner in OWNERS:
        run.lives[owner][-1].interrupt()
        run.lives[owner][-1].wait()


def clean(run: Federation, who: str, *options: str) -> dict[str, Any]:
    """What ``syft-flwr clean --json`` says."""
    words = [
        "clean",
        str(run.project),
        "--email",
        run.email(who),
        "--root",
        str(run.root),
        "--json",
        *options,
    ]
    stem = run.place / "said" / f"{run.email(who)}.clean.{len(list((run.place / 'said').iterdir()))}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(run.place), "SYFT_FLWR_HOME": str(run.home(who))}
    process = run.zygote.start("clean", words, environment, Path(f"{stem}.out"), Path(f"{stem}.err"))
    assert process.wait() == 0, process.said()
    data: dict[str, Any] = process.document()["data"]
    return data


def envelopes(run: Federation, who: str) -> list[str]:
    return sorted(path.name for path in (run.root / run.email(who)).rglob("*.re[qs]*"))


def test_clean_shows_first_and_removes_then_and_only_what_is_over_and_old(federation: Make) -> None:
    run = federation()
    run.start_all()
    run.finish()
    before = envelopes(run, SERVER)
    assert len(before) == 14 and len(envelopes(run, OWNERS[0])) == 6
    kept = clean(run, SERVER)
    assert kept["files_removed"] == 0 and kept["files_left"] == 14, "the retention time is not over"
    shown = clean(run, SERVER, "--older-than", "0", "--dry-run")
    assert shown["files_removed"] == 12 and envelopes(run, SERVER) == before, (
        "nothing but the stop signals stays"
    )
    done = clean(run, SERVER, "--older-than", "0")
    assert done["paths"] == shown["paths"] and done["bytes_freed"] == shown["bytes_freed"] > 0
    assert len(envelopes(run, SERVER)) == 2 == done["files_left"]
    assert len(envelopes(run, OWNERS[0])) == 6, "others' files are theirs"
    owners = clean(run, OWNERS[0], "--older-than", "0")
    assert owners["files_removed"] == 6 and envelopes(run, OWNERS[0]) == []
    assert_audit_verifies(run, SERVER)


def test_an_unfinished_run_is_not_touched_however_old(federation: Make) -> None:
    run = federation()
    run.start_all({SERVER: "outbox.after-answer:2"})
    assert run.lives[SERVER][-1].wait() == -9
    for who in (SERVER, *OWNERS):
        there = envelopes(run, who)
        said = clean(run, who, "--older-than", "0")
        assert said["files_removed"] == 0 and envelopes(run, who) == there
    run.finish()
    from fault.ending import assert_perfect

    assert_perfect(run)


def test_an_app_whose_project_is_gone_is_cleaned_by_its_name(federation: Make) -> None:
    run = federation()
    run.start_all()
    run.finish()
    for who, count in ((SERVER, 12), (OWNERS[0], 6)):
        words = ["clean", "--app", run.app, "--root", str(run.root), "--older-than", "0", "--json"]
        stem = run.place / "said" / f"{run.email(who)}.by-name"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(run.place),
            "SYFT_FLWR_HOME": str(run.home(who)),
        }
        process = run.zygote.start("clean", words, environment, Path(f"{stem}.out"), Path(f"{stem}.err"))
        assert process.wait() == 0, process.said()
        assert json.loads(process.stdout.read_text())["data"]["files_removed"] == count


def test_what_no_journal_knows_is_kept_for_as_long_as_the_rest_and_then_goes(federation: Make) -> None:
    run = federation()
    run.start_all()
    run.finish()
    folder = run.root / AGGREGATOR / rpc_folder(AGGREGATOR, OWNERS[0], run.app)
    stray = folder / "0f8fad5b-d9cb-469f-a165-70867728950e.payload"
    stray.write_bytes(b"of a journal that was lost")
    assert clean(run, SERVER, "--older-than", "1h")["files_removed"] == 0
    assert stray.exists()
    os.utime(stray, (0, 0))
    assert clean(run, SERVER, "--older-than", "1h")["files_removed"] == 1
    assert not stray.exists()


def test_a_request_of_a_run_that_was_forgotten_is_not_executed_again(federation: Make) -> None:
    run = federation()
    keep_for(run, AT_ONCE)
    run.start_all({SERVER: "outbox.before-answer:1"})
    assert run.lives[SERVER][-1].wait() == -9
    folder = run.root / AGGREGATOR / rpc_folder(AGGREGATOR, OWNERS[0], run.app)
    (request,) = folder.glob("*.request")
    old = request.read_bytes()
    run.finish()
    for who in (*OWNERS, SERVER):
        run.start(who)
    run.finish()
    calls = run.calls(OWNERS[0])
    # The first run is forgotten; somebody puts one of its requests back while the third goes on.
    request.write_bytes(old)
    for owner in OWNERS:
        run.start(owner)
    until(lambda: "ended long ago" in run.lives[OWNERS[0]][-1].said(), "a refusal")
    run.start(SERVER)
    run.finish()
    assert len(run.calls(OWNERS[0])) == len(calls) + 6
