"""Signs of life count only if their owner has signed them."""

import hashlib
import json
from pathlib import Path

import pytest

from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.security.presence import MAX_PRESENCE, PRESENCE_PATH, make_presence, read_presence
from syft_flwr_cli.services.signs_of_life import last_signs

ME, PEER, OTHER = "ds@lab.example", "do1@a.example", "do2@b.example"


def identity(email: str) -> Identity:
    return Identity.create(email, 1.0, hashlib.shake_256(email.encode()).digest(SECRETS_SIZE))


def test_a_document_says_when_its_owner_was_at_work() -> None:
    document = make_presence(identity(PEER), 1_750_000_000.7)
    assert len(document) < 400
    assert read_presence(document, identity(PEER).public) == 1_750_000_000


def test_what_another_wrote_or_somebody_altered_counts_for_nothing() -> None:
    document = make_presence(identity(PEER), 1_750_000_000.0)
    altered = json.loads(document) | {"time": 1_900_000_000}
    for data in (
        make_presence(identity(OTHER), 1.0),
        json.dumps(altered).encode(),
        document[:-20],
        b"{}",
        b"[]",
        b"x" * (MAX_PRESENCE + 1),
    ):
        with pytest.raises(RefusedError):
            read_presence(data, identity(PEER).public)


def test_status_reads_them_from_the_peers_own_spaces(tmp_path: Path) -> None:
    for owner, writer in ((PEER, PEER), (OTHER, PEER)):
        place = tmp_path / owner / "app_data" / PRESENCE_PATH
        place.parent.mkdir(parents=True)
        place.write_bytes(make_presence(identity(writer), 7.0))
    peers = [identity(PEER).public, identity(OTHER).public, identity("do3@c.example").public]
    assert last_signs(tmp_path / ME / "app_data", ME, peers) == {PEER: 7}
    assert last_signs(None, ME, peers) == {}
