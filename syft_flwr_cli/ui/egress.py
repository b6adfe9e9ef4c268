"""Records of what left a data owner, as lines for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from syft_flwr_cli.protocol.printable import visible

__all__ = ["egress_lines"]

MOST_SHOWN = 12
"""Arrays, metrics and values of a reply that are shown where only the newest replies are."""


def egress_lines(
    records: Sequence[Mapping[str, Any]], *, rehearsed: bool = False, newest: int | None = None
) -> Iterator[str]:
    """One line for each reply, and one for each thing in it; names come from an app, and are made visible.

    Parameters
    ----------
    records : sequence of mapping
        As the journal keeps them.
    rehearsed : bool
        Whether they would leave, or did.
    newest : int, optional
        Show only so many replies one by one, the newest, and of each only some of what is in it.
    """
    left = [record for record in records if "withheld" not in record]
    verb = "would leave" if rehearsed else "left"
    yield f"What {verb}: {len(left)} replies, {sum(record['bytes'] for record in left):,} bytes."
    skipped = 0 if newest is None else max(0, len(records) - newest)
    if skipped:
        yield f"  The newest {len(records) - skipped} of them (--json has all):"
    for number, record in enumerate(records[skipped:], skipped + 1):
        held = f"  WITHHELD by your policy ({record['withheld']})" if "withheld" in record else ""
        failed = f"  an error: {record['error']}" if "error" in record else ""
        yield visible(f"  {number}. {record['bytes']:,} bytes{failed}{held}")
        kinds = ("arrays", "metrics", "values")
        left_out = int(record.get("more") or 0)
        if newest is not None:
            left_out += sum(max(0, len(record.get(kind, ())) - MOST_SHOWN) for kind in kinds)
            record = {**record, **{kind: record.get(kind, ())[:MOST_SHOWN] for kind in kinds}}
        for one in record.get("arrays", ()):
            shape = "x".join(map(str, one["shape"])) or "scalar"
            yield visible(f"       array   {_place(one)}  {one['dtype']} {shape}, {one['bytes']:,} bytes")
        for one in record.get("metrics", ()):
            yield visible(f"       metric  {_place(one)} = {str(one['value'])[:100]}")
        for one in record.get("values", ()):
            yield visible(f"       value   {_place(one)}  {one['kind']}, {one['size']} bytes")
        if left_out:
            yield f"       and {left_out} more (see --json)"


def _place(one: Mapping[str, Any]) -> str:
    """Where something is in a reply; an app can give names of any length."""
    return "/".join(name if len(name) <= 80 else f"{name[:80]}…" for name in (one["record"], one["name"]))
