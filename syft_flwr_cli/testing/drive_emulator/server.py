"""The emulator as an HTTP server: requests in, Drive's answers out, failures in between.

Every call goes the same way: who is it, which method of the discovery document, does it fail before,
do it, does its answer get lost, write it down. State changes under one lock; bodies are read and
sent outside of it.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlencode

from werkzeug.wsgi import get_input_stream

from syft_flwr_cli.testing.drive_emulator.calls import Calls, Reply
from syft_flwr_cli.testing.drive_emulator.discovery import Api, Method
from syft_flwr_cli.testing.drive_emulator.faults import Fault, Faults
from syft_flwr_cli.testing.drive_emulator.ledger import Call, Ledger
from syft_flwr_cli.testing.drive_emulator.oauth import DRIVE, Grant, OAuth
from syft_flwr_cli.testing.drive_emulator.problems import (
    ApiError,
    bad_request,
    forbidden,
    injected,
    unauthorized,
)
from syft_flwr_cli.testing.drive_emulator.store import Drive
from syft_flwr_cli.testing.drive_emulator.uploads import (
    MULTIPART_LIMIT,
    Session,
    receive_chunk,
    split_multipart,
)

__all__ = ["State", "application"]

_BLOCK = 64 * 1024

Start = Callable[[str, list[tuple[str, str]]], Any]
Environ = dict[str, Any]


@dataclass(slots=True)
class State:
    """All that the emulator knows; change it only while holding ``lock``."""

    drive: Drive
    directory: Path
    faults: Faults = field(default_factory=Faults)
    ledger: Ledger = field(default_factory=Ledger)
    oauth: OAuth = field(default_factory=OAuth)
    sessions: dict[str, Session] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    api_disabled: bool = False
    sleep: Callable[[float], None] = time.sleep


class _Exchange:
    """One request on its way through."""

    def __init__(self, state: State, api: Api, environ: Environ) -> None:
        self.state = state
        self.environ = environ
        self.query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        self.length = int(environ.get("CONTENT_LENGTH") or 0)
        self.stream: IO[bytes] = get_input_stream(environ)
        self.calls = Calls(state.drive, api)
        self.api = api
        self.who = ""
        self.label = ""
        self.fault: Fault | None = None
        self.received = 0

    def answer(self) -> Reply:
        """The reply; `ConnectionResetError` where the connection is to be cut."""
        try:
            reply = self._answer()
        except ApiError as error:
            self._drain()
            reply = Reply(error.status, error.document(), detail=f"{error.reason}: {error.message}")
        except ConnectionResetError:
            self._log(Reply(0, None, detail="cut"))
            raise
        self._log(reply)
        return reply

    def _answer(self) -> Reply:
        state = self.state
        verb, path = self.environ["REQUEST_METHOD"], self.environ["PATH_INFO"]
        if self.environ.get("HTTP_X_HTTP_METHOD_OVERRIDE") == "GET":
            # The client's way to ask for what is too long for an address.
            verb, self.query = "GET", parse_qs(self._read(self.length).decode(), keep_blank_values=True)
            self.length = 0
        if "upload_id" in self.query:
            session = state.sessions.get(self.query["upload_id"][0])
            status = self.environ.get("HTTP_CONTENT_RANGE", "").startswith("bytes */")
            self.label = "upload.status" if status else "upload.chunk"
            self.who = session.who if session else "?"
            method = None
        else:
            method = self.api.find(verb, path)
            media = self.query.get("alt") == ["media"] and method.short == "files.get"
            self.label = "files.get.media" if media else method.short
            self.who = self._identify().email
        with state.lock:
            self.fault = state.faults.draw(self.label, self.who)
            delay = state.faults.delay() + (self.fault.seconds if self.fault else 0.0)
            admitted = state.ledger.admit(self.who, self.label, state.drive.clock())
        if delay:
            state.sleep(delay)
        if not admitted:
            raise forbidden("userRateLimitExceeded")
        self._fail(after=False)
        if method is None:
            reply = self._put(state.sessions.get(self.query["upload_id"][0]))
        else:
            if state.api_disabled:
                raise forbidden("accessNotConfigured")
            values = self.api.parameters(method, self.query)
            reply = self._call(method, values)
        self._fail(after=True, reply=reply)
        return reply

    def _identify(self) -> Grant:
        state = self.state
        with state.lock:
            grant = state.oauth.identify(self.environ.get("HTTP_AUTHORIZATION", ""), state.drive.clock())
            account = state.drive.account(grant.email) if grant else None
        if grant is None or account is None:
            raise unauthorized()
        if DRIVE not in grant.scope.split():
            raise forbidden("insufficientPermissions")
        return grant

    def _fail(self, *, after: bool, reply: Reply | None = None) -> None:
        fault = self.fault
        if fault is None or fault.kind == "slow" or fault.after is not after:
            return
        if reply is not None and reply.stream is not None:
            reply.stream.close()
        if fault.kind == "session":
            self.state.sessions.pop(self.query.get("upload_id", [""])[0], None)
            return
        if fault.kind != "drop":
            raise injected(fault.kind)
        if not after and self.label in ("upload.chunk", "files.get.media"):
            return  # cut in the middle of the body instead
        if not after:
            self._read(min(self.length, fault.bytes or 0))
        raise ConnectionResetError("cut by the emulator")

    def _cut(self, size: int) -> int | None:
        """Where in a body of ``size`` bytes the connection is cut, if it is."""
        if self.fault is None or self.fault.kind != "drop" or self.fault.after:
            return None
        with self.state.lock:
            return self.fault.bytes if self.fault.bytes is not None else self.state.faults.part(size)

    def _call(self, method: Method, values: dict[str, Any]) -> Reply:
        mask = self.api.mask(method, values.get("fields"))
        if method.upload:
            return self._upload(method, values)
        raw = self._read(self.length)
        meta = self.api.body(method, _parse(raw))
        with self.state.lock:
            reply = self.calls.run(method, self.who, values, meta, mask, self.label)
            if reply.media is not None:
                self._media(reply)
        return reply

    def _media(self, reply: Reply) -> None:
        """Turn the content into the part that a ``Range`` asks for."""
        assert reply.media is not None
        size = reply.media.size
        first, last = _range(self.environ.get("HTTP_RANGE"), size)
        reply.span = (first, last + 1)
        reply.cut = self._cut(last + 1 - first)
        reply.stream = reply.media.path.open("rb")
        if "HTTP_RANGE" in self.environ:
            reply.status = 206
            reply.headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))

    def _upload(self, method: Method, values: dict[str, Any]) -> Reply:
        kind = values.get("uploadType")
        mask = self.api.mask(method, values.get("fields"))
        target = method.path.get("fileId")
        path = self.state.directory / secrets.token_hex(16)
        if kind == "multipart":
            if self.length > MULTIPART_LIMIT + _BLOCK:
                raise ApiError(
                    413, "uploadTooLarge", f"A multipart upload takes at most {MULTIPART_LIMIT} bytes."
                )
            raw = self._read(self.length)
            meta, body = split_multipart(self.environ.get("CONTENT_TYPE", ""), raw, path)
            self.api.body(method, meta)
            try:
                with self.state.lock:
                    return self.calls.commit(method.short, self.who, target, meta, body, mask)
            except ApiError:
                path.unlink(missing_ok=True)
                raise
        if kind != "resumable":
            raise bad_request(f"Unsupported uploadType {kind!r}.", "invalidParameter")
        meta = self.api.body(method, _parse(self._read(self.length)))
        declared = self.environ.get("HTTP_X_UPLOAD_CONTENT_LENGTH")
        size = int(declared) if declared else None
        with self.state.lock:
            self.calls.check(method.short, self.who, target, meta, size or 0)
            session = Session(self.who, method.short, target, meta, mask, size, path)
            self.state.sessions[session.id] = session
        where = f"http://{self.environ['HTTP_HOST']}{self.environ['PATH_INFO']}?" + urlencode(
            {"uploadType": "resumable", "upload_id": session.id}
        )
        return Reply(
            200, None, [("Location", where)], files=(target or meta.get("id", ""),), detail="session"
        )

    def _put(self, session: Session | None) -> Reply:
        if session is None:
            raise ApiError(404, "notFound", "The upload session is unknown or has expired.")
        if session.result is not None:
            return Reply(
                200, session.result, files=(session.result.get("id", ""),), detail="already complete"
            )
        before = session.arrived
        cut = self._cut(self.length) if self.length else None
        try:
            complete = receive_chunk(
                session, self.environ.get("HTTP_CONTENT_RANGE"), self.stream, self.length, cut
            )
        finally:
            self.received = session.arrived - before
        if not complete:
            headers = [("Range", session.range)] if session.range else []
            return Reply(308, None, headers)
        if session.size == 0:
            session.path.touch()
        with self.state.lock:
            reply = self.calls.finish(session)
        session.result = reply.document
        return reply

    def _read(self, length: int) -> bytes:
        data = self.stream.read(length) if length else b""
        self.received += len(data)
        return data

    def _drain(self) -> None:
        """Read what is left of a request, so that its refusal reaches the client."""
        while self.stream.read(_BLOCK):
            pass

    def _log(self, reply: Reply) -> None:
        state = self.state
        sent = 0
        if reply.span is not None:
            sent = reply.cut if reply.cut is not None else reply.span[1] - reply.span[0]
        fault = ""
        if self.fault is not None:
            fault = f"{self.fault.kind}{' after' if self.fault.after else ''}"
        detail = reply.detail or self.query.get("q", [""])[0]
        with state.lock:
            state.ledger.add(
                Call(
                    state.drive.clock(),
                    self.who,
                    self.label or f"unknown {self.environ['REQUEST_METHOD']} {self.environ['PATH_INFO']}",
                    reply.status,
                    tuple(id for id in reply.files if id),
                    detail,
                    fault,
                    self.received,
                    sent,
                )
            )


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else {}
    except ValueError:
        raise bad_request("Parse Error", "parseError") from None


def _range(header: str | None, size: int) -> tuple[int, int]:
    if header is None:
        return 0, size - 1
    unit, _, span = header.partition("=")
    first, dash, last = span.partition("-")
    if unit != "bytes" or not dash or not first.isdigit() or (last and not last.isdigit()):
        raise bad_request(f"Unsupported Range {header!r}.")
    end = min(int(last), size - 1) if last else size - 1
    if int(first) > end:
        raise ApiError(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
    return int(first), end


def application(
    state: State, admin: Callable[[Environ], Reply | None]
) -> Callable[[Environ, Start], Iterable[bytes]]:
    """The WSGI application over a state; ``admin`` answers what is not Drive's."""
    api = Api()

    def serve(environ: Environ, start: Start) -> Iterable[bytes]:
        reply = admin(environ)
        if reply is None:
            reply = _Exchange(state, api, environ).answer()
        if reply.stream is not None and reply.span is not None:
            length = reply.span[1] - reply.span[0]
            headers = [
                *reply.headers,
                ("Content-Type", "application/octet-stream"),
                ("Content-Length", str(length)),
            ]
            start(f"{reply.status} -", headers)
            return _send(reply.stream, reply.span, reply.cut)
        data = b"" if reply.document is None else json.dumps(reply.document).encode()
        headers = [*reply.headers, ("Content-Length", str(len(data)))]
        if data:
            headers.append(("Content-Type", "application/json; charset=UTF-8"))
        start(f"{reply.status} -", headers)
        return [data]

    return serve


def _send(stream: IO[bytes], span: tuple[int, int], cut: int | None) -> Iterator[bytes]:
    with stream:
        stream.seek(span[0])
        left = span[1] - span[0] if cut is None else cut
        while left > 0 and (block := stream.read(min(left, _BLOCK))):
            left -= len(block)
            yield block
    if cut is not None:
        raise ConnectionResetError("cut by the emulator")
