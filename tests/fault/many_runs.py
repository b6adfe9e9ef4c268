"""A server that begins one run after the other, as many as each line of stdin says, in one process."""

import os
import sys
from pathlib import Path

from syft_flwr_cli.aggregator.runs import RunOptions, run_server_app, told
from syft_flwr_cli.flower import runtime
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.session.session import open_session
from syft_flwr_cli.storage.paths import home


def main(folder: str, email: str, root: str) -> None:
    """Run the project for as long as there are lines."""
    project = load_project(Path(folder))
    settings = resolve(
        project, environ=os.environ, home=home(), role="aggregator", email=email, root=Path(root)
    )
    session = open_session(settings, home())
    config = runtime.fused_run_config(project.path, {"num-server-rounds": 1})
    for line in sys.stdin:
        for _ in range(int(line)):
            context = runtime.make_context(0, runtime.SERVER_NODE_ID, config)
            result = run_server_app(
                session,
                lambda: runtime.load_server_app(project.serverapp, project.path),
                context,
                RunOptions(),
            )
            assert result.error is None and not result.missing, result
            told(session, result)
        print("done", flush=True)
    session.close()


main(*sys.argv[1:])
