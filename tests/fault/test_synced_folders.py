"""Everybody has a folder of their own, and a sync client of the worst manners carries files between them.

It writes in place and in pieces, shows files before they hold anything, keeps no order, takes its time, and
leaves copies of conflicts and temporary files behind.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fault.ending import assert_perfect
from fault.federation import AGGREGATOR, OWNERS, SERVER, Federation, Zygote

PEOPLE = (AGGREGATOR, *OWNERS)


class Apart(Federation):
    """A federation in which nobody shares a folder with anybody."""

    def folder(self, email: str) -> Path:
        return self.place / "folders" / email

    @property
    def root(self) -> Path:
        """The aggregator's; at the end they are all alike."""
        return self.folder(AGGREGATOR)

    def space(self, who: str) -> Path:
        email = self.email(who)
        return self.folder(email) / email

    def words(self, who: str) -> list[str]:
        words = super().words(who)
        words[words.index("--root") + 1] = str(self.folder(self.email(who)))
        return words

    def files(self) -> Iterator[Path]:
        for top in (self.place / "folders", self.place / "homes"):
            yield from (path for path in top.rglob("*") if path.is_file() and "conflicted" not in path.name)


@dataclass
class SyncClient:
    """Carries what lies in everybody's own space to the others."""

    run: Apart
    seed: int
    carried: dict[tuple[str, Path], bytes] = field(default_factory=dict)
    ends: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Carry what is left, tidily, and end."""
        self.ends.set()
        self._thread.join(30)
        self._carry(tidy=True)

    def _work(self) -> None:
        while not self.ends.is_set():
            self._carry(tidy=False)
            time.sleep(0.005)

    def _carry(self, tidy: bool) -> None:
        jobs = [
            (target, path, source)
            for email in PEOPLE
            for source in [self.run.folder(email)]
            for path in self._own(source, email)
            for target in PEOPLE
            if target != email
        ]
        self._random.shuffle(jobs)
        for target, path, source in jobs:
            with suppress(FileNotFoundError):
                data = (source / path).read_bytes()
                if data and self.carried.get((target, path)) != data:
                    self._put(self.run.folder(target) / path, data, tidy)
                    self.carried[target, path] = data
        for target, path in list(self.carried):
            if not (self.run.folder(path.parts[0]) / path).exists():
                (self.run.folder(target) / path).unlink(missing_ok=True)
                del self.carried[target, path]

    def _own(self, source: Path, email: str) -> list[Path]:
        found = (path for path in (source / email).rglob("*") if path.is_file())
        return [path.relative_to(source) for path in found if not path.name.startswith(".")]

    def _put(self, place: Path, data: bytes, tidy: bool) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        if tidy:
            place.write_bytes(data)
            return
        with place.open("wb") as stream:
            time.sleep(self._random.uniform(0, 0.01))
            stream.write(data[: len(data) // 2])
            stream.flush()
            time.sleep(self._random.uniform(0, 0.02))
            stream.write(data[len(data) // 2 :])
        if self._random.random() < 0.3:
            stem, dot, kind = place.name.rpartition(".")
            place.with_name(f"{stem} (conflicted copy 2026-11-21){dot}{kind}").write_bytes(data[:-7])


@pytest.fixture
def apart(zygote: Zygote, place: Path) -> Iterator[Callable[..., Apart]]:
    made: list[Apart] = []

    def make(**how: object) -> Apart:
        run = Apart(zygote, place / "one", **how)  # type: ignore[arg-type]
        for email in PEOPLE:
            run.folder(email).mkdir(parents=True)
        made.append(run)
        return run

    yield make
    for run in made:
        run.kill_all()


@pytest.mark.parametrize(
    "who, point, seed",
    [
        ("", "", 1),
        (SERVER, "outbox.after-publish:3", 2),
        (OWNERS[0], "inbox.after-publish:3", 3),
        *(pytest.param("", "", seed, marks=pytest.mark.full) for seed in range(10, 20)),
    ],
)
def test_half_files_conflict_copies_and_disorder_change_nothing(
    apart: Callable[..., Apart], who: str, point: str, seed: int
) -> None:
    run = apart()
    client = SyncClient(run, seed)
    try:
        run.start_all({who: point} if who else {})
        run.finish(60)
    finally:
        client.close()
    assert_perfect(run)
