"""What was promised of the speed, each as a row: the promise, what was measured, and whether it is kept."""

from collections.abc import Sequence

from benchmarks.report import MB, duration
from benchmarks.rounds import Series

__all__ = ["check"]

Row = list[str]


def check(series: Sequence[Series], startup: dict[str, float] | None) -> list[Row]:
    """A row for every promise that the measured series can speak to."""
    rows: list[Row | None] = [
        _empty_round(series),
        _against(series, 3, 50, "flower", 8, slower=False),
        _against(series, 3, 50, "floor", 4, slower=True),
        *(_bytes(s) for s in series if s.engine == "syft-flwr" and s.size >= 1 and s.changed == 10),
        _one_layer(series),
        _against(series, 10, 10, "flower", 10, slower=False),
        _linear(series),
        _memory(series),
        _beyond_protobuf(series),
        *_startup(startup),
    ]
    return [row for row in rows if row is not None]


def _row(number: str, promise: str, measured: str, kept: bool) -> Row:
    return [number, promise, measured, "kept" if kept else "**missed**"]


def _find(series: Sequence[Series], engine: str, owners: int, size: float) -> Series | None:
    for s in series:
        if (s.engine, s.owners, s.size, s.changed, s.app) == (engine, owners, size, 10, "message_api"):
            return s
    return None


def _empty_round(series: Sequence[Series]) -> Row | None:
    s = _find(series, "syft-flwr", 3, 0)
    if s is None:
        return None
    return _row("1", "3 owners, empty model: at most 30 ms", duration(s.median), s.median <= 0.030)


def _against(
    series: Sequence[Series], owners: int, size: float, other: str, factor: float, *, slower: bool
) -> Row | None:
    ours, theirs = _find(series, "syft-flwr", owners, size), _find(series, other, owners, size)
    if ours is None or theirs is None:
        return None
    number = "4" if owners == 10 else "2"
    times = f"{duration(ours.median)} against {duration(theirs.median)}"
    if slower:
        ratio = ours.median / theirs.median
        promise = f"{owners} owners, {size:g} MB: at most {factor:g} times the plain files"
        return _row(number, promise, f"{ratio:.1f} times ({times})", ratio <= factor)
    ratio = theirs.median / ours.median
    promise = f"{owners} owners, {size:g} MB: at least {factor:g} times faster than Flower's engine"
    return _row(number, promise, f"{ratio:.1f} times ({times})", ratio >= factor)


def _bytes(s: Series) -> Row:
    ratio = s.carried / s.ideal
    api = "legacy API" if s.app == "legacy_api" else "Message API"
    promise = f"{s.owners} owners, {s.size:g} MB, {api}: bytes written at most 1.02 of the ideal"
    return _row("3", promise, f"{ratio:.4f}", ratio <= 1.02)


def _one_layer(series: Sequence[Series]) -> Row | None:
    for s in series:
        if s.engine == "syft-flwr" and s.changed == 1:
            ratio = s.carried / s.ideal
            promise = "a round that changes one layer of ten writes a tenth"
            return _row("3", promise, f"{ratio:.4f}", ratio <= 0.102)
    return None


def _linear(series: Sequence[Series]) -> Row | None:
    few, many = _find(series, "syft-flwr", 3, 1), _find(series, "syft-flwr", 50, 1)
    if few is None or many is None:
        return None
    ratio = many.median / few.median
    promise = "1 MB: from 3 owners to 50 the time grows at most as their number, 16.7 times"
    return _row(
        "4",
        promise,
        f"{ratio:.1f} times ({duration(few.median)} to {duration(many.median)})",
        ratio <= 50 / 3,
    )


def _memory(series: Sequence[Series]) -> Row | None:
    s = _find(series, "syft-flwr", 3, 500)
    if s is None:
        return None
    peak, limit = s.peak.get("server", 0), 3 * s.model + 200 * MB
    promise = f"3 owners, 500 MB: the server's peak at most {limit / MB:.0f} MB"
    return _row("5", promise, f"{peak / MB:.0f} MB", peak <= limit)


def _beyond_protobuf(series: Sequence[Series]) -> Row | None:
    s = _find(series, "syft-flwr", 2, 2500)
    if s is None:
        return None
    promise = "2 owners, 2.5 GB: a round within 16 GB in all"
    return _row("5", promise, f"{s.taken / 1e9:.1f} GB ({duration(s.median)})", s.taken <= 16e9)


def _startup(found: dict[str, float] | None) -> list[Row]:
    if found is None:
        return []
    ratio = found["first_answer"] / found["import_app"]
    return [
        _row(
            "6",
            "`--help`: at most 0.25 s of user time",
            duration(found["help_user"]),
            found["help_user"] <= 0.25,
        ),
        _row(
            "6",
            "`run-client`: its first answer within 1.5 times the import of flwr",
            f"{ratio:.2f} times ({duration(found['first_answer'])} against {duration(found['import_app'])})",
            ratio <= 1.5,
        ),
    ]
