"""The desk over HTTP, on loopback only: an ASGI app that checks who calls before it looks at anything.

1. ``Host`` must be ours, and so must ``Origin`` and ``Sec-Fetch-Site`` where a browser sends them: a page elsewhere can
   neither read nor post, and a name that was rebound to this address gets nothing.
2. The start token in the URL is exchanged for a cookie (HttpOnly, SameSite=Strict); everything else needs the cookie.
3. A form is taken with ``Origin``, with the token of its action, and up to `MAX_FORM` bytes.
4. Every answer has a Content-Security-Policy that allows nothing but this server, and is not cached.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.ui.desk import pages
from syft_flwr_cli.ui.desk.actions import ACTIONS, PAGES, Answer, Call, Place
from syft_flwr_cli.ui.desk.layout import Frame, Notice
from syft_flwr_cli.ui.desk.style import SCRIPT, STYLE

__all__ = ["make_app"]

MAX_FORM = 64 * 1024
MAX_FIELDS = 32
MAX_QUERY = 8 * 1024
MAX_NOTICES = 64
MAX_STREAMS = 8
LOOK = 1.0
"""Seconds between two looks at what a followed page shows."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
"""A report names its one style by its digest in a policy of its own, which holds besides this one."""

_log = logging.getLogger(__name__)


def make_app(place: Place, hosts: Collection[str], token: str) -> Starlette:
    """The ASGI app.

    Parameters
    ----------
    place : Place
        The desk and its node.
    hosts : collection of str
        The values of ``Host`` that are ours, as ``127.0.0.1:8765``.
    token : str
        The start token.
    """
    server = _Server(place, frozenset(hosts), token)
    return Starlette(routes=[Route("/{path:path}", server.answer, methods=["GET", "POST"])])


class _Server:
    def __init__(self, place: Place, hosts: frozenset[str], token: str) -> None:
        self._place, self._hosts, self._token = place, hosts, token
        self._cookie = f"syft_flwr_desk_{min(hosts, default='').rpartition(':')[2]}"
        self._session = secrets.token_urlsafe(32)
        self._secret = secrets.token_bytes(32)
        self._notices: OrderedDict[str, Notice] = OrderedDict()
        self._streams = 0

    async def answer(self, request: Request) -> Response:
        """Whatever is asked; see the module's first paragraph."""
        try:
            response = await self._checked(request)
        except SyftFlwrError as error:
            response = self._problem(request, Notice("bad", error.what, error.hint))
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception:
            _log.exception("the desk failed at %s", request.url.path[:80])
            notice = Notice("bad", "Something unexpected happened.", "The terminal of the desk says more.")
            response = self._problem(request, notice, 500)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        for name, value in _HEADERS.items():
            response.headers[name] = value
        return response

    async def _checked(self, request: Request) -> Response:
        if self._is_foreign(request):
            return _refusal(403, "Only a page of this desk may ask.")
        if len(request.url.query) > MAX_QUERY or len(request.url.path) > 200:
            return _refusal(414, "The address is too long.")
        given = request.query_params.get("token")
        if given is not None and request.method == "GET":
            if not _same(given, self._token):
                return _refusal(403, "The token in the address is not that of this desk.")
            response: Response = RedirectResponse("/", 303)
            response.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", path="/")
            return response
        if not _same(request.cookies.get(self._cookie, ""), self._session):
            return _refusal(403, "Open the desk with the address that syft-flwr desk printed.")
        if request.url.path in _FILES and request.method == "GET":
            content, kind = _FILES[request.url.path]
            return Response(content, media_type=kind)
        if request.url.path == "/events" and request.method == "GET":
            return self._events(request)
        return await (self._post(request) if request.method == "POST" else self._get(request))

    async def _get(self, request: Request) -> Response:
        answer = await run_in_threadpool(self._render, request)
        return self._response(answer, request)

    async def _post(self, request: Request) -> Response:
        action = request.url.path
        fields = await _fields(request)
        if fields is None:
            return _refusal(413, "The form is too large, or is none.")
        if not _same(fields.get("token", ""), self._form_token(action)):
            return _refusal(403, "The form is not one of this desk: load the page again.")
        found = _find(ACTIONS, action)
        if found is None:
            return _refusal(404, "There is no such action.")
        act, argument = found
        call = Call(self._place, self._frame(None), argument, fields)
        return self._response(await run_in_threadpool(act, call), request)

    def _render(self, request: Request) -> Answer | None:
        found = _find(PAGES, request.url.path)
        if found is None:
            return None
        page, argument = found
        notice = self._notices.pop(request.query_params.get("said", ""), None)
        return page(Call(self._place, self._frame(notice), argument, dict(request.query_params)))

    def _response(self, answer: Answer | None, request: Request) -> Response:
        if answer is None:
            return self._problem(request, Notice("bad", "There is no such page.", "Go back to the projects."))
        if answer.to is not None:
            return RedirectResponse(self._noted(answer.to, answer.notice), 303)
        if answer.file is not None:
            headers = {"Content-Disposition": f'attachment; filename="{answer.name}"'}
            return Response(answer.file, media_type="application/zip", headers=headers)
        policy = REPORT_POLICY if answer.standalone else POLICY
        return HTMLResponse(answer.page, headers={"Content-Security-Policy": policy})

    def _noted(self, to: str, notice: Notice | None) -> str:
        """The address with a name for the notice: its words never come from an address."""
        if notice is None:
            return to
        name = secrets.token_urlsafe(9)
        self._notices[name] = notice
        while len(self._notices) > MAX_NOTICES:
            self._notices.popitem(last=False)
        return f"{to}{'&' if '?' in to else '?'}said={name}"

    def _problem(self, request: Request, notice: Notice, status: int | None = None) -> Response:
        back = request.url.path.rpartition("/")[0] if request.method == "POST" else "/"
        if not back.startswith("/project/"):
            back = "/"
        page = pages.problem(self._frame(None), notice, back)
        return HTMLResponse(page, status or (422 if request.method == "POST" else 404))

    def _events(self, request: Request) -> Response:
        """Says ``changed`` whenever the followed page is another one."""
        target, _, query = request.query_params.get("page", "").partition("?")
        found = _find(PAGES, target)
        if found is None or self._streams >= MAX_STREAMS:
            return _refusal(404, "There is nothing to follow.")
        page, argument = found
        call = Call(self._place, self._frame(None), argument, dict(parse_qsl(query)[:MAX_FIELDS]))

        def look() -> str:
            try:
                return hashlib.sha256((page(call) or Answer()).page.encode()).hexdigest()
            except SyftFlwrError as error:
                return error.what

        async def stream() -> AsyncIterator[bytes]:
            self._streams += 1
            try:
                before = await run_in_threadpool(look)
                yield b": following\n\n"
                while not await request.is_disconnected():
                    await asyncio.sleep(LOOK)
                    now = await run_in_threadpool(look)
                    yield b"data: changed\n\n" if now != before else b": same\n\n"
                    before = now
            finally:
                self._streams -= 1

        return StreamingResponse(stream(), media_type="text/event-stream")

    def _frame(self, notice: Notice | None) -> Frame:
        return Frame(self._place.desk.email, self._form_token, notice)

    def _form_token(self, action: str) -> str:
        return hmac.new(self._secret, action.encode(), hashlib.sha256).hexdigest()

    def _is_foreign(self, request: Request) -> bool:
        host = request.headers.get("host", "").lower()
        if host not in self._hosts:
            return True
        origin = request.headers.get("origin")
        if origin is None:
            return request.method != "GET" or request.headers.get("sec-fetch-site") == "cross-site"
        return origin.lower() != f"http://{host}"


_Handler = Callable[[Call], Answer | None]
_Async = Callable[[Request], Awaitable[Response]]

_FILES = {"/style.css": (STYLE, "text/css"), "/desk.js": (SCRIPT, "text/javascript")}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it a browser sends the Origin of a form as null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def _find(handlers: dict[str, _Handler], path: str) -> tuple[_Handler, str] | None:
    """The handler of a path, and the digest in it; patterns have ``*`` for a digest."""
    parts = path.split("/")
    if len(parts) > 2 and parts[1] == "project":
        digest, parts[2] = parts[2], "*"
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            return None
    else:
        digest = ""
    handler = handlers.get("/".join(parts))
    return None if handler is None else (handler, digest)


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), known.encode())


def _refusal(status: int, sentence: str) -> Response:
    return Response(f"{sentence}\n", status, media_type="text/plain")


async def _fields(request: Request) -> dict[str, str] | None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    announced = request.headers.get("content-length", "0")
    if kind != "application/x-www-form-urlencoded" or not announced.isdecimal() or int(announced) > MAX_FORM:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            return None
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return None
