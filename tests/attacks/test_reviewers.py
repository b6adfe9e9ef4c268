"""Approvals by reviewers count under the owner's policy as it is now, for these files, once for each reviewer."""

import time
from pathlib import Path

import pytest

from syft_flwr_cli.consent.approvals import read_decision, reviewers_of
from syft_flwr_cli.consent.gate import approved_code
from syft_flwr_cli.consent.policy import read_policy
from syft_flwr_cli.consent.reviewers import read_review, sign_review
from syft_flwr_cli.errors import NotApprovedError, UsageError
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity, load_or_create
from syft_flwr_cli.services.delegation import TakenIn, take_in
from syft_flwr_cli.services.review import review_project
from syft_flwr_cli.storage.paths import make_private_dir, participant_dir, write_private

OWNER = "do1@a.example"
APP = "ds@lab.example_study_1"
REV = {f"rev{number}@r.example": bytes([number]) * SECRETS_SIZE for number in (1, 2, 3)}
KEYS = {email: Identity.create(email, 1.0, seed) for email, seed in REV.items()}
REV1, REV2, REV3 = KEYS


class Owner:
    """A data owner with a project, whose policy names reviewers."""

    def __init__(self, place: Path) -> None:
        self.home = make_private_dir(place / "home")
        self.folder = place / "study"
        (self.folder / "study").mkdir(parents=True)
        (self.folder / "study" / "__init__.py").write_text("")
        (self.folder / "pyproject.toml").write_text(
            '[project]\nname = "study"\nversion = "1.0"\n'
            '[tool.flwr.app.components]\nserverapp = "study:s"\nclientapp = "study:c"\n'
            f'[tool.syft_flwr]\napp_name = "{APP}"\naggregator = "ds@lab.example"\ndatasites = ["{OWNER}"]\n'
        )
        self.directory = participant_dir(self.home, OWNER)
        load_or_create(self.directory, OWNER, 1.0)
        self.place = place
        self.files = 0

    def names(self, needed: int, *reviewers: str, **other: str) -> None:
        keys = {email: KEYS[email].public.fingerprint for email in reviewers} | other
        lines = "".join(f'"{email}" = "{key}"\n' for email, key in keys.items())
        text = (
            f"[tool.syft_flwr.policy.reviewers]\nneeded = {needed}\n[tool.syft_flwr.policy.reviewers.keys]\n"
        )
        write_private(self.directory / "policy.toml", (text + lines).encode())

    @property
    def project(self) -> Project:
        return load_project(self.folder)

    @property
    def digest(self) -> str:
        return review_project(self.home, OWNER, self.project, place="study").shown.manifest.digest

    def signed(self, identity: Identity, decision: str = "approve", **other: object) -> Path:
        said = {"digest": self.digest, "app_name": APP, "owners": [OWNER], "now": time.time()} | other
        self.files += 1
        file = self.place / f"review-{self.files}.json"
        file.write_bytes(sign_review(identity, decision=decision, **said))  # type: ignore[arg-type]
        return file

    def takes(self, *files: Path) -> TakenIn:
        reviewed = review_project(self.home, OWNER, self.project, place="study")
        return take_in(self.home, reviewed, files, lambda: b"")

    def runs(self) -> bool:
        try:
            approved_code(self.home, OWNER, self.project)
        except NotApprovedError:
            return False
        return True


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path)


def test_two_of_three_reviewers_approve_in_the_owners_name_and_are_named(owner: Owner) -> None:
    owner.names(2, REV1, REV2, REV3)
    first = owner.takes(owner.signed(KEYS[REV1]))
    assert (first.approving, first.decision) == ((REV1,), None)
    assert not owner.runs()
    second = owner.takes(owner.signed(KEYS[REV3]))
    assert (second.approving, second.decision) == ((REV1, REV3), "approve")
    assert owner.runs()
    decided = second.reviewed.shown.decided
    assert decided is not None
    assert reviewers_of(decided) == (REV1, REV3)
    assert KEYS[REV3].public.fingerprint in (owner.directory / "audit.jsonl").read_text()


def test_a_review_of_other_files_does_not_count_for_these(owner: Owner) -> None:
    owner.names(1, REV1)
    before = owner.signed(KEYS[REV1])
    (owner.folder / "study" / "__init__.py").write_text("import os\n")
    with pytest.raises(NotApprovedError, match="other files"):
        owner.takes(before)
    assert not owner.runs()


def test_the_same_reviewer_twice_is_one(owner: Owner) -> None:
    owner.names(2, REV1, REV2)
    done = owner.takes(owner.signed(KEYS[REV1]), owner.signed(KEYS[REV1], now=time.time() + 1))
    assert (done.approving, done.decision) == ((REV1,), None)
    assert not owner.runs()


def test_a_key_that_somebody_made_in_a_reviewers_name_does_not_count(owner: Owner) -> None:
    owner.names(1, REV1)
    forged = Identity.create(REV1, 1.0, bytes([9]) * SECRETS_SIZE)
    with pytest.raises(NotApprovedError, match="another key"):
        owner.takes(owner.signed(forged))
    with pytest.raises(NotApprovedError, match="no reviewer in the policy"):
        owner.takes(owner.signed(KEYS[REV2]))
    assert not owner.runs()


def test_a_review_for_another_owner_or_app_does_not_count(owner: Owner) -> None:
    owner.names(1, REV1)
    for other in ({"owners": ["do2@b.example"]}, {"app_name": "ds@lab.example_other_1"}):
        with pytest.raises(NotApprovedError):
            owner.takes(owner.signed(KEYS[REV1], **other))
    assert not owner.runs()


def test_an_altered_review_is_none(owner: Owner) -> None:
    owner.names(1, REV1)
    file = owner.signed(KEYS[REV1], "reject")
    file.write_bytes(file.read_bytes().replace(b'"reject"', b'"approve"'))
    with pytest.raises(NotApprovedError, match="not signed"):
        owner.takes(file)
    with pytest.raises(RefusedError):
        read_review(b"{}")


def test_a_reviewer_who_is_removed_from_the_policy_does_not_count_from_then_on(owner: Owner) -> None:
    owner.names(1, REV1)
    owner.takes(owner.signed(KEYS[REV1]))
    code = approved_code(owner.home, OWNER, owner.project)
    code.decision.now()
    owner.names(1, REV2)
    with pytest.raises(NotApprovedError, match="because reviewers did"):
        code.decision.now()
    assert not owner.runs()


def test_a_reviewer_takes_an_approval_back_and_the_older_one_is_not_taken_again(owner: Owner) -> None:
    owner.names(1, REV1)
    approving = owner.signed(KEYS[REV1])
    owner.takes(approving)
    code = approved_code(owner.home, OWNER, owner.project)
    done = owner.takes(owner.signed(KEYS[REV1], "reject", now=time.time() + 1))
    assert done.decision == "reject"
    with pytest.raises(NotApprovedError):
        code.decision.now()
    with pytest.raises(NotApprovedError, match="decided anew"):
        owner.takes(approving)
    assert not owner.runs()


def test_a_review_ends_by_its_date(owner: Owner) -> None:
    owner.names(1, REV1)
    done = owner.takes(owner.signed(KEYS[REV1], until=time.time() + 1000))
    decided = done.reviewed.shown.decided
    assert decided is not None
    assert decided.until is not None
    assert decided.ended(time.time() + 2000)
    assert owner.takes(owner.signed(KEYS[REV1], until=1.0, now=time.time() + 1)).decision == "reject"


def test_the_owners_own_decision_is_not_overruled(owner: Owner) -> None:
    from syft_flwr_cli.services.review import decide

    owner.names(1, REV1)
    reviewed = review_project(owner.home, OWNER, owner.project, place="study")
    decide(reviewed, "reject", lambda: b"")
    assert owner.takes(owner.signed(KEYS[REV1])).decision is None
    assert not owner.runs()


def test_statements_under_an_approval_that_are_exchanged_end_it(owner: Owner) -> None:
    owner.names(1, REV1)
    done = owner.takes(owner.signed(KEYS[REV1]))
    path = owner.directory / "approvals" / f"{owner.digest}.json"
    public = load_or_create(owner.directory, OWNER, 1.0)[0].public
    decided = done.reviewed.shown.decided
    assert decided is not None
    path.write_bytes(path.read_bytes().replace(b'"approve\\"', b'"reject\\"'))
    with pytest.raises(NotApprovedError, match="signed"):
        read_decision(owner.directory, owner.digest, public)


@pytest.mark.parametrize(
    "text",
    [
        "needed = 1",
        'needed = 2\nkeys = { "rev1@r.example" = "a-b-c-d-e-f" }',
        'needed = 0\nkeys = { "rev1@r.example" = "a-b-c-d-e-f" }',
        'keys = { "rev1@r.example" = true }',
        'keys = { "nobody" = "a-b-c-d-e-f" }',
        'key = { "rev1@r.example" = "a-b-c-d-e-f" }',
    ],
)
def test_a_policy_that_is_not_understood_switches_nothing_off(owner: Owner, text: str) -> None:
    write_private(owner.directory / "policy.toml", f"[tool.syft_flwr.policy.reviewers]\n{text}\n".encode())
    with pytest.raises(UsageError, match="reviewers"):
        read_policy(owner.home, owner.directory)
