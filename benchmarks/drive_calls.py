"""What a round over Google Drive costs: ``python -m benchmarks.drive_calls``, about ten minutes.

Real processes work with the emulated Drive, which counts: calls by method, quota units and bytes, of the server
and of one data owner, in a warm round; and what a look for news costs while nothing happens. With ``--write``
the table in docs/google-drive.md is renewed. The time that a call takes is not Google's, and is not shown.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.marks import BenchError
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.protocol.names import rpc_folder
from syft_flwr_cli.services.simulation import (
    AGGREGATOR,
    Federation,
    make_place,
    remove_place,
    simulate,
)
from syft_flwr_cli.testing.drive_emulator import Call, Emulator, start
from syft_flwr_cli.transports.base import BytesContent
from syft_flwr_cli.transports.gdrive.open import ENDPOINT, open_gdrive

__all__ = ["Idle", "Round", "idle", "rounds_of", "warm_rounds"]

APP = Path(__file__).with_name("apps") / "slow_training"
PAGE = Path(__file__).parents[1] / "docs" / "google-drive.md"
BEGIN, END = "<!-- drive calls: begin -->", "<!-- drive calls: end -->"
METHODS = ("changes.list", "files.list", "files.create", "files.get.media", "files.delete")
MB = 1_000_000
LOOKS = 24
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """One round as the emulator saw it: how long it took in seconds, and every call."""

    seconds: float
    calls: tuple[Call, ...]

    def of(self, server: bool) -> list[Call]:
        """The server's calls, or those of all data owners."""
        return [call for call in self.calls if (call.who == AGGREGATOR) is server]


@dataclass(frozen=True, slots=True)
class Idle:
    """What looking for news cost while there were none."""

    owners: int
    looks: int
    calls: int


def rounds_of(calls: Sequence[Call]) -> list[Round]:
    """Rounds between two broadcasts of the server, so without the last one, which the end of the run cuts."""
    begun = [call.time for call in calls if _is_broadcast(call)]
    return [
        Round(end - start, tuple(call for call in calls if start <= call.time < end))
        for start, end in pairwise(begun)
    ]


def _is_broadcast(call: Call) -> bool:
    return call.who == AGGREGATOR and call.method == "files.create" and call.detail.startswith("payloads/")


def warm_rounds(
    owners: int, size: float, work: float, count: int, hear: Callable[[str], None], poll: float = 3.0
) -> list[Round]:
    """Run a federation of ``owners`` who train for ``work`` seconds; its ``count`` warm rounds.

    Raises
    ------
    BenchError
        If it does not come to its end, or a round had not one broadcast.
    """
    place = make_place()
    try:
        with start(directory=place / "drive") as emulator:
            config = f"owners={owners} size={size} work={work} rounds={count + 2}"
            federation = Federation(
                project=APP,
                datasites=[f"do{index}@simulation.example" for index in range(1, owners + 1)],
                transport="gdrive",
                server_options=["--run-config", config, "--timeout", "1h"],
                environment={ENDPOINT: emulator.endpoint, "SYFT_FLWR_POLL_INTERVAL": f"{poll:g}"},
            )
            outcome = simulate(federation, place, lambda who, line: hear(line) if "[ROUND" in line else None)
            if outcome.exit_code:
                raise BenchError(f"the run ended with exit code {outcome.exit_code}: {outcome.document}")
            found = rounds_of(emulator.calls())
    finally:
        remove_place(place)
    if len(found) != count + 1:
        raise BenchError(f"{len(found)} whole rounds were seen instead of {count + 1}")
    return found[1:]  # the first one makes folders and meets everybody


def idle(owners: int) -> Idle:
    """Let a server that waits for news of ``owners`` look for them, at a hundred times the pace."""
    with tempfile.TemporaryDirectory() as place, start() as emulator:
        emails = [f"do{index}@simulation.example" for index in range(1, owners + 1)]
        server = open_gdrive(
            email=AGGREGATOR, state_dir=Path(place) / "server", endpoint=emulator.endpoint, poll_interval=0.01
        )
        for email in emails:
            _answer(emulator, Path(place), email, "one.response")
        watches = [server.watch(email, rpc_folder(email, AGGREGATOR, "app")) for email in emails]
        heard = [watch.new() for watch in watches]
        _answer(emulator, Path(place), emails[0], "two.response")
        until = time.monotonic() + PATIENCE
        while not all(heard) or not watches[0].new():  # the second is told of by the change feed
            server.wait(server.token(), 0.1)
            if time.monotonic() > until:
                raise BenchError("a response was not heard of")
        emulator.forget_calls()
        while (looks := len(emulator.calls(who=AGGREGATOR, method="changes.list"))) < LOOKS:
            server.wait(server.token(), 0.1)
            if time.monotonic() > until:
                raise BenchError("nobody looks for news")
        server.close()
        return Idle(owners, looks, len(emulator.calls(who=AGGREGATOR)))


def _answer(emulator: Emulator, place: Path, email: str, name: str) -> None:
    transport = open_gdrive(email=email, state_dir=place / email, endpoint=emulator.endpoint)
    path = f"{rpc_folder(email, AGGREGATOR, 'app')}/{name}"
    transport.publish(path, BytesContent(b"x"), [AGGREGATOR])
    transport.close()


# -- what is shown of it


def render(found: dict[int, list[Round]], idles: Sequence[Idle], options: argparse.Namespace) -> str:
    """The tables, and what was promised, as Markdown."""
    seconds = [one.seconds for rounds in found.values() for one in rounds]
    text = [
        f"Counted on {time.strftime('%Y-%m-%d')} by the emulator, `python -m benchmarks.drive_calls`: a model of "
        f"{options.size:g} MB, data owners who train for {options.work:g} s, {options.rounds} warm rounds "
        f"({min(seconds):.0f} to {max(seconds):.0f} s). Means of a round; behind the slash the dearest round.",
        "",
        "| owners | who | "
        + " | ".join(f"`{method}`" for method in METHODS)
        + " | other | calls | units | MB up | MB down |",
        "|" + "---|" * (len(METHODS) + 7),
    ]
    for owners, rounds in sorted(found.items()):
        text.append(_row(f"{owners}", "server", [one.of(True) for one in rounds], 1))
        text.append(_row("", "one owner", [one.of(False) for one in rounds], owners))
        text.append(_row("", "all", [list(one.calls) for one in rounds], 1))
    text += ["", "| owners | server's calls per look while nothing happens |", "|---|---|"]
    text += [f"| {one.owners} | {one.calls / one.looks:.2f} |" for one in idles]
    return "\n".join(text)


def _row(owners: str, who: str, rounds: Sequence[Sequence[Call]], people: int) -> str:
    kinds = [Counter(call.method for call in calls) for calls in rounds]

    def mean(values: Sequence[float]) -> str:
        return f"{statistics.fmean(values) / people:.3g}" if any(values) else "0"

    cells = [mean([kind[method] for kind in kinds]) for method in METHODS]
    cells.append(mean([kind.total() - sum(kind[method] for method in METHODS) for kind in kinds]))
    dearest = max(map(len, rounds)) / people
    cells.append(f"{mean([len(calls) for calls in rounds])} / {dearest:.3g}")
    cells.append(f"{statistics.fmean(sum(call.units for call in calls) for calls in rounds) / people:.0f}")
    cells.append(mean([sum(call.received for call in calls) / MB for calls in rounds]))
    cells.append(mean([sum(call.sent for call in calls) / MB for calls in rounds]))
    return f"| {owners} | {who} | " + " | ".join(cells) + " |"


def promises(
    found: dict[int, list[Round]], idles: Sequence[Idle], size: float
) -> list[tuple[str, str, bool]]:
    """What was promised, what came of it, and whether it was kept."""
    kept = []
    if ten := found.get(10):
        most, server = max(len(one.calls) for one in ten), max(len(one.of(True)) for one in ten)
        up = max(sum(call.received for call in one.of(True)) for one in ten) / (size * MB)
        kept.append(("10 owners: at most 110 calls in a warm round", f"{most}", most <= 110))
        kept.append(("10 owners: at most 30 of them by the server", f"{server}", server <= 30))
        kept.append(("10 owners: the server uploads the model once", f"{up:.3f} times", up < 1.05))
    if len(idles) > 1:
        rates = [one.calls / one.looks for one in idles]
        said = " and ".join(
            f"{rate:.2f} ({one.owners} owners)" for one, rate in zip(idles, rates, strict=True)
        )
        kept.append(("calls per idle look do not grow with the owners", said, max(rates) - min(rates) < 0.1))
    return kept


def insert(page: str, table: str) -> str:
    """``page`` with ``table`` between the marks."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"the page has no place for the table ({BEGIN} … {END})")
    return f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}"


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and perhaps write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drive_calls", description=__doc__)
    parser.add_argument("--owners", type=_numbers, default=[3, 10], help="such as 3,10")
    parser.add_argument("--idle-owners", type=_numbers, default=[10, 50], help="such as 10,50")
    parser.add_argument("--size", type=float, default=4.0, help="of the model in MB (10^6 bytes)")
    parser.add_argument("--work", type=float, default=50.0, help="seconds that a data owner trains")
    parser.add_argument("--rounds", type=int, default=3, help="warm rounds")
    parser.add_argument("--write", action="store_true", help="renew the table in docs/google-drive.md")
    options = parser.parse_args(words)

    def hear(line: str) -> None:
        print(line.split("INFO")[-1].strip(), file=sys.stderr, flush=True)

    try:
        idles = [idle(owners) for owners in options.idle_owners]
        found = {}
        for owners in options.owners:
            hear(f"{owners} owners …")
            found[owners] = warm_rounds(owners, options.size, options.work, options.rounds, hear)
        table = render(found, idles, options)
        if options.write:
            PAGE.write_text(insert(PAGE.read_text(), table))
    except (BenchError, SyftFlwrError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table)
    kept = promises(found, idles, options.size)
    for promise, what, ok in kept:
        print(f"{'kept' if ok else 'MISSED':7} {promise}: {what}", file=sys.stderr)
    return 0 if all(ok for _, _, ok in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
