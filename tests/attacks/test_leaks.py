"""What leaves without being asked: an approved app tries to say more by its errors, and to read what is not its own."""

import base64

from scene import DO1, DO2, VALUES, Scene

from syft_flwr_cli.storage.paths import participant_dir

SECRET = "correct horse battery staple"

TELLTALE = """
import base64, os
from pathlib import Path
from flwr.clientapp import ClientApp

app = ClientApp()

@app.train()
def train(message, context):
    data = Path(os.environ["DATA_DIR"])
    row = (data / "value.txt").read_text()
    seen = Path(f"/proc/{os.getppid()}/environ").read_bytes() if os.path.exists("/proc/self") else b""
    (data / "seen").write_bytes(seen + b"\\n" + repr(dict(os.environ)).encode())
    print("the log says", row)
    name = base64.b32encode(row.encode()).decode().rstrip("=")
    raise type(name, (Exception,), {})(f"{row} of {data}")
"""


def test_an_app_that_fails_tells_the_aggregator_nothing_of_the_data(scene: Scene) -> None:
    (scene.project / "counted" / "client_app.py").write_text(TELLTALE)
    policy = '[tool.syft_flwr.policy]\nrun_config = { "*" = true }\n'
    for owner in (DO1, DO2):
        folder = participant_dir(scene.home(owner), owner)
        folder.mkdir(parents=True, mode=0o700)
        (folder / "policy.toml").write_text(policy)
        (folder / "policy.toml").chmod(0o600)
        scene.own[owner] = {"SYFT_FLWR_PASSPHRASE": SECRET, "AWS_SECRET_ACCESS_KEY": "not for apps"}
    scene.approve(DO1, DO2)
    clients = [scene.start_approved_client(owner) for owner in (DO1, DO2)]
    server = scene.serve("--timeout", "60", rounds=1).wait(None)
    assert f"{DO1} reports an error: Exception (the data owner can look up error " in server.err
    for owner in (DO1, DO2):
        row = repr(VALUES[owner])
        for said in (row, base64.b32encode(row.encode()).decode().rstrip("="), str(scene.data(owner))):
            assert said not in server.err + server.out
        assert row.encode() not in b"".join(
            path.read_bytes() for path in scene.kept_by("ds@lab.example").rglob("*") if path.is_file()
        )
        seen = (scene.data(owner) / "seen").read_bytes()
        assert SECRET.encode() not in seen and b"not for apps" not in seen.partition(b"\n")[2]
    for client, owner in zip(clients, (DO1, DO2), strict=True):
        ended = client.wait(0)
        assert "The app failed (error " in ended.err and repr(VALUES[owner]) in ended.err
    texts = list((scene.kept_by(DO1) / "logs" / "errors").glob("*.txt"))
    assert any(repr(VALUES[DO1]) in text.read_text() for text in texts)
    assert all(text.stat().st_mode & 0o077 == 0 for text in texts)
