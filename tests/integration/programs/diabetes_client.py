"""A data owner's program: ``diabetes_client.py PROJECT``."""

import logging
import sys
from pathlib import Path

from flwr.app import RecordDict
from flwr.common import Context

from syft_flwr_cli.fl_orchestrator import syftbox_flwr_client

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    project = Path(sys.argv[1])
    sys.path.insert(0, str(project))
    from diabetes.client_app import app

    context = Context(run_id=0, node_id=0, node_config={}, state=RecordDict(), run_config={"local-steps": 3})
    syftbox_flwr_client(app, context, "flwr/diabetes_prediction", project)
    print("the run is over")
