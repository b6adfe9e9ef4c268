"""What leaves a data owner: a record of every reply, and the owner's bounds on it.

`describe` says what is in a reply, from its bytes; `check` applies the rules and is pure; `EgressGuard` stands between
the app and the outbox: what exceeds a rule is replaced by an error reply that names the rule and nothing of
the app's own words, so that a name cannot carry what an array may not. It does not know how replies are sent.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.flower.error_codes import NOT_EXECUTED
from syft_flwr_cli.flower.outline import MetricOutline, Outline, outline
from syft_flwr_cli.flower.reply_frame import with_own_metadata
from syft_flwr_cli.security.sealing import content_digest

__all__ = [
    "Egress",
    "EgressGuard",
    "EgressRules",
    "Withheld",
    "check",
    "check_record",
    "describe",
    "rules_from_table",
]

MAX_NAMED = 400
"""Arrays, metrics and values that a record names one by one; of more it says how many."""

EXAMPLES = "num-examples"
"""The metric in which Flower's apps say how many examples a metric was computed from."""


@dataclass(frozen=True, slots=True)
class EgressRules:
    """What may leave; None does not bound.

    Parameters
    ----------
    records, metrics : tuple of str, optional
        Names of records and of metrics that may leave; ``*`` stands for any characters.
    round_bytes, run_bytes : int, optional
        Bytes of one reply, and of all replies of a run.
    min_examples : int, optional
        The least ``num-examples`` of a record with metrics. The app itself says how many there are.
    """

    records: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None
    round_bytes: int | None = None
    run_bytes: int | None = None
    min_examples: int | None = None

    def sentences(self) -> list[str]:
        """Each rule as a sentence for people."""
        rules = []
        if self.records is not None:
            rules.append(f"Only these records leave: {', '.join(self.records) or 'none'}.")
        if self.metrics is not None:
            rules.append(f"Only these metrics leave: {', '.join(self.metrics) or 'none'}.")
        if self.round_bytes is not None:
            rules.append(f"At most {self.round_bytes:,} bytes leave with one reply.")
        if self.run_bytes is not None:
            rules.append(f"At most {self.run_bytes:,} bytes leave in one run.")
        if self.min_examples is not None:
            rules.append(f"Metrics leave only if they are of at least {self.min_examples} examples.")
        return rules


@dataclass(frozen=True, slots=True)
class Egress:
    """One reply, as it is recorded; ``error`` is the class of an error, ``bytes`` counts all that would be sent.

    ``mods`` are the owner's, put around the app, and ``sandbox`` says what the app ran in.
    """

    bytes: int
    records: tuple[str, ...] = ()
    arrays: tuple[dict[str, Any], ...] = ()
    metrics: tuple[dict[str, Any], ...] = ()
    values: tuple[dict[str, Any], ...] = ()
    more: int = 0
    error: str | None = None
    withheld: str | None = None
    mods: tuple[str, ...] = ()
    sandbox: str | None = None

    def document(self) -> dict[str, Any]:
        """In the types of JSON."""
        return {
            key: value for key, value in asdict(self).items() if value not in (None, (), 0) or key == "bytes"
        }

    def audit_entry(self) -> dict[str, Any]:
        """The short form, for one line of the audit log; ``record`` is the digest of the long one."""
        whole = json.dumps(self.document(), sort_keys=True, separators=(",", ":")).encode()
        entry: dict[str, Any] = {
            "event": "egress",
            "bytes": self.bytes,
            "arrays": len(self.arrays),
            "record": content_digest([whole]).hex(),
        }
        if self.withheld is None:
            # Of what was withheld no name stands in a log that others may get a copy of.
            entry["records"] = [name[:100] for name in self.records[:20]]
            entry["metrics"] = [f"{one['name']}={one['value']!r}"[:200] for one in self.metrics[:20]]
        for key, value in (("error", self.error), ("reason", self.withheld)):
            if value is not None:
                entry[key] = value[:200]
        return entry


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why something does not leave: a code and a sentence for the aggregator, and what the owner reads besides."""

    code: str
    sentence: str
    detail: str = ""

    def reason(self) -> str:
        """For the aggregator: the rule, and no word of the app's own: a name could carry what an array may not."""
        return f"{self.code}: the data owner's policy withholds the reply: {self.sentence}."


def describe(result: TaskResult) -> tuple[Egress, Outline]:
    """What is in a reply.

    Raises
    ------
    ValueError
        If it holds a byte that is not of Flower's form.
    """
    if result.error is not None:
        kind = result.error[1].partition("\n")[0].partition(":")[0][:100]
        return Egress(len(result.error[1].encode()), error=kind), Outline()
    sizes = [len(blob) for blob in result.blobs]
    found = outline(result.skeleton, result.places, sizes)
    arrays = [
        {
            "record": one.record,
            "name": one.name,
            "dtype": one.dtype,
            "shape": list(one.shape),
            "bytes": one.size,
            **({"digest": content_digest([result.blobs[one.blob]]).hex()} if one.blob is not None else {}),
        }
        for one in found.arrays[:MAX_NAMED]
    ]
    metrics = [
        {
            "record": one.record,
            "name": one.name,
            "value": list(one.value[:MAX_NAMED]) if isinstance(one.value, tuple) else one.value,
        }
        for one in found.metrics[:MAX_NAMED]
    ]
    values = [asdict(one) for one in found.config[:MAX_NAMED]]
    named = len(arrays) + len(metrics) + len(values)
    more = len(found.arrays) + len(found.metrics) + len(found.config) - named
    size = len(result.skeleton) + sum(sizes)
    return Egress(size, found.records, tuple(arrays), tuple(metrics), tuple(values), more), found


def check(rules: EgressRules, found: Outline, size: int, before: int) -> Withheld | None:
    """Why a reply of ``size`` bytes does not leave, when ``before`` bytes of its run have left; None if it may."""
    if rules.records is not None:
        other = [name for name in found.records if not _any(name, rules.records)]
        if other:
            return Withheld("egress-records", "it has a record that may not leave", _listed(other))
    if rules.metrics is not None:
        other = [one.name for one in found.metrics if not _any(one.name, rules.metrics)]
        if other:
            return Withheld("egress-metrics", "it has a metric that may not leave", _listed(other))
    if rules.round_bytes is not None and size > rules.round_bytes:
        return Withheld("egress-round-bytes", f"it is larger than {rules.round_bytes} bytes", f"{size} bytes")
    if rules.run_bytes is not None and before + size > rules.run_bytes:
        sentence = f"with it more than {rules.run_bytes} bytes would leave in this run"
        return Withheld("egress-run-bytes", sentence, f"{before} before, {size} now")
    if rules.min_examples is not None:
        for record in dict.fromkeys(one.record for one in found.metrics):
            inside = {one.name: one.value for one in found.metrics if one.record == record}
            number = inside.get(EXAMPLES)
            # Said so that a number that is none (NaN), which is less than nothing, does not pass either.
            if not isinstance(number, int | float) or not number >= rules.min_examples:
                sentence = f"its metrics are not of at least {rules.min_examples} examples"
                return Withheld("egress-examples", sentence, f"{record}: {EXAMPLES} is {number}")
    return None


def check_record(rules: EgressRules, record: Mapping[str, Any], before: int) -> Withheld | None:
    """`check` for a reply of which only the record is at hand, as the journal keeps it.

    Of a reply with more than a record names, only what bounds neither records nor metrics lets it leave.
    """
    if "error" in record:
        return None
    if record.get("more") and (rules.metrics is not None or rules.min_examples is not None):
        return Withheld("egress-form", "it holds more than was recorded of it one by one")
    metrics = tuple(
        MetricOutline(one["record"], one["name"], _plain(one["value"])) for one in record.get("metrics", ())
    )
    return check(
        rules, Outline(records=tuple(record.get("records", ())), metrics=metrics), record["bytes"], before
    )


class EgressGuard:
    """Runs the app, records what would leave, and withholds what may not.

    Parameters
    ----------
    run : callable
        Runs the app on one request.
    rules : callable
        The rules as they are now; None if nothing is bounded.
    left : callable
        How many bytes have left in a run so far.
    tell : callable
        Tells the owner, by message id, what is withheld and why.
    mods, sandbox
        What is put around the app and what it runs in, for the record.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        run: Callable[[Task], TaskResult],
        rules: Callable[[], EgressRules | None],
        left: Callable[[str], int],
        tell: Callable[[str, str], None] = lambda message, sentence: None,
        mods: tuple[str, ...] = (),
        sandbox: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._rules = rules
        self._left = left
        self._tell = tell
        self._mods, self._sandbox = mods, sandbox
        self._clock = clock

    def __call__(self, work: Task) -> TaskResult:
        """Run the app on one request; the result carries its record."""
        result = self._run(work)
        rules = self._rules()
        try:
            if result.error is None:
                result.skeleton = with_own_metadata(
                    result.skeleton, work.body.skeleton, work.body.group, work.body.type, self._clock()
                )
            record, found = describe(result)
            refused = None
            if rules is not None and result.error is None:
                refused = check(rules, found, record.bytes, self._left(work.run))
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            record = Egress(len(result.skeleton) + sum(len(blob) for blob in result.blobs))
            refused = Withheld("egress-form", "it is not of the form of a Flower message", str(error))
        record = replace(record, mods=self._mods, sandbox=self._sandbox)
        if refused is None:
            result.egress = record
            return result
        self._tell(work.id, f"{refused.sentence}{f' ({refused.detail})' if refused.detail else ''}")
        result.release()
        return TaskResult(
            error=(NOT_EXECUTED, refused.reason()),
            state=result.state,
            withheld=True,
            egress=replace(record, withheld=refused.code),
        )


def rules_from_table(table: Mapping[str, Any]) -> EgressRules:
    """The rules in a table of a policy; ValueError, with what is wrong, if one is not understood."""
    known = ("records", "metrics", "round_bytes", "run_bytes", "min_examples")
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"{key!r} is not known (known are {', '.join(known)})")
        if key in ("records", "metrics"):
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise ValueError(f"{key!r} is no list of names")
        elif not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{key!r} is no whole number of at least 0")
    return EgressRules(
        records=tuple(table["records"]) if "records" in table else None,
        metrics=tuple(table["metrics"]) if "metrics" in table else None,
        round_bytes=table.get("round_bytes"),
        run_bytes=table.get("run_bytes"),
        min_examples=table.get("min_examples"),
    )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _listed(names: list[str]) -> str:
    shown = ", ".join(ascii(name)[1:-1][:60] for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
