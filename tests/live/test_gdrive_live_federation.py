"""One federation on three real Google accounts: the aggregator and two data owners, real processes, nothing faked.

Each participant has a home of its own with its own login in it, as on a machine of its own; they have nothing
in common but Google Drive. See ``conftest`` for what it needs.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ALICE, BOB, CAROL, RealAccount, wipe

from syft_flwr_cli.project.plan import apply
from syft_flwr_cli.project.scaffold import plan_init
from syft_flwr_cli.services import simulation
from syft_flwr_cli.storage.paths import participant_dir
from syft_flwr_cli.transports.gdrive.open import open_gdrive

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800)]

ROUNDS = 2


@pytest.fixture
def people(accounts: dict[str, RealAccount]) -> Iterator[list[RealAccount]]:
    """The aggregator and two data owners, with nothing in their Drives before and after."""
    found = [accounts[role] for role in (ALICE, BOB, CAROL)]
    for account in found:
        wipe(account)
    yield found
    for account in found:
        wipe(account)


def project_of(people: list[RealAccount], place: Path) -> Path:
    plan = plan_init(
        place / "study",
        template="numpy",
        aggregator=people[0].email,
        datasites=[account.email for account in people[1:]],
        transport="gdrive",
        created=1_700_000_000,
    )
    apply(plan)
    return plan.folder


def with_login(account: RealAccount, home: Path) -> None:
    """Put the account's login where ``syft-flwr login`` would."""
    folder = participant_dir(home, account.email)
    folder.mkdir(parents=True, mode=0o700)
    shutil.copyfile(account.login, folder / "google-login.json")
    (folder / "google-login.json").chmod(0o600)


def test_two_owners_train_a_model_over_google_drive(people: list[RealAccount], tmp_path: Path) -> None:
    project = project_of(people, tmp_path)
    for account in people:
        with_login(account, tmp_path / "homes" / account.email)
    federation = simulation.Federation(
        project=project,
        transport="gdrive",
        server_options=["--run-config", f"num-server-rounds={ROUNDS}", "--timeout", "10m"],
    )
    said: list[str] = []
    outcome = simulation.simulate(federation, tmp_path, lambda who, line: said.append(f"{who} | {line}"))
    data = outcome.document["data"]
    assert (outcome.exit_code, outcome.document["status"]) == (0, "ok"), "\n".join(said)
    assert data["transport"] == "gdrive" and data["missing"] == []
    assert [row["round"] for row in data["rounds"]] == list(range(1, ROUNDS + 1))
    for row in data["rounds"]:
        train = row["phases"]["train"]
        assert (train["asked"], train["answered"], train["failed"]) == (2, 2, {})
        assert train["api_calls"] > 0
    for account in people:
        left = [path for path in lying(account, tmp_path / "look again") if path.endswith(".payload")]
        assert left == [], "what was needed only for a while is still there"


def lying(account: RealAccount, place: Path) -> list[str]:
    """The paths of all of ours that is in an account, as somebody finds them who knows nothing yet."""
    transport = open_gdrive(email=account.email, state_dir=place / account.email, token_file=account.login)
    try:
        return [path for path, _ in transport.list_own()]
    finally:
        transport.close()
