"""Keys that the approved project pins: nobody else's are taken, not even at the first contact."""

import json
import time
from pathlib import Path

import pytest
from forgery import sealed
from scene import AGGREGATOR, DO1, DO2, OWNERS, Scene, drop, new_identity

from syft_flwr_cli.protocol.header import Header, header_line
from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.protocol.suites import SUITE


@pytest.fixture
def pinned(scene: Scene) -> Scene:
    """The project as ``bootstrap`` writes it where everybody's keys are known, approved by all."""
    for email in (AGGREGATOR, *OWNERS):
        scene.run("keys", "show", "--email", email, email=email)
    for email in OWNERS:
        drop(scene.document(email), scene.keys(email).public.to_bytes())
    scene.run("bootstrap", str(scene.project), "--root", str(scene.root), email=AGGREGATOR)
    text = (scene.project / "pyproject.toml").read_text()
    assert all(scene.keys(email).public.fingerprint in text for email in (AGGREGATOR, *OWNERS))
    scene.approve(*OWNERS)
    return scene


@pytest.mark.full
def test_with_the_keys_that_are_pinned_everything_goes_as_without(pinned: Scene) -> None:
    clients = pinned.start_clients()
    pinned.serve().wait(0)
    for client in clients:
        client.wait(0)
    pinned.came_out_undisturbed()


def test_an_aggregator_with_another_key_than_the_pinned_one_is_refused_at_first_contact(
    pinned: Scene,
) -> None:
    posing = new_identity(AGGREGATOR)
    drop(pinned.root / AGGREGATOR / IDENTITY_PATH, posing.public.to_bytes())
    mid, now = "00000000-0000-8000-8000-000000000000", time.time()
    people = {"sender": AGGREGATOR, "recipient": DO1, "endpoint": "messages"}
    times = {"created": now, "expires": now + 3600}
    app = pinned.kept_by(DO1).name
    line = header_line(
        Header(kind="request", id=mid, app=app, run="7", suite=SUITE, size=1, **people, **times)
    )
    order = sealed(json.loads(line), b"whatever it says", posing, pinned.keys(DO1).public)
    drop(pinned.requests_to(DO1) / f"{mid}.request", order)
    refused = pinned.start_approved_client(DO1).wait(12)
    assert (
        f"error: The project names {pinned.keys(AGGREGATOR).public.fingerprint} as the fingerprint"
        in refused.err
    )
    assert posing.public.words in refused.err
    assert pinned.executed(DO1) == [] and pinned.messages(DO1, "response") == []


def test_a_data_owner_with_another_key_than_the_pinned_one_is_sent_nothing(pinned: Scene) -> None:
    posing = new_identity(DO2)
    drop(pinned.document(DO2), posing.public.to_bytes())
    refused = pinned.serve().wait(12)
    assert (
        f"error: The project names {pinned.keys(DO2).public.fingerprint} as the fingerprint of {DO2}"
        in refused.err
    )
    assert posing.public.words in refused.err
    sent: list[Path] = [path for path in pinned.messages(AGGREGATOR, "request") if f"_to_{DO2}" in str(path)]
    assert sent == []
