"""The app in the node's own process: for tests, for apps given as objects, and where no process can be started.

What kills the app kills the node, and nothing bounds its memory; `runner.SubprocessRunner` protects from that.
"""

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from syft_flwr_cli.app_environment import APP_NAME_VARIABLE, DATA_VARIABLE
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.execution.output import Screen, app_stdout
from syft_flwr_cli.execution.runner import AppSetup

__all__ = ["InlineRunner"]


class InlineRunner:
    """The app in this process: for tests, for apps given as objects, and where no process can be started.

    Parameters
    ----------
    setup : AppSetup
        As for the subprocess; ``python`` and ``memory_limit`` do not apply.
    client_app : callable, optional
        The app itself; loaded from ``setup`` if None.
    log : Path, optional
        Where the app's output goes; where this process's own goes if None.
    screen : callable, optional
        Shows the app's output, where it goes to a log.
    """

    def __init__(
        self,
        setup: AppSetup,
        client_app: Callable[..., Any] | None = None,
        log: Path | None = None,
        screen: Screen | None = None,
    ) -> None:
        self._setup = setup
        self._log = log
        self._screen = screen
        self._client_app = client_app
        self._executor: Any = None

    def start(self) -> None:
        """Import flwr and load the app."""
        from syft_flwr_cli.execution.mods import load_mods, wrap
        from syft_flwr_cli.execution.worker import Executor
        from syft_flwr_cli.flower import runtime

        setup, given = self._setup, self._client_app

        def load() -> Any:
            around = load_mods(setup.mods)
            app: Any = given if given is not None else runtime.load_client_app(setup.clientapp, setup.project)
            return wrap(app, around)

        os.environ[APP_NAME_VARIABLE] = setup.app
        if setup.data is not None:
            os.environ[DATA_VARIABLE] = str(setup.data)
        config = dict(setup.run_config)
        if given is None:
            config = runtime.fused_run_config(setup.project, config)
        self._executor = Executor(load, setup.node, dict(setup.node_config), config)

    def __call__(self, work: Task) -> TaskResult:
        """Run the app on one request."""
        if self._executor is None:
            self.start()
        body, shared = work.body, work.shared
        loaders = []
        for slot in body.slots:
            if slot.payload < 0:
                loaders.append(_slice(memoryview(body.inline), slot.offset, slot.size))
            else:
                assert shared is not None
                loaders.append(_slice(shared.view, work.offsets[slot.payload] + slot.offset, slot.size))
        places = [slot.at for slot in body.slots]
        with nullcontext() if self._log is None else app_stdout(self._log, self._screen):
            packed, error, state = self._executor.execute(
                int(work.run), work.id, body.skeleton, places, loaders, work.state, dict(body.run_config)
            )
        if packed is None:
            return TaskResult(error=error, state=state)
        return TaskResult(packed.skeleton, packed.places, packed.blobs, None, state)

    def close(self) -> None:
        """Nothing to let go of."""


def _slice(view: memoryview, offset: int, size: int) -> Callable[[], bytearray]:
    piece = view[offset : offset + size]
    return lambda: bytearray(piece)
