"""A participant that is killed while it withdraws what was delivered loses nothing and leaves nothing behind."""

from collections.abc import Callable

import pytest

from fault.ending import assert_perfect
from fault.federation import OWNERS, SERVER, Federation
from syft_flwr_cli.delivery.tombstones import TOMBSTONES, Tombstones
from syft_flwr_cli.delivery.withdrawal import KEPT
from syft_flwr_cli.security.identity import load_or_create
from syft_flwr_cli.storage.paths import app_dir, participant_dir

ROUNDS = 11

POINTS = [
    (OWNERS[0], "tombstones.before-write"),
    (OWNERS[0], "tombstones.synced"),
    (OWNERS[0], "withdrawal.before-remove:3"),
    (SERVER, "withdrawal.before-remove:5"),
    (SERVER, "withdrawal.after-remove:12"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("who", "point"), POINTS, ids=[f"{who}-{point}" for who, point in POINTS])
def test_a_kill_while_delivered_messages_are_withdrawn(
    federation: Callable[..., Federation], who: str, point: str
) -> None:
    run = federation(config={"num-server-rounds": ROUNDS})
    run.start_all({who: point})
    run.finish(60.0)
    assert run.killed(who) == 1
    assert_perfect(run)
    for owner in OWNERS:
        identity, _ = load_or_create(participant_dir(run.home(owner), owner), owner, 0.0)
        kept = Tombstones(app_dir(run.home(owner), owner, run.app) / TOMBSTONES, identity)
        buried = {one.id for one in kept.all()}
        assert len(buried) >= 2 * ROUNDS - 2 * KEPT - 1
        called = {line.split()[1] for line in run.calls(owner)}
        assert buried <= called
