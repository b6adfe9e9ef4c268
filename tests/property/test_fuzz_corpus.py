"""The kept corpus of the fuzzer, and a short random run: no parser does anything but accept or refuse."""

import importlib.util
import signal
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent.parent / "fuzz"
RUNS = 1_000


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_parsers", HERE / "fuzz_parsers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


FUZZ = load()
TARGETS = sorted(FUZZ.TARGETS)


@pytest.fixture(autouse=True)
def measured() -> Iterator[None]:
    with FUZZ.measuring():
        yield


@pytest.mark.parametrize("target", TARGETS)
def test_everything_that_was_ever_kept_is_borne(target: str) -> None:
    figures = FUZZ.Figures()
    kept = FUZZ.corpus(target)
    assert len(kept) > len(FUZZ.seeds(target)), "the corpus is there"
    for data in kept:
        FUZZ.check(target, data, figures)
    assert figures.inputs == len(kept)
    assert figures.most_memory <= FUZZ.MAX_MEMORY


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_is_well_formed(target: str) -> None:
    figures = FUZZ.Figures()
    for data in FUZZ.seeds(target):
        FUZZ.check(target, data, figures)
    assert figures.well_formed == figures.inputs > 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_short_random_run_finds_nothing(target: str) -> None:
    figures = FUZZ.random_run(target, RUNS, seed=20250615)
    assert figures.inputs >= RUNS
    assert figures.well_formed < figures.inputs, "the run went beyond what is well-formed"


@pytest.mark.parametrize("filler", [b"{},", b"[[[[]]]],"])
@pytest.mark.parametrize(
    ("target", "size"), [("body", 3 << 19), ("document", 16_384), ("header", 4_096), ("keyfile", 65_536)]
)
def test_json_full_of_nothing_takes_no_more_memory_than_it_may(target: str, size: int, filler: bytes) -> None:
    text = b'{"x":[' + filler * ((size - 20) // len(filler)) + b"0]}\n"
    data = len(text).to_bytes(4, "big") + text if target == "body" else text
    FUZZ.check(target, data, FUZZ.Figures())


@pytest.mark.parametrize(
    ("parser", "found"),
    [
        (lambda data: 1 / 0, "ZeroDivisionError"),
        (lambda data: bytes(FUZZ.MAX_MEMORY + 1), "bytes of memory"),
        (lambda data: [].remove(data), "ValueError"),
    ],
)
def test_the_fuzzer_finds_what_it_is_there_to_find(
    parser, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FUZZ.TARGETS, "header", parser)
    with pytest.raises(FUZZ.FoundError, match=found):
        FUZZ.check("header", b"anything", FUZZ.Figures())


def test_measuring_is_over_afterwards() -> None:
    assert tracemalloc.is_tracing()
    if hasattr(signal, "getitimer"):
        FUZZ.check("header", b"anything", FUZZ.Figures())
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
