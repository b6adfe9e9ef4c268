"""What a server costs as the number of data owners grows, in CPU time, so that a loaded machine can be measured.

Run as ``python -m benchmarks.scale [--owners 10 100 1000] [--rounds 5] [--long 200]``. The server is a `SyftGrid` in
this process, over a shared folder on the disk; all data owners are nodes on the real core in one other process, each
with its own keys, home, journal and sealed answers. Measured is the user and system time of the server's process
alone, with its threads, descriptors, inotify instances and watches, and memory. A round sends ten numbers to everybody
and waits for their answers; what Flower's strategies compute is not in it.
"""

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

AGGREGATOR, APP, RUN = "ds@bench.example", "scale", 4711
MB = 1_000_000


def owners_of(count: int) -> list[str]:
    """The e-mails of so many data owners."""
    return [f"do{number:04}@bench.example" for number in range(count)]


def identity_of(email: str) -> Any:
    """The same keys in both processes."""
    from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity

    return Identity.create(email, 1.0, hashlib.shake_256(email.encode()).digest(SECRETS_SIZE))


def channel_of(place: Path, email: str, *, events: bool) -> Any:
    """A channel of ``email`` over the shared folder of ``place``."""
    from syft_flwr_cli.audit.log import AuditLog
    from syft_flwr_cli.delivery.account import Account
    from syft_flwr_cli.delivery.channel import open_channel
    from syft_flwr_cli.security.roster import Roster
    from syft_flwr_cli.storage.journal import Journal
    from syft_flwr_cli.transports.folder.transport import FolderTransport

    home = place / "homes" / email
    home.mkdir(parents=True, exist_ok=True)
    identity = identity_of(email)
    account = Account(home, identity, Roster(home / "roster.json"), AuditLog(home / "audit.jsonl", identity))
    transport = FolderTransport(place / "root", email, events=events)
    return open_channel(account, APP, home, transport, Journal(home / "journal.sqlite3"))


# The data owners' process


def serve(place: Path, count: int) -> None:
    """Have the data owners named on each line of stdin (how many of them) answer one request each."""
    from flwr.app import Message
    from flwr.clientapp import ClientApp

    from syft_flwr_cli.delivery.inbox import Inbox
    from syft_flwr_cli.execution.inline_runner import InlineRunner
    from syft_flwr_cli.execution.runner import AppSetup
    from syft_flwr_cli.protocol import names

    app = ClientApp()

    def answer(message: Any, context: Any) -> Any:
        return Message(message.content, reply_to=message)

    app.train()(answer)
    server = identity_of(AGGREGATOR).public
    done = [0] * count

    def inbox(index: int, email: str) -> Inbox:
        channel = channel_of(place, email, events=False)
        channel.account.roster.trust(server, 1.0, verified=True)
        channel.publish_identity([AGGREGATOR])
        runner = InlineRunner(AppSetup(Path(), "", APP, names.node_id(email)), app)

        def execute(task: Any) -> Any:
            done[index] += 1
            return runner(task)

        return Inbox(channel, AGGREGATOR, execute)

    inboxes = [inbox(index, email) for index, email in enumerate(owners_of(count))]
    print("ready", flush=True)
    for line in sys.stdin:
        before, waiting = list(done), set(range(int(line)))
        while waiting:
            for index in sorted(waiting):
                while inboxes[index].step():
                    pass
                if done[index] > before[index]:
                    waiting.discard(index)
            time.sleep(0.002)
        print("done", flush=True)


# The server's process


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at a moment."""

    threads: int
    descriptors: int
    inotify: int
    watches: int
    rss: int


def held() -> Held:
    """What this process holds, as /proc tells it."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    told = []
    for entry in Path("/proc/self/fdinfo").iterdir():
        try:
            told.append(entry.read_text())
        except OSError:  # the descriptor of the listing itself
            continue
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except OSError:
            continue
    return Held(
        threads=int(fields["Threads"]),
        descriptors=len(links),
        inotify=sum("inotify" in link for link in links),
        watches=sum(text.count("inotify wd:") for text in told),
        rss=int(fields["VmRSS"].split()[0]) * 1024,
    )


def cpu() -> float:
    """User and system time of this process so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Federation:
    """A server here and ``count`` data owners in another process."""

    def __init__(self, count: int, **options: Any) -> None:
        self.owners = owners_of(count)
        self._stack = ExitStack()
        self._place = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-")))
        (self._place / "root").mkdir()
        words = [sys.executable, "-m", "benchmarks.scale", "--serve", str(self._place), str(count)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._said("ready")
        from syft_flwr_cli.aggregator.grid import SyftGrid

        self._channel = channel_of(self._place, AGGREGATOR, events=True)
        self._channel.publish_identity(self.owners)
        self._grid = SyftGrid(APP, self.owners, self._channel, **options)
        self._grid.set_run(RUN)
        self._number = 0

    def _said(self, word: str) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.strip() != word:
            raise SystemExit(f"The data owners' process ended: {line!r}")

    def first_contacts(self) -> float:
        """CPU seconds until the keys of all data owners are pinned."""
        before = cpu()
        self._channel.keys.meet(self.owners)
        for owner in self.owners:
            assert self._channel.keys.of(owner) is not None
        return cpu() - before

    def round(self, awake: int | None = None) -> tuple[float, float]:
        """A round; CPU seconds of the server, and seconds."""
        import numpy as np
        from flwr.app import ArrayRecord, ConfigRecord, RecordDict

        from syft_flwr_cli.protocol import names

        self._number += 1
        count = len(self.owners) if awake is None else awake
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        before, begun = cpu(), time.monotonic()
        arrays = ArrayRecord([np.full(1, self._number, np.float32) for _ in range(10)])
        content = {"arrays": arrays, "config": ConfigRecord({"server-round": self._number})}
        messages = [
            self._grid.create_message(
                RecordDict(dict(content)), "train", names.node_id(owner), str(self._number)
            )
            for owner in self.owners
        ]
        replies = self._grid.send_and_receive(messages)
        used, took = cpu() - before, time.monotonic() - begun
        self._said("done")
        if len(replies) != count or any(reply.has_error() for reply in replies):
            raise SystemExit(f"{len(replies)} of {count} answered")
        return used, took

    def close(self) -> None:
        """End both sides, and remove what they left."""
        self._grid.close()
        self._channel.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._stack.close()


@contextmanager
def federation(count: int, **options: Any) -> Iterator[Federation]:
    """A federation that is closed at the end."""
    made = Federation(count, **options)
    try:
        yield made
    finally:
        made.close()


def _line(promise: str, measured: str, kept: bool | None) -> str:
    return f"| {promise} | {measured} | {'' if kept is None else 'kept' if kept else '**missed**'} |"


def by_number(counts: Sequence[int], rounds: int) -> Iterator[str]:
    """First contacts and empty rounds for each number of data owners."""
    per_owner: dict[int, float] = {}
    holds: dict[int, Held] = {}
    for count in counts:
        with federation(count) as made:
            contacts = made.first_contacts()
            promise = f"{count} first contacts: at most {10 * count / 1000:g} s of server CPU"
            yield _line(promise, f"{contacts:.2f} s", contacts <= 10 * count / 1000)
            made.round()
            per_owner[count] = median(made.round()[0] for _ in range(rounds)) / count
            holds[count] = held()
            promise = f"{count} owners, empty round: at most 2 ms of server CPU for each"
            yield _line(promise, f"{per_owner[count] * 1000:.2f} ms", per_owner[count] <= 0.002)
            now = holds[count]
            found = f"{now.threads} threads, {now.descriptors} descriptors, {now.inotify} inotify instances, "
            yield _line(f"{count} owners: held", f"{found}{now.watches} watches", None)
    few, many = min(counts), max(counts)
    ratio = per_owner[many] / per_owner[few]
    promise = f"CPU per owner flat from {few} to {many} (at most 1.2 times)"
    yield _line(promise, f"{ratio:.2f} times", ratio <= 1.2)
    for name in ("threads", "descriptors", "inotify"):
        before, after = getattr(holds[few], name), getattr(holds[many], name)
        yield _line(f"{name}: as many at {many} owners as at {few}", f"{before}, {after}", after <= before)
    rss = holds[many].rss
    yield _line(f"{many} owners: at most 300 MB", f"{rss / MB:.0f} MB", rss <= 300 * MB)


def long_run(rounds: int, count: int = 10) -> list[str]:
    """Memory, threads and descriptors from a quarter of a run to its end."""
    with federation(count) as made:
        for _ in range(rounds // 4):
            made.round()
        early = held()
        for _ in range(rounds - rounds // 4):
            made.round()
        late = held()
    grown = (late.rss - early.rss) / (rounds - rounds // 4)
    return [
        _line(
            f"{count} owners, {rounds} rounds: the server's memory grows by at most 10 kB a round",
            f"{grown / 1000:.1f} kB ({early.rss / MB:.0f} to {late.rss / MB:.0f} MB)",
            grown <= 10_000,
        ),
        _line(
            "as many threads and descriptors at the end as after a quarter",
            f"{early.threads}, {early.descriptors} to {late.threads}, {late.descriptors}",
            (late.threads, late.descriptors) <= (early.threads, early.descriptors),
        ),
    ]


def grace(rounds: int) -> list[str]:
    """Fifty owners of whom three are gone after round one, against 47 of whom nobody is."""
    from syft_flwr_cli.project.enough import Enough

    with federation(47) as made:
        made.round()
        whole = median(made.round()[1] for _ in range(rounds))
    with federation(50, enough=Enough(share=0.9), grace=1.0) as made:
        made.round()
        gone = median(made.round(47)[1] for _ in range(rounds))
    return [
        _line(
            "50 owners, 3 gone, `--enough 90% --grace 1s`: at most 1 s + 1.2 times the round of 47",
            f"{gone:.2f} s against {whole:.2f} s",
            gone <= 1 + 1.2 * whole,
        )
    ]


def main(arguments: Collection[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--owners", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--long", type=int, default=200, help="rounds of the long run; 0 leaves it out")
    parser.add_argument("--no-grace", action="store_true")
    parser.add_argument("--serve", nargs=2, metavar=("PLACE", "COUNT"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if chosen.serve:
        serve(Path(chosen.serve[0]), int(chosen.serve[1]))
        return
    print("| promised | measured |  |\n|---|---|---|", flush=True)
    for line in by_number(chosen.owners, chosen.rounds):
        print(line, flush=True)
    for line in [
        *(long_run(chosen.long) if chosen.long else []),
        *([] if chosen.no_grace else grace(chosen.rounds)),
    ]:
        print(line, flush=True)


if __name__ == "__main__":
    main()
