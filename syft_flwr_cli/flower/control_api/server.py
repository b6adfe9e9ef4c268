"""The Control API over HTTP: an ASGI app that checks who calls, then hands plain values to a backend.

It answers only requests for its own host names, without an ``Origin`` (a browser's page sends one; the
command line does not), with a body that is bounded before it is read, and with a token that the backend
knows. Whatever a backend raises that is not a `ControlError` is logged and answered without its text.
"""

import logging
from collections.abc import Callable, Collection, Iterator

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from syft_flwr_cli.flower.control_api import wire
from syft_flwr_cli.flower.control_api.backend import Backend, ControlError, Failure, LogChunk, User

__all__ = ["make_app"]

MAX_BODY = (10 << 20) + (1 << 20)
"""Bytes of a request: an FAB of 10 MB and what is around it."""

_OPEN_CALLS = ("get-login-details", "refresh-auth-tokens")
"""Calls that are answered without a token in the header."""

_log = logging.getLogger(__name__)


def make_app(backend: Backend, hosts: Collection[str], base_url: str) -> Starlette:
    """The ASGI app.

    Parameters
    ----------
    backend : Backend
        Who answers.
    hosts : collection of str
        The values of ``Host`` that are ours, as ``127.0.0.1:9093``.
    base_url : str
        How clients reach us, for the address of results.
    """
    api = _Api(backend, frozenset(hosts), base_url.rstrip("/"))
    return Starlette(
        routes=[
            Route("/v1/control/{call}", api.control, methods=["POST"]),
            Route("/results/{ticket}", api.results, methods=["GET"]),
            Route("/health", api.health, methods=["GET"]),
        ]
    )


class _Api:
    def __init__(self, backend: Backend, hosts: frozenset[str], base_url: str) -> None:
        self._backend, self._hosts, self._base_url = backend, hosts, base_url

    async def health(self, request: Request) -> Response:
        """Whether we are there."""
        return JSONResponse({"status": "ok"})

    async def results(self, request: Request) -> Response:
        """The archive of a run's results, for the holder of its ticket."""
        if self._is_foreign(request):
            return Response(status_code=403)
        archive = await run_in_threadpool(self._backend.open_artifacts, request.path_params["ticket"])
        if archive is None:
            return JSONResponse({"detail": "There are no such results, or their address has expired."}, 404)
        return FileResponse(archive, filename=archive.name, media_type="application/zip")

    async def control(self, request: Request) -> Response:
        """One call."""
        call = request.path_params["call"]
        try:
            return await self._answer(call, request)
        except ControlError as error:
            # Whoever calls may have no token, and chooses the name.
            _log.warning("%s refused: %s", ascii(call[:60]), ascii(error.sentence)[1:-1][:300])
            status, document = wire.error_document(error)
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            return JSONResponse(document, status_code=status, headers=headers)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            _log.exception("%s failed", ascii(call[:60]))
            return JSONResponse({"detail": "Internal server error."}, status_code=500)

    async def _answer(self, call: str, request: Request) -> Response:
        if self._is_foreign(request):
            raise ControlError(Failure.FORBIDDEN, "Only the command line on this address may call.")
        user = await run_in_threadpool(self._backend.authenticate, _token(request))
        if user is None and call not in _OPEN_CALLS:
            raise ControlError(
                Failure.NOT_AUTHENTICATED,
                "No token, or one that is not valid (any more): ask the operator for `syft-flwr serve token add`.",
            )
        if call not in wire.REQUESTS:
            raise ControlError(Failure.NO_FEDERATION_MANAGEMENT, f"{call[:60]} is not offered over folders.")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != wire.MEDIA_TYPE:
            raise ControlError(Failure.UNSUPPORTED_CONTENT_TYPE, f"A call is {wire.MEDIA_TYPE}.")
        message = wire.parse_request(call, await _body(request))
        if user is None:
            return await self._without_user(call, message)
        if call == "stream-logs":
            # The first chunk is asked for here, so that a refusal is an error and not a stream that breaks off.
            chunks = self._backend.stream_log(user, message.run_id, message.after_timestamp)
            first = await run_in_threadpool(lambda: next(chunks, None))
            return StreamingResponse(_frames(first, chunks), media_type=wire.STREAM_MEDIA_TYPE)
        content = await run_in_threadpool(self._unary(call), user, message)
        return Response(content, media_type=wire.MEDIA_TYPE)

    async def _without_user(self, call: str, message: object) -> Response:
        if call == "refresh-auth-tokens":
            token = getattr(message, "refresh_token", "")
            if await run_in_threadpool(self._backend.authenticate, token) is not None:
                return Response(wire.refreshed_response(token), media_type=wire.MEDIA_TYPE)
            raise ControlError(Failure.NOT_AUTHENTICATED, "This token has been withdrawn.")
        raise ControlError(
            Failure.NO_ACCOUNT_AUTH,
            "There is nothing to log in to: `syft-flwr serve --write-config` writes the token where flwr looks for it.",
        )

    def _unary(self, call: str) -> Callable[[User, object], bytes]:
        return {
            "start-run": self._start_run,
            "list-runs": self._list_runs,
            "stop-run": self._stop_run,
            "pull-artifacts": self._pull_artifacts,
            "list-nodes": lambda user, _: wire.nodes_response(self._backend.nodes(user)),
            "list-federations": lambda user, _: wire.federations_response(self._backend.federations(user)),
            "show-federation": self._show_federation,
            "refresh-auth-tokens": lambda user, request: wire.refreshed_response(
                getattr(request, "refresh_token", "")
            ),
        }.get(call, self._no_login)

    def _no_login(self, user: User, request: object) -> bytes:
        raise ControlError(Failure.NO_ACCOUNT_AUTH, "You are logged in already, by a token.")

    def _start_run(self, user: User, request: object) -> bytes:
        submission = wire.submission_of(request)
        run_id, note = self._backend.start_run(user, submission)
        return wire.start_response(run_id, note, submission.federation)

    def _list_runs(self, user: User, request: object) -> bytes:
        def given(name: str) -> int | None:
            return getattr(request, name) if request.HasField(name) else None  # type: ignore[attr-defined]

        runs = self._backend.list_runs(user, given("run_id"), given("limit"), given("skip") or 0)
        return wire.runs_response(runs)

    def _stop_run(self, user: User, request: object) -> bytes:
        self._backend.stop_run(user, request.run_id)  # type: ignore[attr-defined]
        return wire.stop_response()

    def _pull_artifacts(self, user: User, request: object) -> bytes:
        ticket = self._backend.artifacts(user, request.run_id)  # type: ignore[attr-defined]
        return wire.artifacts_response(f"{self._base_url}/results/{ticket}")

    def _show_federation(self, user: User, request: object) -> bytes:
        wanted = request.federation_name  # type: ignore[attr-defined]
        for federation in self._backend.federations(user):
            if federation.name == wanted:
                return wire.show_federation_response(federation)
        raise ControlError(Failure.FEDERATION_NOT_FOUND, f"There is no federation {wanted[:80]!r} here.")

    def _is_foreign(self, request: Request) -> bool:
        return request.headers.get("host", "").lower() not in self._hosts or "origin" in request.headers


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def _body(request: Request) -> bytes:
    too_large = ControlError(
        Failure.INVALID_REQUEST,
        f"A request of more than {MAX_BODY} bytes is refused: an FAB is at most 10 MB.",
    )
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > MAX_BODY:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)


def _frames(first: LogChunk | None, rest: Iterator[LogChunk]) -> Iterator[bytes]:
    if first is None:
        return
    yield wire.log_frame(first)
    for chunk in rest:
        yield wire.log_frame(chunk)
