"""The ServerApp in a process of its own: in its project's environment, with a Grid that reaches over a socket.

Started by the aggregator like the worker of a data owner (`worker`), with one end of a socket. It keeps the user's
environment and works in a writable copy of the project; imports come from the project itself. When the app is
through, its final context goes back; what it raised goes back as class, text and traceback.
"""

import os
import socket
import sys
import threading
import traceback
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.execution.server_grid import Link, PipedGrid
from syft_flwr_cli.execution.strays import adopt_orphans
from syft_flwr_cli.execution.worker import die_with_parent, state_bytes
from syft_flwr_cli.execution.worker_protocol import Closed, receive
from syft_flwr_cli.flower import runtime

__all__ = ["main"]


def main(descriptor: int) -> None:
    """Run one ServerApp, and leave."""
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    die_with_parent()
    adopt_orphans()
    try:
        setup = receive(channel).head
    except Closed:
        return
    os.environ.update(setup["environment"])
    os.chdir(setup["working"])
    link = Link(channel)
    context = runtime.make_context(int(setup["run"]), runtime.SERVER_NODE_ID, setup["run_config"])
    head: dict[str, Any]
    parts: list[bytes] = []
    try:
        _run(setup, link, context)
    except SystemExit as end:
        head = {"op": "done"} if end.code in (None, 0) else _failed(end, setup["project"])
    except BaseException as error:
        head = _failed(error, setup["project"])
    else:
        head = {"op": "done"}
    if head["op"] == "done":
        parts = [state_bytes(context)]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        link.tell(head, parts)
    except Closed:
        return
    for thread in threading.enumerate():
        # A thread that the app left must not keep the run from ending; the process group is ended anyway.
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(timeout=1.0)
    os._exit(0)


def _run(setup: dict[str, Any], link: Link, context: Any) -> None:
    seed, dependencies = int(setup["seed"], 16), list(setup["dependencies"])
    runtime.become(context.run_id, runtime.SERVER_NODE_ID)
    grid = PipedGrid(link, context.run_id)
    runtime.seed_everything(seed, dependencies)
    app = runtime.load_server_app(setup["serverapp"], Path(setup["project"]))
    runtime.seed_everything(seed, dependencies)
    with _kept_models(setup.get("keep")):
        runtime.run_server(grid, context, app)


def _kept_models(keep: dict[str, Any] | None) -> AbstractContextManager[None]:
    if keep is None:
        return nullcontext()
    from syft_flwr_cli.flower.model_keeper import keeping, parse_keep_best

    best = None if keep["best"] is None else parse_keep_best(keep["best"])
    return keeping(Path(keep["folder"]), model=keep["model"], best=best)


def _failed(error: BaseException, project: str) -> dict[str, Any]:
    text = f"{str(error)[:4000]}{_place(error, Path(project))}".strip()
    told = {"op": "failed", "kind": type(error).__name__, "text": text, "hint": ""}
    if isinstance(error, SyftFlwrError):
        told.update(kind="SyftFlwrError", text=error.what, hint=error.hint)
    told["traceback"] = "".join(traceback.format_exception(error))[-16000:]
    return told


def _place(error: BaseException, project: Path) -> str:
    """Which of the project's own lines was the last on the way to ``error``."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(project):
            return f" ({Path(frame.filename).relative_to(project)}, line {frame.lineno})"
    return ""
