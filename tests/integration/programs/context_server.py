"""An aggregator's program whose ServerApp sends nothing and keeps a value: ``context_server.py ROOT``."""

import sys
from pathlib import Path

from flwr.app import ConfigRecord, Context, RecordDict
from flwr.serverapp import Grid, ServerApp

from syft_flwr_cli.fl_orchestrator import syftbox_flwr_server

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    found = Path(sys.argv[1], "times")
    found.write_text(f"{found.read_text() if found.exists() else ''}x")
    context.state["kept"] = ConfigRecord({"answer": 42})


if __name__ == "__main__":
    context = Context(run_id=0, node_id=0, node_config={}, state=RecordDict(), run_config={})
    context = syftbox_flwr_server(app, context, ["do1@a.example"], "flwr/study")
    print("the context came back:", dict(context.state["kept"]), context.run_id)
