"""A data owner and an aggregator in one process, over a shared folder, with a project offered."""

import re
from pathlib import Path

from starlette.testclient import TestClient

from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.services.desk import Desk
from syft_flwr_cli.services.federation import open_federation
from syft_flwr_cli.services.node_process import NodeProcess
from syft_flwr_cli.services.offers import share
from syft_flwr_cli.ui.desk.actions import Place
from syft_flwr_cli.ui.desk.server import make_app

DS, DO = "ds@lab.example", "do1@a.example"
HOST = "127.0.0.1:8765"
ORIGIN = f"http://{HOST}"
TOKEN = "the-start-token"

PYPROJECT = """\
[project]
name = "study"
version = "1.0.0"
dependencies = ["numpy>=1.26"]

[tool.flwr.app]
publisher = "lab"

[tool.flwr.app.components]
serverapp = "study.server_app:app"
clientapp = "study.client_app:app"

[tool.flwr.app.config]
num-server-rounds = 3

[tool.syft_flwr]
app_name = "ds@lab.example_study_1700000000"
aggregator = "ds@lab.example"
datasites = ["do1@a.example"]
transport = "local"

[tool.syft_flwr.data]
reads = ["patients.csv"]
"""

CLIENT = '''\
"""Counts the rows of a table."""

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from syft_flwr_cli import get_data_dir

app = ClientApp()


@app.query()
def count(message: Message, context: Context) -> Message:
    rows = (get_data_dir() / "patients.csv").read_text().count("\\n")
    return Message(RecordDict({"metrics": MetricRecord({"rows": rows})}), reply_to=message)
'''

SERVER = '''\
"""Asks everybody for the number of rows."""

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    question = RecordDict({"config": ConfigRecord({"ask": "rows"})})
    nodes = list(grid.get_node_ids())
    grid.send_and_receive([Message(question, node, "query") for node in nodes])
'''


class Scene:
    """The two participants, the offered project, and a browser that has been let in."""

    def __init__(self, place: Path) -> None:
        self.place, self.root = place, place / "root"
        self.root.mkdir()
        self.project = place / "study"
        (self.project / "study").mkdir(parents=True)
        self.write("pyproject.toml", PYPROJECT)
        self.write("study/__init__.py", "")
        self.write("study/client_app.py", CLIENT)
        self.write("study/server_app.py", SERVER)
        self.data = place / "data"
        self.data.mkdir()
        (self.data / "patients.csv").write_text("age,outcome\n61,1\n47,0\n")
        self.home = place / "homes" / DO
        self.desk = Desk(self.home, DO, self.root, sandbox="none")
        self.node = NodeProcess(self.home, DO, ("--root", str(self.root)))
        self.app = make_app(Place(self.desk, self.node), {HOST, "localhost:8765"}, TOKEN)

    def write(self, path: str, text: str) -> None:
        (self.project / path).write_text(text)

    def meet(self) -> None:
        """Have both publish their keys."""
        settings = resolve(
            load_project(self.project), home=self.home, role="data owner", email=DO, root=self.root
        )
        open_federation(settings, self.home).close()

    def offer(self, message: str = "Please take part.") -> str:
        """Offer the project as its files are now, and receive the offer; its digest."""
        home = self.place / "homes" / DS
        project = load_project(self.project)
        settings = resolve(project, home=home, role="aggregator", email=DS, root=self.root)
        self.meet()
        federation = open_federation(settings, home)
        try:
            digest = share(federation, project, None, message).offer.digest
        finally:
            federation.close()
        self.desk.receive(DS, self.root)
        return digest

    def browser(self, *, admitted: bool = True) -> "Browser":
        return Browser(self, admitted)


class Browser:
    """What a browser does: it keeps the cookie, sends ``Origin`` with forms, and forms as they stand in pages."""

    def __init__(self, scene: Scene, admitted: bool) -> None:
        self.client = TestClient(scene.app, base_url=ORIGIN, follow_redirects=False)
        if admitted:
            assert self.client.get(f"/?token={TOKEN}").status_code == 303

    def get(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def submit(self, page: str, action: str, **fields: str) -> str:
        """Post the form of ``page`` with this action; the page that it leads to."""
        form = re.search(
            rf'<form method="post" action="{re.escape(action)}">(.*?)</form>', self.get(page), re.S
        )
        assert form is not None, f"{page} has no form for {action}"
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[1]))
        answer = self.client.post(action, data={**hidden, **fields}, headers={"Origin": ORIGIN})
        assert answer.status_code == 303, answer.text
        return self.get(answer.headers["location"])
