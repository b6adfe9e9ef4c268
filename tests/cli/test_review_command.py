"""``syft-flwr review`` as a data owner types it."""

from pathlib import Path

import pytest
from desk import CLIENT, PYPROJECT, Desk

from syft_flwr_cli.security.identity import load_or_create


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_first_look_shows_everything_and_ends_with_the_command_to_type(desk: Desk) -> None:
    said = desk.type("review", "study").stdout
    digest = desk.json("review", "study")["digest"]
    for text in (
        "study 1.0.0",
        "aggregator   alice@a.example",
        "data owners  bob@b.example, carol@c.example",
        f"digest       {digest}",
        "clientapp  study.client_app:app",
        "numpy>=1.26",
        "num-server-rounds  3",
        "reads  patients.csv",
        'study/client_app.py:3  rows = (get_data_dir() / "patients.csv").read_text()',
        "nothing of this app was approved here before",
        "Approval is not a sandbox",
    ):
        assert text in said
    assert said.rstrip().endswith(f"next: syft-flwr review study --approve --digest {digest[:16]}")


def test_looking_leaves_the_project_as_it_is_and_runs_nothing(desk: Desk) -> None:
    before = sorted(path for path in desk.project.rglob("*"))
    desk.type("review", "study")
    assert sorted(path for path in desk.project.rglob("*")) == before


def test_the_command_that_was_shown_approves_and_shows_the_next_one(desk: Desk) -> None:
    shown = desk.json("review", "study")
    assert shown["state"] == "undecided"
    approved = desk.json(*shown["next"].split()[1:])
    assert (approved["state"], approved["digest"]) == ("approved", shown["digest"])
    assert approved["next"] == "syft-flwr run-client study --data DIR"
    assert desk.json("review", "study")["state"] == "approved"


def test_files_that_changed_after_the_look_are_not_approved(desk: Desk) -> None:
    shown = desk.json("review", "study")
    (desk.project / "study" / "client_app.py").write_text(CLIENT + "import socket\n")
    refused = desk.type(*shown["next"].split()[1:], code=14)
    assert "error: The files have the digest" in refused.stderr
    assert "hint: Look again: syft-flwr review study --diff" in refused.stderr
    assert desk.json("review", "study")["state"] == "undecided"


def test_one_changed_byte_asks_for_a_new_decision_and_shows_the_line(desk: Desk) -> None:
    desk.type("review", "study", "--approve")
    (desk.project / "study" / "client_app.py").write_text(CLIENT.replace("patients", "Patients"))
    said = desk.type("review", "study", "--diff").stdout
    assert "changed: study/client_app.py" in said
    assert '  -rows = (get_data_dir() / "patients.csv").read_text()' in said
    assert '  +rows = (get_data_dir() / "Patients.csv").read_text()' in said
    assert "You have not decided about these files" in said


def test_the_difference_is_to_the_version_approved_last(desk: Desk) -> None:
    desk.type("review", "study", "--approve")
    (desk.project / "new.py").write_text("import socket\n")
    (desk.project / "study" / "server_app.py").unlink()
    shown = desk.json("review", "study", "--diff")
    assert shown["changes"] == {"added": ["new.py"], "removed": ["study/server_app.py"], "changed": []}
    assert "+import socket" in shown["diff"] and "-raise SystemExit('run')" in shown["diff"]
    desk.type("review", "study", "--approve")
    assert desk.json("review", "study", "--diff")["diff"] == []


def test_a_rejection_is_remembered(desk: Desk) -> None:
    assert desk.json("review", "study", "--reject")["state"] == "rejected"
    assert "You rejected exactly these files" in desk.type("review", "study").stdout


def test_decisions_are_in_the_audit_log(desk: Desk) -> None:
    digest = desk.json("review", "study", "--reject")["digest"]
    desk.type("review", "study", "--approve")
    entries = desk.json("audit", "show")["entries"]
    assert [(entry["event"], entry.get("digest")) for entry in entries] == [
        ("opened", None),
        ("rejected", digest),
        ("approved", digest),
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[2K", r"\x1b[2K"), ("\u202e", r"\u202e"), ("\u200b", r"\u200b"), ("[bold]", "[bold]")],
)
def test_text_that_would_fool_a_terminal_is_spelled_out(desk: Desk, text: str, shown: str) -> None:
    desk.type("review", "study", "--approve")
    (desk.project / "study" / "client_app.py").write_text(f"x = '{text}'; open(x)\n", encoding="utf-8")
    said = desk.type("review", "study", "--diff").stdout
    assert f"  +x = '{shown}'; open(x)" in said
    assert f"study/client_app.py:1  x = '{shown}'; open(x)" in said
    assert text == shown or text not in said


def test_the_owners_own_rules_are_shown(desk: Desk) -> None:
    (desk.place / "home").mkdir(mode=0o700)
    (desk.place / "home" / "settings.toml").write_text("[tool.syft_flwr.policy]\nmax_rounds = 2\n")
    assert "At most 2 requests of each type are executed in a run." in desk.type("review", "study").stdout


def test_a_policy_in_the_project_is_no_policy(desk: Desk) -> None:
    (desk.project / "pyproject.toml").write_text(PYPROJECT + "[tool.syft_flwr.policy]\nmax_rounds = 9\n")
    assert desk.json("review", "study")["policy"] == []


def test_the_aggregator_looks_but_does_not_decide(desk: Desk) -> None:
    desk.type("review", "study", "--email", "alice@a.example")
    refused = desk.type("review", "study", "--email", "alice@a.example", "--approve", code=2)
    assert "alice@a.example is the aggregator of this app" in refused.stderr


def test_an_email_given_by_flag_stands_in_the_next_command(desk: Desk) -> None:
    shown = desk.json("review", "study", "--email", "carol@c.example")
    assert shown["next"].startswith("syft-flwr review study --email carol@c.example --approve")


def test_both_decisions_at_once_are_a_usage_error(desk: Desk) -> None:
    assert "Give one of them" in desk.type("review", "study", "--approve", "--reject", code=2).stderr


def test_a_folder_that_is_no_project_is_said_to_be_none(desk: Desk) -> None:
    assert desk.json("review", "nowhere", code=10)["exit_code"] == 10


def test_a_link_in_the_project_is_named(desk: Desk) -> None:
    (desk.project / "study" / "extra.py").symlink_to("/etc/passwd")
    assert "study/extra.py is a symbolic link" in desk.type("review", "study", code=10).stderr


def test_a_damaged_approval_is_pointed_out_and_can_be_given_again(desk: Desk) -> None:
    digest = desk.json("review", "study", "--approve")["digest"]
    file = desk.participant / "approvals" / f"{digest}.json"
    file.write_bytes(file.read_bytes().replace(b"study", b"Study"))
    looked = desk.type("review", "study")
    assert "warning: The statement" in looked.stderr and "You have not decided" in looked.stdout
    assert desk.json("review", "study", "--approve")["state"] == "approved"


def test_nothing_at_home_can_be_read_by_others(desk: Desk) -> None:
    desk.type("review", "study", "--approve")
    places = list((desk.place / "home").rglob("*"))
    assert len(places) > 5
    assert [path for path in places if path.stat().st_mode & 0o077] == []


def test_code_that_was_only_looked_at_is_not_kept(desk: Desk) -> None:
    for number in range(3):
        (desk.project / "study" / "client_app.py").write_text(f"x = {number}\n")
        digest = desk.json("review", "study")["digest"]
    code = desk.participant / "code"
    assert [path.name for path in code.iterdir()] == [digest]


@pytest.mark.parametrize("first_approve", [False, True])
def test_run_client_runs_nothing_but_approved_code(desk: Desk, first_approve: bool) -> None:
    app = desk.project / "study" / "client_app.py"
    app.write_text(f"open({str(desk.place / 'ran')!r}, 'w')\n")
    if first_approve:
        desk.type("review", "study", "--approve")
        app.write_text(app.read_text() + "\n")
    (desk.place / "data").mkdir()
    (desk.place / "shared").mkdir()
    refused = desk.type("run-client", "study", "--root", "shared", "--data", "data", code=14)
    assert "bob@b.example has not approved this version of study" in refused.stderr
    assert ("study/client_app.py changed since" in refused.stderr) == first_approve
    assert f"syft-flwr review {desk.project} --email bob@b.example --diff" in refused.stderr
    assert not (desk.place / "ran").exists() and list((desk.place / "shared").iterdir()) == []


def test_deciding_needs_the_passphrase_of_protected_keys_and_looking_does_not(desk: Desk) -> None:
    load_or_create(desk.participant, desk.email, 1.0, lambda: b"several words", protect=True)
    desk.type("review", "study")
    assert "protected by a passphrase" in desk.type("review", "study", "--approve", code=12).stderr
    desk.variables["SYFT_FLWR_PASSPHRASE"] = "several words"
    assert desk.json("review", "study", "--approve")["state"] == "approved"


def add_environment(desk: Desk, does: str = "echo stolen") -> Path:
    """A ``.venv`` whose interpreter is a program of somebody's; what it is."""
    program = desk.project / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    return program


def test_an_environment_that_comes_with_the_project_is_pointed_out(desk: Desk) -> None:
    assert desk.json("review", "study")["environment"] is None
    before = desk.json("review", "study")["digest"]
    program = add_environment(desk)
    shown = desk.json("review", "study")
    environment = shown["environment"]
    assert (environment["interpreter"], environment["files"], shown["digest"]) == (str(program), 1, before)
    assert environment["approved"] is False
    both = f"{before[:16]}+{environment['digest'][:16]}"
    assert shown["next"] == f"syft-flwr review study --approve --digest {both}"
    said = desk.type("review", "study").stdout
    assert "This folder holds an environment, .venv" in said
    assert "Unless you made it yourself, remove it" in said


def test_the_environment_is_approved_with_the_files_by_the_command_that_was_shown(desk: Desk) -> None:
    program = add_environment(desk)
    approved = desk.json(*desk.json("review", "study")["next"].split()[1:])
    assert approved["state"] == "approved" and approved["environment"]["approved"] is True
    assert approved["next"] == "syft-flwr run-client study --data DIR"
    assert "with exactly this environment" in desk.type("review", "study").stdout
    program.write_text(program.read_text() + "# another\n")
    shown = desk.json("review", "study")
    assert shown["environment"]["approved"] is False and shown["environment"]["changed"] == ["bin/python"]
    said = desk.type("review", "study").stdout
    assert "1 file changed since it was approved" in said
    assert f"but not this environment; to run with it: {shown['approve']}" in said.replace("\n", " ")


def test_an_environment_that_changed_appeared_or_went_after_the_look_is_not_approved(desk: Desk) -> None:
    without = desk.json("review", "study")["next"].split()[1:]
    program = add_environment(desk)
    assert "that this does not name" in desk.type(*without, code=14).stderr
    with_it = desk.json("review", "study")["next"].split()[1:]
    add_environment(desk, "echo something else")
    assert "it changed since you looked" in desk.type(*with_it, code=14).stderr
    program.unlink()
    assert "no longer there" in desk.type(*with_it, code=14).stderr
    assert desk.json("review", "study")["state"] == "undecided"


def test_the_files_can_be_approved_without_the_environment(desk: Desk) -> None:
    add_environment(desk)
    shown = desk.json("review", "study")["next"].split()[1:]
    approved = desk.json(*shown, "--no-environment")
    assert approved["state"] == "approved" and approved["environment"]["approved"] is False
    assert approved["next"] == "syft-flwr run-client study --data DIR --python PATH"
    assert "what to approve" in desk.type("review", "study", "--no-environment", code=2).stderr


@pytest.mark.parametrize("before", ["nothing", "the files", "another"])
def test_run_client_starts_no_environment_that_was_not_approved(desk: Desk, before: str) -> None:
    if before == "another":
        add_environment(desk)
    if before != "nothing":
        desk.type("review", "study", "--approve")
    add_environment(desk, f"touch '{desk.place / 'ran'}'")
    if before == "nothing":
        desk.type("review", "study", "--approve", "--no-environment")
    for folder in ("data", "shared"):
        (desk.place / folder).mkdir()
    refused = desk.type("run-client", "study", "--root", "shared", "--data", "data", code=14)
    sentence = "is not the one that bob@b.example approved: bin/python changed"
    assert (sentence if before == "another" else "has not approved it") in refused.stderr
    assert f"syft-flwr review {desk.project} --email bob@b.example; or name another" in refused.stderr
    assert not (desk.place / "ran").exists() and list((desk.place / "shared").iterdir()) == []
