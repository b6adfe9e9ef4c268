"""A federation over mounted stores, one mount for each participant: an S3 bucket, WebDAV, SFTP; and mounts that die."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_federation import AGGREGATOR, LiveFederation, owners_of, table
from mounts import KINDS, Mounts, possible

pytestmark = [
    pytest.mark.live,
    pytest.mark.store,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not possible(), reason="nothing can be mounted here: no /dev/fuse, rclone or fusermount3"
    ),
]


@pytest.fixture
def mounts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mounts]:
    """A store of the kind that the test asks for."""
    (tmp_path / "store").mkdir()
    made = Mounts(tmp_path / "store", request.param)
    yield made
    made.close()


@pytest.fixture
def federation(mounts: Mounts, tmp_path: Path) -> Iterator[LiveFederation]:
    """An aggregator and two data owners, each with a mount of its own."""
    (tmp_path / "federation").mkdir()
    made = LiveFederation(
        tmp_path / "federation",
        "local",
        owners_of(2),
        options=lambda email: ("--root", str(mounts.folder(email))),
    )
    for email in made.everybody:
        mounts.mount(email)
    yield made
    made.close()


@pytest.mark.parametrize("mounts", KINDS, indirect=True)
def test_models_travel_over_a_mounted_store(mounts: Mounts, federation: LiveFederation) -> None:
    federation.start_owners()
    federation.start_server([22_000, 1_000_000], 4)
    rows = federation.finished(600)
    print(f"\n{mounts.kind}\n{table(rows)}")
    assert [row["answers"] for row in rows] == [2] * 8
    assert len({row["digest"] for row in rows}) == 8


@pytest.mark.parametrize("who", [AGGREGATOR, owners_of(1)[0]])
@pytest.mark.parametrize("mounts", ["s3"], indirect=True)
def test_a_mount_that_dies_is_waited_for_and_the_run_goes_on(
    mounts: Mounts, federation: LiveFederation, who: str
) -> None:
    federation.start_owners()
    federation.start_server([22_000], 8)
    federation.until(lambda: len(federation.rows()) >= 3, "three phases", 300)
    mounts.kill(who)
    federation.until(lambda: "the mount that holds it has died" in federation.log(who), "it is said", 120)
    assert all(process.poll() is None for process in federation.running.values()), "nobody gives up"
    mounts.unmount(who)
    mounts.mount(who)
    rows = federation.finished(300)
    assert [row["answers"] for row in rows] == [2] * 8
