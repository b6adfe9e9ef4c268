"""Flower's private corners: loading apps, contexts and run config, and running a ServerApp on a Grid.

Everything that may change with a flwr version and is not the message format is here, so that a new
version is one file to look at. Tested with the versions that pyproject.toml declares.
"""

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
from flwr.app import Context, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.client_app import LoadClientAppError
from flwr.common.config import get_fused_config_from_dir, parse_config_args
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.server import server as legacy_server
from flwr.server.run_serverapp import run as run_server_app
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.server_app import LoadServerAppError
from flwr.supercore.object_ref import load_app
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from syft_flwr_cli.errors import SyftFlwrError, UsageError

__all__ = [
    "SERVER_NODE_ID",
    "become",
    "empty_run",
    "fused_run_config",
    "load_client_app",
    "load_server_app",
    "make_context",
    "parse_run_config",
    "run_server",
    "seed_everything",
]

T = TypeVar("T")

SERVER_NODE_ID = SUPERLINK_NODE_ID
"""The node id of the side that runs the ServerApp."""


def parse_run_config(given: str | Sequence[str] | None) -> dict[str, Any]:
    """``"k=v k2='s'"``, several of these, or one TOML file, as Flower reads them: a mapping by dotted keys.

    Raises
    ------
    UsageError
        If it is not of that form, or the file cannot be read.
    """
    texts = [given] if isinstance(given, str) else list(given or ())
    texts = [text for text in texts if text.strip()]
    if not texts:
        return {}
    shown = texts[0] if len(texts) == 1 else texts
    try:
        found = parse_config_args(texts)
    except Exception as error:  # flwr raises click and TOML errors of many kinds for one and the same fault
        why = f": {error}" if isinstance(error, OSError) else ""
        raise UsageError(
            f"The configuration {shown!r} cannot be read{why}.",
            hint="Write it as \"key1=1 key2=0.5 key3='text'\", or give one TOML file and nothing else.",
        ) from error
    if not found:
        raise UsageError(
            f"The configuration {shown!r} has no key=value in it.",
            hint="Write it as \"key1=1 key2=0.5 key3='text'\".",
        )
    return dict(found)


def fused_run_config(project: Path, override: Mapping[str, Any]) -> dict[str, Any]:
    """The project's run config with ``override`` laid over it.

    Raises
    ------
    UsageError
        If ``override`` names a key that the project does not have.
    """
    try:
        return dict(get_fused_config_from_dir(project, dict(override)))
    except ValueError as error:
        known = ", ".join(sorted(get_fused_config_from_dir(project, {}))) or "none"
        raise UsageError(
            f"--run-config: {error}.", hint=f"Keys in [tool.flwr.app.config]: {known}."
        ) from error


def load_server_app(reference: str, project: Path) -> ServerApp:
    """Import the project's ServerApp (``module:attribute``)."""
    app = _load(reference, project, LoadServerAppError)
    if not isinstance(app, ServerApp):
        raise SyftFlwrError(
            f"{reference} is no ServerApp.",
            hint="Correct 'serverapp' in [tool.flwr.app.components] of pyproject.toml.",
        )
    return app


def load_client_app(reference: str, project: Path) -> ClientApp:
    """Import the project's ClientApp (``module:attribute``)."""
    app = _load(reference, project, LoadClientAppError)
    if not isinstance(app, ClientApp):
        raise SyftFlwrError(
            f"{reference} is no ClientApp.",
            hint="Correct 'clientapp' in [tool.flwr.app.components] of pyproject.toml.",
        )
    return app


def _load(reference: str, project: Path, kind: type[Exception]) -> Any:
    try:
        return load_app(reference, kind, _import_root(reference, project))
    except Exception as error:  # whatever the app's own code raises while it is imported
        raise SyftFlwrError(
            f"{reference} cannot be imported: {type(error).__name__}: {error}",
            hint="Install what the project depends on (see its pyproject.toml), or correct its code; "
            "--debug shows where.",
        ) from error


def _import_root(reference: str, project: Path) -> Path:
    """Where the app's package lies: in the project's folder, or in its ``src``."""
    top = reference.partition(":")[0].partition(".")[0]
    here, source = ([root / top, root / f"{top}.py"] for root in (project, project / "src"))
    if not any(path.exists() for path in here) and any(path.exists() for path in source):
        return project / "src"
    return project


def make_context(
    run: int, node: int, run_config: Mapping[str, Any], node_config: Mapping[str, Any] | None = None
) -> Context:
    """A fresh context."""
    return Context(
        run_id=run,
        node_id=node,
        node_config=dict(node_config or {}),
        state=RecordDict(),
        run_config=dict(run_config),
    )


def become(run: int, node: int) -> None:
    """Tell flwr who this process is; it asks when a Message is made."""
    TaskIdentity.run_id = run
    TaskIdentity.node_id = node
    TaskIdentity.task_id = 1


def empty_run(run: int) -> Run:
    """Flower's run object with nothing but an id."""
    return Run.create_empty(run)


def run_server(grid: Grid, context: Context, app: ServerApp) -> Context:
    """Run a ServerApp to its end."""
    with _collecting_in_order():
        return run_server_app(grid=grid, context=context, server_app_dir="", loaded_server_app=app)


@contextmanager
def _collecting_in_order() -> Iterator[None]:
    """Have the legacy API add up results in the order in which it asked for them.

    It collects them from a set of futures, whose order is that of their places in memory: sums would be equal
    to rounding only, and what a killed run sent next could not be sent again.
    """

    class Executor(ThreadPoolExecutor):
        def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            future = super().submit(fn, *args, **kwargs)
            places[future] = next(numbers)
            return future

    def wait(
        fs: Iterable[Future[T]], timeout: float | None = None, return_when: str = futures.ALL_COMPLETED
    ) -> tuple[list[Future[T]], set[Future[T]]]:
        done, pending = futures.wait(fs, timeout, return_when)
        ordered = sorted(done, key=places.__getitem__)
        for future in ordered:
            del places[future]
        return ordered, pending

    places: dict[Future[Any], int] = {}
    numbers = count()
    before = vars(legacy_server)["concurrent"]
    changed = {**vars(futures), "ThreadPoolExecutor": Executor, "wait": wait}
    vars(legacy_server)["concurrent"] = SimpleNamespace(futures=SimpleNamespace(**changed))
    try:
        yield
    finally:
        vars(legacy_server)["concurrent"] = before


def seed_everything(seed: int, dependencies: Sequence[str] = ()) -> None:
    """Seed `random`, NumPy and, where the app uses it, torch: a run that is replayed draws the same.

    Parameters
    ----------
    seed : int
        At least 64 bits.
    dependencies : sequence of str
        What the project depends on; torch is imported here only if it is among them, because importing
        it takes seconds.
    """
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    wanted = "torch" in sys.modules or any(_requires(line, "torch") for line in dependencies)
    if wanted and find_spec("torch") is not None:
        import torch

        torch.manual_seed(seed % (1 << 63))


def _requires(line: str, name: str) -> bool:
    rest = line.strip().lower().removeprefix(name)
    return rest != line.strip().lower() and not rest[:1].isalnum() and rest[:1] not in "-_."
