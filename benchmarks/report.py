"""What was measured, as docs/benchmarks.md shows it: what was promised and what came of it, then every table.

The text around the tables stands in docs/benchmarks.md; `insert` replaces only what lies between the two
marks there, so that a new run never touches what people wrote.
"""

from collections.abc import Sequence
from typing import Any

from benchmarks.rounds import Series

__all__ = ["BEGIN", "END", "insert", "render"]

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"
MB = 1_000_000


def insert(text: str, measured: str) -> str:
    """``text`` with ``measured`` between the marks."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{measured}\n{END}{tail}"


def render(results: dict[str, Any], series: Sequence[Series]) -> str:
    """Everything between the marks, as Markdown."""
    machine = results["machine"]
    parts = [
        f"Measured on {machine['date']} with `{results['command']}` on {machine['cpus']} cores "
        f"({machine['cpu']}), {machine['memory'] / 2**30:.0f} GiB, {machine['system']}, "
        f"Python {machine['python']}, flwr {machine['flwr']}; load average before: {machine['load']}.",
    ]
    if results["criteria"]:
        parts.append(
            "### What was promised\n\n" + _table(["", "promised", "measured", ""], results["criteria"])
        )
    parts.append("### Time per round\n\n" + _times(series))
    parts.append("### Bytes, CPU and memory of the warm rounds\n\n" + _used(series))
    if results.get("startup"):
        parts.append("### Starting\n\n" + _startup(results["startup"]))
    if results.get("profile"):
        parts.append("### Where the time of a 50 MB round goes\n\n" + _profile(results["profile"]))
    if results["skipped"]:
        parts.append("### Not measured\n\n" + "\n".join(f"- {sentence}" for sentence in results["skipped"]))
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def duration(seconds: float) -> str:
    """In words that are short enough for a table."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def _name(series: Series) -> str:
    return series.engine + (" (legacy API)" if series.app == "legacy_api" else "")


def _size(series: Series) -> str:
    return "nothing" if series.size == 0 else f"{series.size:g} MB"


def _sorted(series: Sequence[Series]) -> list[Series]:
    order = {"syft-flwr": 0, "flower": 1, "floor": 2}
    return sorted(series, key=lambda s: (s.owners, s.size, s.app != "message_api", order[s.engine]))


def _times(series: Sequence[Series]) -> str:
    rows = []
    for s in _sorted(series):
        spread = f"{duration(min(s.warm))} – {duration(max(s.warm))}"
        rows.append(
            [
                f"{s.owners}",
                _size(s),
                _name(s),
                duration(s.median),
                spread,
                f"{len(s.warm)}",
                duration(s.first),
            ]
        )
    return _table(["owners", "model", "", "median", "fastest – slowest", "warm rounds", "first round"], rows)


def _ratio(part: float, whole: float) -> str:
    return f"{part / whole:.3f}" if whole >= MB else "–"


def _used(series: Sequence[Series]) -> str:
    rows = []
    for s in _sorted(s for s in series if s.engine != "floor"):
        written = sum(s.written.get(role, 0) for role in ("server", "node", "server>"))
        read = sum(s.read.get(role, 0) for role in ("server", "node", "server>"))
        cpu = " / ".join(f"{sum(s.cpu.get(r, 0) for r in roles):.2f}" for roles in _ROLES)
        peak = " / ".join(f"{max(s.peak.get(r, 0) for r in roles) / MB:.0f}" for roles in _ROLES)
        carried = _ratio(s.carried, s.ideal)
        disk = "–" if s.engine == "flower" else _ratio(written, s.ideal)
        taken = "–" if s.engine == "flower" else _ratio(read, 2 * s.owners * s.model)
        rows.append([f"{s.owners}", _size(s), _name(s), carried, disk, taken, cpu, peak])
    head = ["owners", "model", "", "carried / ideal", "written / ideal", "read / needed"]
    return _table([*head, "CPU s: server / nodes / apps", "peak RSS MB: server / node / app"], rows)


_ROLES = (("server", "server>"), ("node",), ("node>",))


def _startup(found: dict[str, float]) -> str:
    rows = [
        ["`syft-flwr --help`, user time", duration(found["help_user"])],
        ["`syft-flwr --help`, wall time", duration(found["help_wall"])],
        ["`import flwr`", duration(found["import_flwr"])],
        ["`import flwr.app, flwr.clientapp, flwr.serverapp`", duration(found["import_app"])],
        ["`run-client` says that it is ready", duration(found["ready"])],
        ["`run-client` has answered the request that lay there", duration(found["first_answer"])],
    ]
    return _table(["", "median"], rows)


def _profile(found: dict[str, list[tuple[str, float]]]) -> str:
    parts = []
    for role, lines in found.items():
        rows = [[f"`{name}`", f"{milliseconds:.0f}"] for name, milliseconds in lines]
        parts.append(_table([role, "ms per round"], rows))
    return "\n\n".join(parts)
