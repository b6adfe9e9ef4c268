"""Which address is which page, and which form does what: thin, from a call to one method of the desk and a page.

What is not here does not exist. Patterns have ``*`` for the digest of an offer.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.duration import parse_end
from syft_flwr_cli.services.desk import Desk
from syft_flwr_cli.services.desk_values import DataWish
from syft_flwr_cli.services.node_process import NodeProcess
from syft_flwr_cli.services.pausing import pause, paused_since, resume
from syft_flwr_cli.ui.desk import pages, project
from syft_flwr_cli.ui.desk.layout import Frame, Notice

__all__ = ["ACTIONS", "PAGES", "Answer", "Call", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """The desk, and the node that it starts and ends."""

    desk: Desk
    node: NodeProcess


@dataclass(frozen=True, slots=True)
class Call:
    """A page or an action that is asked for: the digest in its address, its fields."""

    place: Place
    frame: Frame
    digest: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A page, a file to save, or where to go with which notice; a ``standalone`` page brings its own style."""

    page: str = ""
    standalone: bool = False
    file: bytes | None = None
    name: str = ""
    to: str | None = None
    notice: Notice | None = None


def _projects(call: Call) -> Answer:
    desk = call.place.desk
    return Answer(pages.projects(call.frame, desk.offers(), desk.joined(), _node(call), desk.approved()))


def _runs(call: Call) -> Answer:
    return Answer(pages.runs(call.frame, call.place.desk.stands(), _node(call)))


def _left(call: Call) -> Answer:
    app, run = call.fields.get("app", ""), call.fields.get("run", "")
    return Answer(pages.left(call.frame, app, run, call.place.desk.left(app, run)))


def _report(call: Call) -> Answer:
    from syft_flwr_cli.services.run_report import find_reported_run, report_of
    from syft_flwr_cli.ui.report.page import render

    desk = call.place.desk
    found = find_reported_run(desk.home, call.fields.get("run") or None, desk.email)
    return Answer(render(report_of(desk.home, found)), standalone=True)


def _keys(call: Call) -> Answer:
    desk = call.place.desk
    return Answer(pages.keys(call.frame, desk.own_words(), desk.peers()))


def _evidence(call: Call) -> Answer:
    return Answer(pages.evidence(call.frame, call.place.desk.apps()))


def _project(call: Call) -> Answer:
    desk = call.place.desk
    seen, rehearsed = desk.see(call.digest), desk.rehearsal(call.digest)
    return Answer(project.project_page(call.frame, seen, rehearsed, _node(call)))


def _file(call: Call) -> Answer | None:
    page = project.file_page(call.frame, call.place.desk.see(call.digest), call.fields.get("path", ""))
    return None if page is None else Answer(page)


def _rehearsal(call: Call) -> Answer:
    desk = call.place.desk
    name = next((one.name for one in desk.offers() if one.offer.digest == call.digest), "the project")
    return Answer(project.rehearsal_page(call.frame, name, call.digest, desk.rehearsal(call.digest)))


def _join(call: Call) -> Answer:
    root = call.fields.get("root", "").strip()
    aggregator = call.fields.get("aggregator", "").strip()
    found = call.place.desk.receive(aggregator, Path(root).expanduser().absolute() if root else None)
    return Answer(to="/", notice=Notice("good", f"{found} offered by {aggregator}."))


def _approve(call: Call) -> Answer:
    until = call.fields.get("until", "")
    end = parse_end(until, time.time()) if until else None
    said = call.place.desk.approve(call.digest, _wish(call), end)
    hint = ""
    if not call.place.node.running and paused_since(call.place.desk.home, call.place.desk.email) is None:
        hint = "Start your node, so that it runs when it is asked."
    return Answer(to=f"/project/{call.digest}", notice=Notice("good", f"Approved. {said}", hint))


def _reject(call: Call) -> Answer:
    said = call.place.desk.reject(call.digest)
    notice = Notice("good", f"Rejected: these files do not run here. {said}")
    return Answer(to=f"/project/{call.digest}", notice=notice)


def _revoke(call: Call) -> Answer:
    said = call.place.desk.revoke(call.digest)
    return Answer(to="/", notice=Notice("good", f"Revoked: these files do not run here any more. {said}"))


def _rehearse(call: Call) -> Answer:
    call.place.desk.start_rehearsal(call.digest, _wish(call))
    return Answer(to=f"/project/{call.digest}/rehearsal")


def _compare(call: Call) -> Answer:
    if call.fields.get("agree") != "yes":
        raise UsageError("The words were not compared.", hint="Call them, compare all six, and tick the box.")
    peer = call.fields.get("peer", "")
    call.place.desk.compare(peer, call.fields.get("words", ""))
    return Answer(to="/keys", notice=Notice("good", f"The key of {peer} is noted as compared."))


def _trust(call: Call) -> Answer:
    peer = call.fields.get("peer", "")
    call.place.desk.compare(peer, call.fields.get("words", ""), new_key=True)
    return Answer(to="/keys", notice=Notice("good", f"The new key of {peer} is accepted."))


def _pause(call: Call) -> Answer:
    desk = call.place.desk
    pause(desk.home, desk.email)
    call.place.node.close()
    return Answer(to="/", notice=Notice("good", "Paused: no project runs here until you resume."))


def _resume(call: Call) -> Answer:
    desk, node = call.place.desk, call.place.node
    resume(desk.home, desk.email)
    if not node.served_elsewhere:
        node.start()
    return Answer(to="/", notice=Notice("good", "Your node is at work with what you approved."))


def _export(call: Call) -> Answer:
    app = call.fields.get("app", "") or None
    if app is not None and app not in call.place.desk.apps():
        raise UsageError("There is no such app here.", hint="Choose one of the list.")
    return Answer(
        file=call.place.desk.evidence(app), name=time.strftime("evidence-%Y%m%d-%H%M%S.zip", time.gmtime())
    )


def _wish(call: Call) -> DataWish:
    use = call.fields.get("use", "keep")
    if use not in ("keep", "folder", "dataset", "mock", "none"):
        raise UsageError("Which data to use was not said.", hint="Choose one of the list.")
    return DataWish(use, call.fields.get(use, "")) if use in ("folder", "dataset") else DataWish(use)


def _node(call: Call) -> pages.NodeState:
    desk, node = call.place.desk, call.place.node
    return pages.NodeState(
        node.running, node.served_elsewhere, paused_since(desk.home, desk.email), node.said(), node.exit_code
    )


_Handler = Callable[[Call], Answer | None]

PAGES: dict[str, _Handler] = {
    "/": _projects,
    "/runs": _runs,
    "/left": _left,
    "/report": _report,
    "/keys": _keys,
    "/evidence": _evidence,
    "/project/*": _project,
    "/project/*/file": _file,
    "/project/*/rehearsal": _rehearsal,
}
ACTIONS: dict[str, _Handler] = {
    "/join": _join,
    "/project/*/approve": _approve,
    "/project/*/reject": _reject,
    "/project/*/revoke": _revoke,
    "/project/*/rehearse": _rehearse,
    "/keys/compare": _compare,
    "/keys/trust": _trust,
    "/node/pause": _pause,
    "/node/resume": _resume,
    "/evidence": _export,
}
