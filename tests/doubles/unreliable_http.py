"""An HTTP proxy on loopback that fails on purpose, repeatably from a seed: refused, cut, slow, answer lost."""

import http.client
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

__all__ = ["UnreliableProxy"]

_PER_CONNECTION = {"connection", "transfer-encoding", "keep-alive"}


class UnreliableProxy:
    """Stands before a server.

    Parameters
    ----------
    target : str
        The server, as ``http://127.0.0.1:PORT``.
    rate : float
        Chance that a request fails: half of them before the server has it, half of them after.
    seed : int
        Where the chances come from.
    """

    def __init__(self, target: str, rate: float = 0.0, seed: int = 1) -> None:
        self.rate, self.out = rate, False
        self.dropped: set[str] = set()
        self._random, self._lock = random.Random(seed), threading.Lock()
        self.failed = 0
        self.requests: list[tuple[str, str]] = []
        proxy, where = self, urlsplit(target)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.requests.append((self.command, self.path))
                fault = proxy.draw()
                if fault == "refuse":
                    self.answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
                    return
                if fault == "cut":
                    self.close_connection = True
                    return
                upstream = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
                headers = {
                    k: v for k, v in self.headers.items() if k.lower() not in _PER_CONNECTION | proxy.dropped
                }
                upstream.request(self.command, self.path, body, headers)
                reply = upstream.getresponse()
                data = reply.read()
                upstream.close()
                if fault == "lose":
                    self.close_connection = True
                    return
                kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in _PER_CONNECTION]
                if fault == "half" and len(data) > 1:
                    self.answer(reply.status, kept, data[: len(data) // 2], promised=len(data))
                    self.close_connection = True
                    return
                self.answer(reply.status, kept, data)

            def answer(
                self, status: int, headers: list[tuple[str, str]], data: bytes, promised: int | None = None
            ) -> None:
                self.send_response_only(status)
                sized = any(name.lower() == "content-length" for name, _ in headers)
                for name, value in headers:
                    self.send_header(name, value)
                if not sized:
                    self.send_header("Content-Length", str(promised or len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def draw(self) -> str:
        """What happens to the next request."""
        with self._lock:
            if self.out:
                return "refuse"
            if self._random.random() >= self.rate:
                return ""
            self.failed += 1
            return self._random.choice(["refuse", "cut", "lose", "half"])

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
