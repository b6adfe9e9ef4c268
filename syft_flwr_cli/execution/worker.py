"""The ClientApp in a process of its own, warm between messages.

Started by the node with one end of a socket; imports flwr and the app once; then, for each request,
puts Flower's message together, calls the app, and hands back the reply taken apart, with the new state
if it changed. It has no keys and no access to the transport; what it needs of data and configuration
comes with each request or stands in its environment. An exception of the app is an error reply with the
traceback; only the death of the process ends it.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flwr.app import Context, Message, RecordDict

from syft_flwr_cli.app_environment import RESULTS_VARIABLE
from syft_flwr_cli.delivery.shared_memory import SharedBytes
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.execution.mods import load_mods, wrap
from syft_flwr_cli.execution.strays import adopt_orphans
from syft_flwr_cli.execution.worker_protocol import Closed, Frame, receive, send
from syft_flwr_cli.execution.working_copy import make_copy
from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.flower.error_codes import APP_NOT_LOADED, APP_RAISED
from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.storage import crash_points

__all__ = ["Executor", "die_with_parent", "main", "state_bytes", "state_from"]

MAX_REASON = 16 << 10


class Executor:
    """Runs one app on one message after the other; the state of the runs stays with the node.

    Parameters
    ----------
    load : callable
        Gives the app; called once, with the first message.
    node : int
        The node id.
    node_config : mapping
        What the owner set for this node.
    run_config : mapping
        What the project says of the run.
    """

    def __init__(
        self,
        load: Callable[[], Callable[[Message, Context], Message]],
        node: int,
        node_config: dict[str, Any],
        run_config: dict[str, Any],
    ) -> None:
        self._load = load
        self._app: Callable[[Message, Context], Message] | None = None
        self._node = node
        self._node_config = node_config
        self._run_config = run_config
        self._held: tuple[int, bytes, Context] | None = None
        self._not_loaded: tuple[int | None, str] | None = None

    def load(self, run: int | None = None) -> str | None:
        """Load the app now; why it could not be loaded.

        What failed once is not tried again for each request, but with each ``run``.
        """
        if self._app is not None:
            return None
        if self._not_loaded is not None and self._not_loaded[0] in (None, run):
            self._not_loaded = run, self._not_loaded[1]
            return self._not_loaded[1]
        try:
            self._app = self._load()
        except Exception as error:
            cause = error.__cause__ if isinstance(error, SyftFlwrError) else None
            self._not_loaded = run, _reason(error, cause)
            return self._not_loaded[1]
        return None

    def execute(
        self,
        run: int,
        message_id: str,
        skeleton: bytes,
        places: Sequence[tuple[str | int, ...]],
        loaders: Sequence[Callable[[], bytes | bytearray]],
        state: bytes | None,
        run_config: dict[str, Any],
    ) -> tuple[codec.Packed | None, tuple[int, str] | None, bytes | None]:
        """The reply or an error, and the new state if it differs from ``state``."""
        runtime.become(run, self._node)
        not_loaded = self.load(run)
        if not_loaded is not None:
            return None, (APP_NOT_LOADED, not_loaded), None
        assert self._app is not None
        try:
            context = self._context(run, state, run_config)
            message = codec.unpack_message(skeleton, places, loaders, lazy=True)
            codec.set_metadata(
                message,
                run=run,
                message_id=message_id,
                source=runtime.SERVER_NODE_ID,
                destination=self._node,
                reply_to="",
            )
            reply = self._app(message, context)
            if not isinstance(reply, Message):
                raise TypeError(f"the ClientApp returned {type(reply).__name__}, not a Message")
            packed = codec.pack_message(reply)
            after = state_bytes(context)
        except Exception as error:
            self._held = None
            return None, (APP_RAISED, _reason(error)), None
        before = state if state is not None else _EMPTY_STATE
        self._held = (run, after, context)
        return packed, None, after if after != before else None

    def _context(self, run: int, state: bytes | None, run_config: dict[str, Any]) -> Context:
        wanted = state if state is not None else _EMPTY_STATE
        if self._held is not None and self._held[0] == run and self._held[1] == wanted:
            return self._held[2]
        config = {**self._run_config, **run_config}
        context = runtime.make_context(run, self._node, config, self._node_config)
        if state is not None:
            context.state = state_from(state)
        return context


def state_bytes(context: Context) -> bytes:
    """A state as bytes: u32 length of head | head (JSON) | skeleton | byte strings."""
    packed = codec.pack_state(context)
    head = json.dumps(
        {"skeleton": len(packed.skeleton), "places": packed.places, "sizes": [len(b) for b in packed.blobs]}
    ).encode()
    return b"".join((len(head).to_bytes(4, "big"), head, packed.skeleton, *packed.blobs))


def state_from(data: bytes) -> RecordDict:
    length = int.from_bytes(data[:4], "big")
    head = loads(data[4 : 4 + length])
    end = 4 + length + head["skeleton"]
    skeleton = data[4 + length : end]
    blobs = []
    for size in head["sizes"]:
        blobs.append(data[end : end + size])
        end += size
    return codec.unpack_state(skeleton, [tuple(p) for p in head["places"]], [_giver(b) for b in blobs])


def _giver(data: bytes) -> Callable[[], bytes]:
    return lambda: data


_EMPTY_STATE = state_bytes(runtime.make_context(0, 0, {}))


def _reason(error: BaseException, cause: BaseException | None = None) -> str:
    """One line that begins with the class of what went wrong first, and the traceback."""
    text = "".join(traceback.format_exception(error))
    headline = f"{type(error).__name__}: {error}"
    if cause is not None:
        headline = f"{type(cause).__name__}: {cause} ({str(error).partition(': ')[0]})"
    headline = headline.replace("\n", " ")[:2000]
    return f"{headline}\n{text[-MAX_REASON:]}"


def main(descriptor: int) -> None:
    """Serve requests on a socket until the node closes it."""
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    die_with_parent()
    adopt_orphans()
    try:
        setup = receive(channel).head
    except Closed:
        return
    os.environ.update(setup["environment"])
    _begin_work(Path(setup["project"]), setup.get("working"))
    _limit_memory(setup.get("memory_limit"))
    project = Path(setup["project"])
    references: list[str] = list(setup.get("mods") or [])

    def load() -> Any:
        around = load_mods(references)
        return wrap(runtime.load_client_app(setup["clientapp"], project), around)

    run_config = {**runtime.fused_run_config(project, {}), **(setup.get("run_config") or {})}
    results = setup.get("results")
    executor = Executor(load, int(setup["node"]), dict(setup["node_config"]), run_config)
    # Loading now pays for the app's imports before the first message; a failure is told whole with that.
    not_loaded = executor.load()
    if not_loaded is not None:
        print(not_loaded.partition("\n")[0], flush=True)
    with contextlib.suppress(Closed):
        send(channel, Frame({"op": "ready", "pid": os.getpid()}, []))
        while True:
            _serve(channel, executor, receive(channel), results)


def _begin_work(project: Path, place: str | None) -> None:
    """Make the copy of the project that the app works in: where it is told to, or in this process's scratch."""
    working = Path(place) if place is not None else Path(tempfile.mkdtemp()) / "work"
    make_copy(project, working)
    os.environ["PWD"] = str(working)
    os.chdir(working)


def _serve(channel: socket.socket, executor: Executor, frame: Frame, results: str | None = None) -> None:
    head = frame.head
    if results is not None:
        folder = Path(results) / str(int(head["run"]))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ[RESULTS_VARIABLE] = str(folder)
    # From here on a death is the app's; what never got here may be given to another process.
    send(channel, Frame({"op": "begun", "id": head["id"]}, []))
    crash_points.point("worker.received")
    skeleton, inline, state = frame.parts
    loaders = [_loader(frame.shared, inline, *extent) for extent in head["extents"]]
    packed, error, after = executor.execute(
        int(head["run"]),
        head["id"],
        skeleton,
        [tuple(place) for place in head["places"]],
        loaders,
        state if head["has_state"] else None,
        head.get("run_config") or {},
    )
    loaders.clear()  # or they would hold on to the request's memory while room is made for the reply
    if frame.shared is not None:
        frame.shared.close()
    crash_points.point("worker.executed")
    sys.stdout.flush()
    sys.stderr.flush()
    answer: dict[str, Any] = {
        "op": "done",
        "id": head["id"],
        "error": error,
        "has_state": after is not None,
        "places": [],
        "sizes": [],
    }
    shared = None
    parts = [b"", after or b""]
    if packed is not None:
        parts[0] = packed.skeleton
        answer["places"] = packed.places
        answer["sizes"] = [len(blob) for blob in packed.blobs]
        shared = _share(packed.blobs)
    try:
        send(channel, Frame(answer, parts, shared))
    finally:
        if shared is not None:
            shared.close()
    crash_points.point("worker.sent")


def _loader(
    shared: SharedBytes | None, inline: bytes, source: int, offset: int, size: int
) -> Callable[[], bytes | bytearray]:
    if source < 0:
        return lambda: inline[offset : offset + size]
    assert shared is not None
    # The piece keeps the memory alive for as long as the app keeps the array, and is never written.
    piece = shared.view[offset : offset + size]
    return lambda: bytearray(piece)


def _share(blobs: list[Any]) -> SharedBytes | None:
    """Move byte strings into shared memory, one after the other."""
    total = sum(len(blob) for blob in blobs)
    if not total:
        return None
    shared = SharedBytes.create(total)
    offset = 0
    # Each is let go as soon as it is copied, so that a large reply is not in memory twice.
    blobs.reverse()
    while blobs:
        blob = blobs.pop()
        shared.populate(offset, len(blob))
        shared.view[offset : offset + len(blob)] = blob
        offset += len(blob)
    return shared


def die_with_parent() -> None:
    """From now on this process ends when the one that started it is gone."""
    parent = os.getppid()
    _be_killed_with_parent()
    threading.Thread(target=_die_with, args=(parent,), name="syft-flwr-orphan", daemon=True).start()


def _be_killed_with_parent() -> None:
    """On Linux, have the system kill this process with the node, even while the app keeps Python busy."""
    if sys.platform == "linux":
        set_death_signal = 1  # PR_SET_PDEATHSIG in linux/prctl.h
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def _die_with(parent: int) -> None:
    """End when the node is gone: a worker that nobody listens to must not go on training."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _limit_memory(limit: int | None) -> None:
    """Bound what the app may allocate, where the platform can: more is a MemoryError in the app."""
    if not limit:
        return
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))
