"""The service on loopback against pages of a browser, other programs and other users: the ASGI app by itself."""

import asyncio
from typing import Any

import pytest

from syft_flwr_cli.flower.control_api.backend import User
from syft_flwr_cli.flower.control_api.server import MAX_BODY, make_app

HOST = "127.0.0.1:9093"
TYPE = "application/protobuf"


class Backend:
    """Knows one token, and counts what gets through to it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def authenticate(self, token: str | None) -> User | None:
        return User("ada", False) if token == "right" else None

    def open_artifacts(self, ticket: str) -> None:
        self.asked.append(ticket)

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        raise AttributeError(name)


def call(
    backend: Backend,
    path: str,
    headers: dict[str, str],
    *,
    method: str = "POST",
    parts: list[bytes] | None = None,
) -> int:
    """The status of one request."""
    app = make_app(backend, [HOST], f"http://{HOST}")
    status: list[int] = []
    left = list(parts if parts is not None else [b""])

    async def receive() -> dict[str, Any]:
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 9093),
    }
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return status[0]


GOOD = {"host": HOST, "authorization": "Bearer right", "content-type": TYPE}


@pytest.mark.parametrize(
    "other",
    [
        {"host": "evil.example"},
        {"host": "evil.example:9093"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:9093.evil.example"},
        {"host": "localhost.evil.example:9093"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": f"http://{HOST}"},
        {"origin": "null"},
    ],
    ids=lambda other: str(other),
)
@pytest.mark.parametrize(("path", "method"), [("/v1/control/list-runs", "POST"), ("/results/x", "GET")])
def test_a_page_of_a_browser_gets_nothing(other: dict[str, str], path: str, method: str) -> None:
    backend = Backend()
    assert call(backend, path, {**GOOD, **other}, method=method) == 403
    assert backend.asked == []


@pytest.mark.parametrize(
    "token", ["", "wrong", "Bearer", "Bearer wrong", "Basic right", "Bearer right x", "right"], ids=repr
)
@pytest.mark.parametrize("name", ["start-run", "stop-run", "pull-artifacts", "stream-logs", "list-nodes"])
def test_nobody_without_a_token_is_heard(token: str, name: str) -> None:
    backend = Backend()
    headers = {**GOOD, "authorization": token}
    assert call(backend, f"/v1/control/{name}", headers) == 401
    assert backend.asked == []


def test_too_much_is_not_read() -> None:
    piece = [b"x" * (1 << 20)] * ((MAX_BODY >> 20) + 3)
    for announced in (
        {},
        {"content-length": str(1 << 40)},
        {"content-length": "-1"},
        {"content-length": "x"},
    ):
        backend = Backend()
        assert 400 <= call(backend, "/v1/control/start-run", {**GOOD, **announced}, parts=list(piece)) < 500
        assert backend.asked == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_what_a_form_can_send_is_no_call(content_type: str) -> None:
    backend = Backend()
    assert 400 <= call(backend, "/v1/control/start-run", {**GOOD, "content-type": content_type}) < 500
    assert backend.asked == []


@pytest.mark.parametrize(
    "name", ["__init__", "../health", "start_run", "START-RUN", "\x1b[2J\nx", "x" * 5000]
)
def test_no_other_name_is_a_call_nor_written_into_the_log_as_it_is(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Backend()
    assert call(backend, f"/v1/control/{name}", GOOD) in (404, 501)
    assert backend.asked == []
    assert all(len(line) < 400 and line.isprintable() for line in caplog.messages)
