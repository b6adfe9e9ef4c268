"""Only what this participant approved, to the byte, may run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from syft_flwr_cli.audit.log import AuditLog, read_entries
from syft_flwr_cli.consent.approvals import (
    Approval,
    Decision,
    decide,
    has_sources,
    is_approved,
    latest_approved,
    read_decision,
    require_approved,
)
from syft_flwr_cli.consent.manifest import has_exactly, make_manifest
from syft_flwr_cli.errors import NotApprovedError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity

BOB = Identity.create("bob@b.example", 1.0, bytes(SECRETS_SIZE))
APP = "alice@a.example_demo_1"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "my project"
    root.mkdir()
    (root / "app.py").write_text("x = 1\n")
    return root


@pytest.fixture
def owner(tmp_path: Path) -> Path:
    return tmp_path / "home" / "participants" / "bob@b.example"


@pytest.fixture
def audit(owner: Path) -> AuditLog:
    return AuditLog(owner / "audit.jsonl", BOB, clock=lambda: 5.0)


@pytest.fixture
def say(project: Path, owner: Path, audit: AuditLog) -> Callable[..., Approval]:
    def say(decision: Decision, now: float = 5.0, identity: Identity = BOB, app: str = APP) -> Approval:
        return decide(
            owner,
            identity,
            audit,
            make_manifest(project),
            project,
            decision=decision,
            project="demo",
            app_name=app,
            aggregator="alice@a.example",
            now=now,
        )

    return say


def require(owner: Path, project: Path, identity: Identity = BOB) -> Path:
    return require_approved(owner, make_manifest(project), identity.public, project, APP, "demo")


def test_nothing_is_approved_until_it_is(owner: Path, project: Path) -> None:
    with pytest.raises(NotApprovedError) as caught:
        require(owner, project)
    assert caught.value.exit_code == 14
    assert f"syft-flwr review '{project}' --email bob@b.example" in caught.value.hint
    assert make_manifest(project).digest[:16] in caught.value.what


def test_what_was_approved_runs_from_a_copy_that_cannot_change_underneath(
    owner: Path, project: Path, say: Callable[..., Approval]
) -> None:
    approval = say("approve")
    copy = require(owner, project)
    assert has_exactly(copy, approval.manifest) and owner in copy.parents
    assert is_approved(owner, approval.digest, BOB.public)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "app.py").write_text("x = 2\n"),
        lambda root: (root / "new.py").touch(),
        lambda root: (root / "app.py").chmod(0o755),
    ],
)
def test_any_change_asks_for_a_new_approval_and_names_the_files(
    owner: Path, project: Path, say: Callable[..., Approval], change: Callable[[Path], object]
) -> None:
    say("approve")
    change(project)
    with pytest.raises(NotApprovedError, match=r"(app|new)\.py changed since"):
        require(owner, project)


def test_going_back_to_what_was_approved_needs_no_new_approval(
    owner: Path, project: Path, say: Callable[..., Approval]
) -> None:
    say("approve")
    (project / "app.py").write_text("x = 2\n")
    (project / "app.py").write_text("x = 1\n")
    require(owner, project)


def test_a_rejection_ends_an_approval_and_the_other_way_round(
    owner: Path, project: Path, say: Callable[..., Approval]
) -> None:
    digest = say("approve").digest
    say("reject", 6.0)
    assert not is_approved(owner, digest, BOB.public)
    with pytest.raises(NotApprovedError, match="rejected"):
        require(owner, project)
    say("approve", 7.0)
    require(owner, project)


def test_every_decision_is_in_the_audit_log(
    owner: Path, project: Path, audit: AuditLog, say: Callable[..., Approval]
) -> None:
    digest = say("reject").digest
    say("approve", 6.0)
    decisions = [entry for entry in read_entries(audit.path) if entry["event"] in ("approved", "rejected")]
    assert [(entry["event"], entry["digest"], entry["app"]) for entry in decisions] == [
        ("rejected", digest, APP),
        ("approved", digest, APP),
    ]


def test_a_decision_that_cannot_be_recorded_does_not_take_effect(
    owner: Path, project: Path, audit: AuditLog, say: Callable[..., Approval]
) -> None:
    audit.append([])
    audit.path.write_bytes(b"garbage\n")
    with pytest.raises(Exception, match="Nothing can follow"):
        say("approve")
    assert not is_approved(owner, make_manifest(project).digest, BOB.public)


def test_the_statement_says_who_when_what_and_is_private(
    owner: Path, project: Path, say: Callable[..., Approval]
) -> None:
    approval = say("approve", 7.25)
    file = owner / "approvals" / f"{approval.digest}.json"
    found = json.loads(file.read_bytes())
    assert (found["email"], found["time"], found["decision"]) == ("bob@b.example", 7.25, "approve")
    assert (found["app_name"], found["aggregator"]) == (APP, "alice@a.example")
    assert [entry[3] for entry in found["manifest"]] == ["app.py"]
    assert file.stat().st_mode & 0o077 == 0 and file.parent.stat().st_mode & 0o077 == 0
    assert read_decision(owner, approval.digest, BOB.public) == approval


@pytest.mark.parametrize(
    "alter",
    [
        lambda data: data.replace(b'"approve"', b'"reject"'),
        lambda data: data.replace(b"app.py", b"exe.py"),
        lambda data: data.replace(b'"time":5.0', b'"time":6.0'),
        lambda data: data.replace(b"bob@b.example", b"eve@e.example"),
        lambda data: data[:-10],
        lambda data: b"",
        lambda data: b"[]\n",
        lambda data: data.replace(b'"100644"', b"100644"),
        lambda data: data.replace(b'"app.py"', b"7"),
    ],
)
def test_an_altered_statement_approves_nothing(
    owner: Path, project: Path, say: Callable[..., Approval], alter: Callable[[bytes], bytes]
) -> None:
    digest = say("approve").digest
    file = owner / "approvals" / f"{digest}.json"
    file.write_bytes(alter(file.read_bytes()))
    assert not is_approved(owner, digest, BOB.public)
    with pytest.raises(NotApprovedError, match="does not count"):
        require(owner, project)


def test_an_approval_of_other_files_under_this_digests_name_approves_nothing(
    owner: Path, project: Path, say: Callable[..., Approval]
) -> None:
    harmless = say("approve").digest
    (project / "app.py").write_text("import os\n")
    digest = make_manifest(project).digest
    approvals = owner / "approvals"
    (approvals / f"{harmless}.json").rename(approvals / f"{digest}.json")
    with pytest.raises(NotApprovedError, match="something else"):
        require(owner, project)


def test_an_approval_of_somebody_else_is_not_mine(
    owner: Path, project: Path, say: Callable[..., Approval]
) -> None:
    say("approve")
    with pytest.raises(NotApprovedError, match="does not count"):
        require(owner, project, Identity.create("carol@c.example", 1.0, b"c" * SECRETS_SIZE))


def test_new_keys_ask_for_new_approvals(owner: Path, project: Path, say: Callable[..., Approval]) -> None:
    say("approve")
    with pytest.raises(NotApprovedError, match="keys in use now"):
        require(owner, project, BOB.rotate(9.0))


def test_files_that_change_while_they_are_approved_are_not_approved(
    owner: Path, project: Path, audit: AuditLog
) -> None:
    shown = make_manifest(project)
    (project / "app.py").write_text("x = 3\n")
    with pytest.raises(NotApprovedError, match="changed while"):
        decide(
            owner,
            BOB,
            audit,
            shown,
            project,
            decision="approve",
            project="demo",
            app_name=APP,
            aggregator="alice@a.example",
            now=1.0,
        )
    assert not audit.path.exists() and not is_approved(owner, shown.digest, BOB.public)


def test_the_last_approved_version_is_kept_to_compare_with(
    owner: Path, project: Path, say: Callable[..., Approval]
) -> None:
    say("approve", 1.0)
    (project / "app.py").write_text("x = 2\n")
    second = say("approve", 2.0)
    (project / "app.py").write_text("x = 3\n")
    say("reject", 3.0)
    assert latest_approved(owner, BOB.public, APP, "demo") == second
    assert has_sources(owner, second)
    assert latest_approved(owner, BOB.public, "other", "other") is None


def test_a_version_of_the_same_app_is_preferred_to_another_app_of_the_same_name(
    owner: Path, project: Path, say: Callable[..., Approval]
) -> None:
    first = say("approve", 1.0)
    (project / "app.py").write_text("x = 2\n")
    other = say("approve", 2.0, app="alice@a.example_demo_2")
    assert latest_approved(owner, BOB.public, APP, "demo") == first
    assert latest_approved(owner, BOB.public, "alice@a.example_demo_3", "demo") == other
