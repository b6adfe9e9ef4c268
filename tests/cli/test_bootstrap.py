"""``syft-flwr bootstrap`` as it is typed and answered; and the main.py that it writes."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from transcript import Shell

from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity, read_public
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.security.roster import Roster

FLOWER_APP = """\
# A Flower app of somebody.
[project]
name = "theirs"
version = "1.0.0"
dependencies = [
    "flwr>=1.41",  # the framework
]

[tool.flwr.app]
publisher = "them"

[tool.flwr.app.components]
serverapp = "theirs.server:app"
clientapp = "theirs.client:app"
"""

BOTH = "--aggregator ds@lab.example --datasites do1@a.example,do2@b.example"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "work"
    (folder / "theirs").mkdir(parents=True)
    (folder / "theirs" / "pyproject.toml").write_text(FLOWER_APP)
    return Shell(folder, tmp_path / "home")


def test_a_flower_app_is_federated_and_it_can_be_repeated(shell: Shell) -> None:
    first = f"""
$ syft-flwr bootstrap theirs {BOTH}
changed theirs/pyproject.toml
made theirs/main.py

Next, on this machine alone, with the mock data:
  syft-flwr simulate theirs
Then for real. The aggregator offers the project, and runs it with those who approve it:
  syft-flwr share theirs --email ds@lab.example --root SHARED_FOLDER
  syft-flwr run-server theirs --email ds@lab.example --root SHARED_FOLDER
Every data owner receives it, looks at what would run, decides, and runs it (before or after run-server):
  syft-flwr join ds@lab.example --email do1@a.example --root SHARED_FOLDER
  syft-flwr join ds@lab.example --email do2@b.example --root SHARED_FOLDER
"""
    again = first.replace(
        "changed theirs/pyproject.toml\nmade theirs/main.py",
        "theirs is federated already; nothing was changed.",
    )
    shell.follows(first)
    before = (shell.folder / "theirs" / "pyproject.toml").read_bytes()
    shell.follows(again)
    shell.follows(again.replace(BOTH, ""))
    assert (shell.folder / "theirs" / "pyproject.toml").read_bytes() == before


def test_a_dry_run_prints_the_diff(shell: Shell) -> None:
    shell.follows(
        f"""
$ syft-flwr bootstrap theirs {BOTH} --transport p2p --dry-run
--- a/pyproject.toml
+++ b/pyproject.toml
@@ -12,3 +12,9 @@
 [tool.flwr.app.components]
 serverapp = "theirs.server:app"
 clientapp = "theirs.client:app"
+
+[tool.syft_flwr]
+app_name = "ds@lab.example_theirs_…"
+datasites = ["do1@a.example", "do2@b.example"]
+aggregator = "ds@lab.example"
+transport = "gdrive"
--- /dev/null
+++ b/main.py
@@ -0,0 +1,15 @@
+\"\"\"This project's part of a federation: the server or a client, by whose e-mail it is.
+
+    SYFTBOX_EMAIL=you@lab.example python main.py --root SHARED_FOLDER
+
+The aggregator of pyproject.toml runs the ServerApp, a data owner the ClientApp. The options are those of
+`syft-flwr run-server` and `syft-flwr run-client`.
+\"\"\"
+
+import sys
+from pathlib import Path
+
+from syft_flwr_cli.cli.main import run
+
+if __name__ == "__main__":
+    run(["run", str(Path(__file__).resolve().parent), *sys.argv[1:]])
Nothing was written.
"""
    )
    assert (shell.folder / "theirs" / "pyproject.toml").read_text() == FLOWER_APP


def test_what_the_user_wrote_stays_unless_forced(shell: Shell) -> None:
    (shell.folder / "theirs" / "main.py").write_text("print('mine')\n")
    answer = shell.run("bootstrap", "theirs", *BOTH.split())
    assert answer.out.splitlines()[:2] == [
        "changed theirs/pyproject.toml",
        "kept theirs/main.py: it is yours; --force replaces it",
    ]
    shell.follows(
        """
$ syft-flwr bootstrap theirs --datasites do3@c.example
error: [tool.syft_flwr] already says datasites = do1@a.example, do2@b.example.
hint: Leave --datasites out to keep it, or add --force to replace it.
? 2
"""
    )
    assert (shell.folder / "theirs" / "main.py").read_text() == "print('mine')\n"
    answer = shell.run("bootstrap", "theirs", "--datasites", "do3@c.example", "--force")
    assert answer.out.splitlines()[:2] == ["changed theirs/pyproject.toml", "changed theirs/main.py"]


@pytest.mark.parametrize(
    "transcript",
    [
        """
$ syft-flwr bootstrap theirs --aggregator ds@lab.example
error: Who owns the data is not known.
hint: Give the e-mails with --datasites E,E.
? 2
""",
        """
$ syft-flwr bootstrap theirs --datasites do1@a.example
error: Who aggregates is not known.
hint: Give the e-mail with --aggregator E.
? 2
""",
        f"""
$ syft-flwr bootstrap theirs {BOTH} --transport pigeon
error: There is no transport 'pigeon'.
hint: Choose one of: local, syftbox, gdrive, s3.
? 2
""",
        """
$ syft-flwr bootstrap theirs --aggregator a..b@lab.example --datasites do1@a.example
error: 'a..b@lab.example' cannot name a participant.
hint: Give an e-mail such as alice@lab.example: plain ASCII, no '/', no '..', no spaces.
? 2
""",
        f"""
$ syft-flwr bootstrap nowhere {BOTH}
error: There is no folder nowhere.
hint: Give the path of a Flower project, or make one: syft-flwr init NAME.
? 10
""",
        f"""
$ syft-flwr bootstrap . {BOTH}
error: . has no pyproject.toml.
hint: Go to the folder of a Flower project, or make one: syft-flwr init NAME.
? 10
""",
        f"""
$ syft-flwr bootstrap theirs {BOTH} --root /dev/null
error: The shared folder /dev/null cannot be used: /dev/null is no folder.
hint: Give a folder that you may write to with --root DIR.
? 13
""",
        """
$ syft-flwr bootstrap theirs --unknown
error: …--unknown…
hint: See 'syft-flwr bootstrap --help'.
? 2
""",
    ],
)
def test_a_wrong_word_is_answered_in_one_sentence_with_the_remedy(shell: Shell, transcript: str) -> None:
    shell.follows(transcript)
    assert (shell.folder / "theirs" / "pyproject.toml").read_text() == FLOWER_APP
    assert not (shell.folder / "theirs" / "main.py").exists()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            '[project]\nname = "x"\nversion = "1"\n',
            "error: theirs/pyproject.toml has no [tool.flwr.app].\n"
            "hint: That table makes a project a Flower app: add it, or start one with: "
            "syft-flwr init NAME.\n",
        ),
        (
            '[project]\nname = "x\n',
            "error: theirs/pyproject.toml is not valid TOML: …line 2….\n"
            "hint: Correct the file at that place and try again.\n",
        ),
    ],
)
def test_what_is_no_flower_project_is_told_so(shell: Shell, text: str, answer: str) -> None:
    (shell.folder / "theirs" / "pyproject.toml").write_text(text)
    shell.follows(f"$ syft-flwr bootstrap theirs {BOTH}\n{answer}? 10\n")
    assert (shell.folder / "theirs" / "pyproject.toml").read_text() == text


def test_json_says_what_was_done(shell: Shell) -> None:
    theirs = shell.folder / "theirs"
    planned = json.loads(shell.run("bootstrap", "theirs", *BOTH.split(), "--dry-run", "--json").out)["data"]
    assert planned["written"] is False
    assert "+[tool.syft_flwr]" in planned["diff"]
    done = json.loads(shell.run("bootstrap", "theirs", *BOTH.split(), "--json").out)["data"]
    assert done["written"] is True
    assert (done["changed"], done["made"]) == ([str(theirs / "pyproject.toml")], [str(theirs / "main.py")])
    table = tomllib.loads((theirs / "pyproject.toml").read_text())["tool"]["syft_flwr"]
    assert done["app_name"] == table["app_name"]


def main_py(shell: Shell, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "theirs/main.py", *words],
        cwd=shell.folder,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(shell.folder),
            "SYFT_FLWR_HOME": str(shell.home),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **environ,
        },
    )


def test_main_py_runs_the_part_of_whose_e_mail_it_is(shell: Shell) -> None:
    assert shell.run("bootstrap", "theirs", *BOTH.split(), "--root", "shared", "--create-root").code == 0
    server = main_py(shell, "--help-of-nothing", SYFTBOX_EMAIL="ds@lab.example")
    client = main_py(shell, "--help-of-nothing", "--email", "do2@b.example")
    assert "syft-flwr run-server --help" in server.stderr
    assert "syft-flwr run-client --help" in client.stderr
    assert (server.returncode, client.returncode) == (2, 2)


def test_main_py_tells_a_stranger_who_has_a_part(shell: Shell) -> None:
    assert shell.run("bootstrap", "theirs", *BOTH.split(), "--root", "shared", "--create-root").code == 0
    stranger = main_py(shell, SYFTBOX_EMAIL="eve@x.example")
    assert stranger.returncode == 2
    assert stranger.stderr.splitlines() == [
        "error: eve@x.example has no part in this app.",
        "hint: Its aggregator is ds@lab.example, its data owners are do1@a.example, do2@b.example.",
    ]
    nobody = main_py(shell)
    assert "--email" in nobody.stderr
    assert nobody.returncode == 2


def test_help_shows_the_table_by_its_name(shell: Shell) -> None:
    assert "[tool.syft_flwr]" in shell.run("bootstrap", "--help", COLUMNS="200").out


DS, DO1, DO2 = "ds@lab.example", "do1@a.example", "do2@b.example"


def publish(shell: Shell, email: str, secrets: bytes = bytes(SECRETS_SIZE)) -> PublicIdentity:
    """The key document of ``email`` where it publishes it."""
    public = Identity.create(email, 1, secrets).public
    place = shell.folder / "shared" / email / "syft_flwr_identity" / "identity.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(public.to_bytes())
    return public


def pinned(shell: Shell) -> dict[str, str]:
    text = (shell.folder / "theirs" / "pyproject.toml").read_text()
    return dict(tomllib.loads(text)["tool"]["syft_flwr"].get("fingerprints", {}))


def test_the_keys_that_are_known_are_pinned_in_the_project(shell: Shell) -> None:
    assert shell.run("keys", "show", "--email", DS).code == 0
    mine, _ = read_public(shell.home / "participants" / DS, DS)
    theirs = publish(shell, DO1)
    (shell.folder / "shared" / DO2).mkdir()
    said = shell.run("bootstrap", "theirs", *BOTH.split(), "--root", "shared", "--create-root").out
    assert pinned(shell) == {DS: mine.fingerprint, DO1: theirs.fingerprint}
    assert f"pinned {DS}: {mine.words} (its keys are on this machine)" in said
    assert f"pinned {DO1}: {theirs.words} (as it is published; nobody has compared it)" in said
    assert f"not pinned, because no key is known here yet: {DO2}" in said
    # The folder is remembered, and the key of the last one arrives.
    other = publish(shell, DO2, b"2" * SECRETS_SIZE)
    answer = shell.run("bootstrap", "theirs", "--json")
    assert json.loads(answer.out)["data"]["fingerprints"][DO2] == other.fingerprint == pinned(shell)[DO2]
    before = (shell.folder / "theirs" / "pyproject.toml").read_bytes()
    shell.run("bootstrap", "theirs")
    assert (shell.folder / "theirs" / "pyproject.toml").read_bytes() == before


def test_a_key_that_was_met_counts_and_another_that_is_published_is_refused(shell: Shell) -> None:
    known = publish(shell, DO1)
    roster = Roster(shell.home / "participants" / DS / "roster.json")
    roster.trust(known, 1.0, verified=True)
    publish(shell, DO1, b"x" * SECRETS_SIZE)
    before = (shell.folder / "theirs" / "pyproject.toml").read_bytes()
    refused = shell.run("bootstrap", "theirs", *BOTH.split(), "--root", "shared", "--create-root")
    assert refused.code == 12 and f"The key of {DO1} has changed" in refused.err
    assert (shell.folder / "theirs" / "pyproject.toml").read_bytes() == before
    publish(shell, DO1)
    assert (
        f"{known.words} (compared)"
        in shell.run("bootstrap", "theirs", *BOTH.split(), "--root", "shared", "--create-root").out
    )
    assert pinned(shell) == {DO1: known.fingerprint}


def test_another_key_than_the_one_that_is_pinned_needs_force_and_one_that_followed_it_nothing(
    shell: Shell,
) -> None:
    first = publish(shell, DO1)
    shell.run("bootstrap", "theirs", *BOTH.split(), "--root", "shared", "--create-root")
    roster = Roster(shell.home / "participants" / DS / "roster.json")
    roster.admit(first, 1.0)
    rotated = Identity.create(DO1, 1, bytes(SECRETS_SIZE)).rotate(2).public
    roster.admit(rotated, 2.0)
    place = shell.folder / "shared" / DO1 / "syft_flwr_identity" / "identity.json"
    place.write_bytes(rotated.to_bytes())
    assert shell.run("bootstrap", "theirs").code == 0 and pinned(shell) == {DO1: first.fingerprint}
    (shell.home / "participants" / DS / "roster.json").unlink()
    other = publish(shell, DO1, b"x" * SECRETS_SIZE)
    refused = shell.run("bootstrap", "theirs")
    assert refused.code == 12 and f"The project names the fingerprint {first.fingerprint[:16]}" in refused.err
    assert pinned(shell) == {DO1: first.fingerprint}
    assert shell.run("bootstrap", "theirs", "--force").code == 0
    assert pinned(shell) == {DO1: other.fingerprint}


def test_a_document_of_somebody_else_or_no_document_pins_nothing(shell: Shell) -> None:
    place = shell.folder / "shared" / DO1 / "syft_flwr_identity" / "identity.json"
    for document in (
        Identity.create(DO2, 1, bytes(SECRETS_SIZE)).public.to_bytes(),
        b"garbage",
        b"x" * 20_000,
    ):
        publish(shell, DO1)
        place.write_bytes(document)
        assert shell.run("bootstrap", "theirs", *BOTH.split(), "--root", "shared", "--create-root").code == 0
        assert pinned(shell) == {}
    place.unlink()
    place.symlink_to("/dev/zero")
    assert shell.run("bootstrap", "theirs", *BOTH.split(), "--root", "shared", "--create-root").code == 0
    assert pinned(shell) == {}


def test_what_is_published_in_syftbox_is_found(shell: Shell, tmp_path: Path) -> None:
    public = publish(shell, DO1)
    inside = tmp_path / "SyftBox" / "datasites" / DO1 / "app_data" / "flwr"
    inside.parent.mkdir(parents=True)
    (shell.folder / "shared" / DO1).rename(inside)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"email": DS, "data_dir": str(tmp_path / "SyftBox")}))
    words = ["bootstrap", "theirs", *BOTH.split(), "--transport", "syftbox"]
    assert shell.run(*words, SYFTBOX_CLIENT_CONFIG_PATH=str(config)).code == 0
    assert pinned(shell) == {DO1: public.fingerprint}
