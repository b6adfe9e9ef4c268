"""A server that begins one run after the other, as many as each line of stdin says, in one process."""

import os
import sys
from pathlib import Path

from syft_flwr_cli.fl_orchestrator.flower_server import RunOptions, run_server_app, told
from syft_flwr_cli.fl_orchestrator.session import open_session
from syft_flwr_cli.home import home
from syft_flwr_cli.project import flower
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.settings import resolve


def main(folder: str, email: str, root: str) -> None:
    """Run the project for as long as there are lines."""
    project = load_project(Path(folder))
    settings = resolve(
        project, environ=os.environ, home=home(), role="aggregator", email=email, root=Path(root)
    )
    session = open_session(settings, home())
    config = flower.fused_run_config(project.path, {"num-server-rounds": 1})
    for line in sys.stdin:
        for _ in range(int(line)):
            context = flower.make_context(0, flower.SERVER_NODE_ID, config)
            result = run_server_app(
                session,
                lambda: flower.load_server_app(project.serverapp, project.path),
                context,
                RunOptions(),
            )
            assert result.error is None and not result.missing, result
            told(session, result)
        print("done", flush=True)
    session.close()


main(*sys.argv[1:])
