"""The Grid as the ServerApp sees it in a process of its own: every call goes over a socket to who holds the run.

Messages travel taken apart, with their large contents in shared memory; the arrays of a reply are brought over when
the app uses them. It holds no keys, no journal and no network. Runs in the app's environment, where nothing of ours
may be installed but what Flower itself brings.
"""

import itertools
import socket
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flwr.app import Error, Message, RecordDict
from flwr.proto.node_pb2 import Node, NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from syft_flwr_cli.delivery.shared_memory import SharedBytes
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.execution.worker_protocol import Closed, Frame, receive, send
from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.flower.lazy_array import LazyArray

__all__ = ["Link", "PipedGrid", "blobs_in", "gather", "pack_messages", "unpack_messages"]

_RAISES: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (ValueError, TypeError, KeyError, RuntimeError)
}


class Link:
    """Calls over a socket, from any number of threads at once; a thread of its own takes the answers in."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._answers: dict[int, Frame | None] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._home = threading.get_ident()
        self.released: list[int] = []
        threading.Thread(target=self._listen, name="syft-flwr-grid", daemon=True).start()

    def call(
        self, op: str, head: dict[str, Any], parts: Sequence[bytes] = (), shared: SharedBytes | None = None
    ) -> Frame:
        """Call ``op`` and wait for its answer.

        Raises
        ------
        Exception
            What the call raised on the other side: of the same class if it is a common one of Python's.
        SystemExit
            If the other side is gone: nobody is there for whom the app could go on.
        """
        number = next(self._numbers)
        released, self.released = self.released, []
        head = {**head, "op": op, "call": number, "home": threading.get_ident() == self._home}
        head["released"] = released
        try:
            with self._sending:
                send(self._channel, Frame(head, list(parts), shared))
        except Closed:
            raise SystemExit(1) from None
        finally:
            if shared is not None:
                shared.close()
        with self._changed:
            while number not in self._answers:
                if self._closed:
                    raise SystemExit(1)
                self._changed.wait()
            answer = self._answers.pop(number)
        assert answer is not None
        error = answer.head.get("error")
        if error is not None:
            kind = _RAISES.get(error["kind"])
            if kind is not None:
                raise kind(error["text"])
            raise SyftFlwrError(error["text"], hint=error.get("hint", ""))
        return answer

    def tell(self, head: dict[str, Any], parts: Sequence[bytes] = ()) -> None:
        """Say something that is not answered."""
        with self._sending:
            send(self._channel, Frame(head, list(parts)))

    def load(self, token: int) -> bytearray:
        """The content of an array of a reply."""
        answer = self.call("load", {"token": token})
        if answer.shared is None:
            return bytearray(answer.parts[0])
        with answer.shared as shared:
            return bytearray(shared.view)

    def _listen(self) -> None:
        while True:
            try:
                frame = receive(self._channel)
            except (Closed, ValueError, OSError):
                with self._changed:
                    self._closed = True
                    self._changed.notify_all()
                return
            with self._changed:
                self._answers[int(frame.head["call"])] = frame
                self._changed.notify_all()


class PipedGrid(Grid):
    """Flower's Grid over a `Link`."""

    def __init__(self, link: Link, run: int) -> None:
        self._link = link
        self._run = runtime.empty_run(run)
        self.node = Node(node_id=runtime.SERVER_NODE_ID)

    def set_run(self, run: Run | int) -> None:
        """Refused: the run is the one that this process was started for."""
        if not isinstance(run, Run | int):
            raise TypeError(f"`run` must be an instance of Run, got {type(run).__name__}")
        if (run if isinstance(run, int) else run.run_id) != self._run.run_id:
            raise RuntimeError(f"This process serves the run {self._run.run_id} alone.")

    @property
    def run(self) -> Run:
        """The run."""
        return Run(**vars(self._run))

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message of this run to a node; ``ttl`` in seconds."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """The node ids of the data owners."""
        return list(self._link.call("node_ids", {}).head["nodes"])

    def get_nodes(self) -> list[NodeInfo]:
        """The data owners, as Flower describes nodes."""
        return [NodeInfo.FromString(part) for part in self._link.call("nodes", {}).parts]

    def get_client_email(self, node_id: int) -> str | None:
        """The e-mail of the data owner behind a node id; None if there is none."""
        for info in self.get_nodes():
            if info.node_id == node_id:
                return str(info.name)
        return None

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send messages; the ids of those that went out."""
        sent = list(messages)
        head, parts, blobs = pack_messages(sent)
        answer = self._link.call("push", head, parts, gather(blobs))
        _note_ids(sent, answer)
        return list(answer.head["ids"])

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies that are there by now."""
        return self._messages(self._link.call("pull", {"ids": list(message_ids)}))

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Send messages and wait for the replies."""
        sent = list(messages)
        head, parts, blobs = pack_messages(sent)
        answer = self._link.call("send", {**head, "timeout": timeout}, parts, gather(blobs))
        _note_ids(sent, answer)
        return self._messages(answer)

    def send_stop_signal(self, group_id: str = "final", reason: str = "Server stopped") -> list[str]:
        """Tell every data owner that the run is over; to whom it went."""
        return list(self._link.call("stop", {"group": group_id, "reason": reason}).head["to"])

    def _messages(self, answer: Frame) -> list[Message]:
        def later(token: int) -> Callable[[], bytearray]:
            return lambda: self._link.load(token)

        found = unpack_messages(answer, later)
        for message in found:
            for array in codec.lazy_arrays(message):
                token = array.__dict__.get("_token")
                if token is not None:
                    weakref.finalize(array, self._link.released.append, token)
        if answer.shared is not None:
            answer.shared.close()
        return found


def _note_ids(sent: Sequence[Message], answer: Frame) -> None:
    for message, mid in zip(sent, answer.head["message_ids"], strict=True):
        message.metadata.__dict__["_message_id"] = mid


# Messages as a frame. A content that several messages share is in it once.


def pack_messages(
    messages: Sequence[Message], token: Callable[[LazyArray], int] | None = None
) -> tuple[dict[str, Any], list[bytes], list[Any]]:
    """Head, parts and large contents of a frame with messages.

    With ``token``, larger arrays that have not been brought in yet stay where they are, and are named by a number.
    """
    contents: dict[int, int] = {}
    described: list[dict[str, Any]] = []
    parts: list[bytes] = []
    blobs: list[Any] = []
    listed: list[dict[str, Any]] = []
    for message in messages:
        meta = {key: value for key, value in vars(message.metadata).items() if key.startswith("_")}
        if message.has_error():
            listed.append({"meta": meta, "error": [message.error.code, message.error.reason]})
            continue
        key = id(message.content)
        if key not in contents:
            contents[key] = len(described)
            packed = codec.pack_content(message, keep_lazy=token is not None)
            sources: list[list[int]] = []
            for blob in packed.blobs:
                if isinstance(blob, LazyArray):
                    assert token is not None
                    sources.append([1, token(blob)])
                else:
                    sources.append([0, len(blob)])
                    blobs.append(blob)
            described.append({"places": packed.places, "sources": sources})
            parts.append(packed.skeleton)
        listed.append({"meta": meta, "content": contents[key]})
    return {"messages": listed, "contents": described}, parts, blobs


def unpack_messages(
    frame: Frame, later: Callable[[int], Callable[[], bytes | bytearray]], *, lazy: bool = True
) -> list[Message]:
    """The messages of a frame; contents in shared memory are views of it until they are used."""
    contents: list[RecordDict] = []
    offset = 0
    for described, skeleton in zip(frame.head["contents"], frame.parts, strict=True):
        loaders: list[Callable[[], Any]] = []
        tokens: list[int | None] = []
        for kind, value in described["sources"]:
            if kind == 1:
                loaders.append(later(int(value)))
                tokens.append(int(value))
                continue
            assert frame.shared is not None
            loaders.append(blobs_in(frame.shared.view[offset : offset + value], copy=lazy))
            tokens.append(None)
            offset += value
        places = [tuple(place) for place in described["places"]]
        contents.append(codec.unpack_content(skeleton, places, loaders, tokens))
    found = []
    for item in frame.head["messages"]:
        content = None if "error" in item else contents[item["content"]]
        error = Error(*item["error"]) if "error" in item else None
        found.append(codec.remade(item["meta"], content, error))
    return found


def blobs_in(view: memoryview, *, copy: bool) -> Callable[[], Any]:
    """A loader of a piece of shared memory: a copy that can be written, or the piece itself."""
    return (lambda: bytearray(view)) if copy else (lambda: view)


def gather(blobs: list[Any]) -> SharedBytes | None:
    """Move byte strings into shared memory, one after the other; each is let go as soon as it is copied."""
    total = sum(len(blob) for blob in blobs)
    if not total:
        return None
    shared = SharedBytes.create(total)
    offset = 0
    blobs.reverse()
    while blobs:
        blob = blobs.pop()
        shared.populate(offset, len(blob))
        shared.view[offset : offset + len(blob)] = blob
        offset += len(blob)
    return shared
