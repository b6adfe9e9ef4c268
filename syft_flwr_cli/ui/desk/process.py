"""The desk as a process: its socket on loopback, its start token, its HTTP server, its node, and their end."""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.services.desk import Desk
from syft_flwr_cli.services.node_process import NodeProcess

__all__ = ["HOST", "listen", "serve"]

HOST = "127.0.0.1"
MAX_CONNECTIONS = 64


def listen(port: int) -> socket.socket:
    """A socket on loopback; ``port`` 0 takes a free one.

    Raises
    ------
    UsageError
        If the port cannot be had.
    """
    listening = socket.socket(socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{HOST}:{port} cannot be listened on: {why}.",
            hint="Give another port with --port, or --port 0 for a free one.",
        ) from error
    return listening


def serve(
    home: Path, email: str, root: Path | None, listening: socket.socket, ready: Callable[[str], None]
) -> None:
    """Serve until the process is asked to end; ``ready`` hears the address with its start token.

    The node that was started at the desk ends with it, as Ctrl-C ends it: nothing is lost.
    """
    import uvicorn

    from syft_flwr_cli.ui.desk.actions import Place
    from syft_flwr_cli.ui.desk.server import make_app

    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(32)
    node = NodeProcess(home, email, () if root is None else ("--root", str(root)))
    app = make_app(Place(Desk(home, email, root), node), {f"{HOST}:{port}", f"localhost:{port}"}, token)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
    )
    listening.listen(MAX_CONNECTIONS)
    ready(f"http://{HOST}:{port}/?token={token}")
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        return
    finally:
        node.close()
        listening.close()
