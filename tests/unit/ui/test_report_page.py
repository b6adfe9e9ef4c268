"""The report page: self-contained, bounded, harmless whatever an app reports, true to what it was given."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from syft_flwr_cli.services.report_values import Approval, Phase, Round, RunReport, Span
from syft_flwr_cli.ui.report.page import render

OWNERS = ("do1@a.example", "do2@b.example")


def report(rounds: list[Round], **more: Any) -> RunReport:
    fields: dict[str, Any] = {
        "run": "4611",
        "app": "ds@lab.example_study_1",
        "project": "study",
        "aggregator": "ds@lab.example",
        "datasites": OWNERS,
        "state": "finished",
        "reason": "the run is complete",
        "began": 1000.0,
        "ended": 1010.0,
        "made": 1011.0,
        "code": "ab" * 32,
        "run_config": {"rounds": 3},
        "versions": {"flwr": "1.41.0"},
        "rounds": rounds,
    }
    return RunReport(**{**fields, **more})


def trained(number: int, metrics: Mapping[str, Any]) -> Round:
    owners = dict.fromkeys(OWNERS, metrics)
    return Round(number, [Phase("train", 2, 2, seconds=1.0, overall=metrics, owners=owners)])


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


HOSTILE = "<script>alert(1)</script>\x1b[31m\"'&"


def test_the_page_is_one_file_that_asks_for_nothing_and_runs_nothing() -> None:
    page = render(report([trained(1, {"loss": 1.0})]))
    tags = Tags(page).seen
    assert not {"script", "img", "iframe", "object", "form"} & {tag for tag, _ in tags}
    policy = next(a["content"] for t, a in tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not [a for _, a in tags if any(name == "style" or name.startswith("on") for name in a)]
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_what_apps_and_participants_wrote_is_never_markup() -> None:
    hostile = Round(1, [Phase("train", 2, 1, {OWNERS[0]: HOSTILE}, owners={OWNERS[1]: {HOSTILE: 2.0}})])
    page = render(
        report(
            [hostile],
            project=HOSTILE,
            reason=HOSTILE,
            state="failed",
            run_config={HOSTILE: HOSTILE},
            approvals=[Approval(OWNERS[0], HOSTILE, "ab", None)],
            spans=[Span(OWNERS[0], 1, HOSTILE, 1001.0, 1002.0, "error")],
        )
    )
    assert "<script" not in page
    assert "\x1b" not in page
    assert {tag for tag, _ in Tags(page).seen} <= {
        *(
            "html",
            "head",
            "meta",
            "link",
            "title",
            "style",
            "body",
            "main",
            "h1",
            "h2",
            "h3",
            "p",
            "div",
            "span",
            "b",
        ),
        *(
            "code",
            "ul",
            "li",
            "svg",
            "path",
            "rect",
            "line",
            "text",
            "circle",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
        ),
        "td",
    }


@pytest.mark.parametrize(
    "rounds",
    [
        [trained(1, {f"m{n}" * 2000: float(n) for n in range(10_000)})],
        [trained(n, {f"m{k}": float(k) for k in range(40)}) for n in range(1, 3000)],
        [trained(1, {"nan": float("nan"), "inf": float("inf"), "text": "x" * 1_000_000, "list": [1] * 9999})],
    ],
)
def test_the_page_stays_small(rounds: list[Round]) -> None:
    spans = [Span(OWNERS[n % 2], n, "train", 1000.0 + n, 1000.5 + n, "answer") for n in range(5000)]
    page = render(report(rounds, spans=spans))
    assert len(page.encode()) < 400_000
    assert "nan" not in re.findall(r' (?:d|x|y|cx|cy)="([^"]*nan[^"]*)"', page)


def test_every_owner_and_every_end_is_told() -> None:
    spans = [
        Span(OWNERS[0], 1, "train", 1001.0, 1002.0, "answer"),
        Span(OWNERS[1], 1, "train", 1001.0, 1010.0, "absent"),
    ]
    page = render(report([trained(1, {"loss": 1.0})], spans=spans, missing=[OWNERS[1]], restarts=[1005.0]))
    assert f"complete, without {OWNERS[1]}" in page
    assert "started again 1 times" in page
    assert 'class="absent train"' in page
    assert "answered after 1.0 s" in page


def test_a_run_without_any_answer_says_so() -> None:
    page = render(report([], state="running", ended=None, began=1010.9))
    assert "brought no numbers" in page
    assert "not finished" in page
