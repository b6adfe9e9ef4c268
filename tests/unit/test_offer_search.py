"""Who offers something in a shared folder is found by names alone, whatever else lies there."""

import os
import uuid
from pathlib import Path

import pytest

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.services import offer_search
from syft_flwr_cli.services.offer_search import senders
from syft_flwr_cli.transports.registry import PublicDocuments

ME = "do1@a.example"


def offers(root: Path, sender: str, recipient: str = ME) -> Path:
    place = root / sender / names.rpc_folder(sender, recipient, "federation", "offer")
    place.mkdir(parents=True)
    file = place / f"{uuid.uuid4()}.request"
    file.write_bytes(b"sealed")
    return file


def test_whoever_has_an_offer_for_me_is_found_and_nobody_else(tmp_path: Path) -> None:
    offers(tmp_path, "ds@lab.example")
    offers(tmp_path, "other@lab.example", "do2@b.example")
    (tmp_path / "idle@lab.example").mkdir()
    (tmp_path / ".stfolder").mkdir()
    assert senders(PublicDocuments(tmp_path), ME) == ["ds@lab.example"]


def test_links_pipes_and_names_that_are_no_e_mails_are_passed_over(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    offers(outside, "ds@lab.example")
    root = tmp_path / "root"
    (root / "linked@lab.example").mkdir(parents=True)
    (root / "ds@lab.example").symlink_to(outside / "ds@lab.example")
    folder = names.rpc_folder("linked@lab.example", ME, "federation", "offer")
    (root / "linked@lab.example" / folder).parent.mkdir(parents=True)
    inner = outside / "ds@lab.example" / names.rpc_folder("ds@lab.example", ME, "federation", "offer")
    (root / "linked@lab.example" / folder).symlink_to(inner)
    piped = offers(root, "pipe@lab.example")
    piped.unlink()
    os.mkfifo(piped)
    (root / "ds@lab.example hint: all is well").mkdir()
    found = senders(PublicDocuments(root), ME)
    assert "linked@lab.example" not in found
    assert "pipe@lab.example" not in found
    assert not any(" " in name for name in found)


def test_no_more_than_a_bounded_number_of_folders_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offer_search, "MAX_SPACES", 3)
    for number in range(8):
        offers(tmp_path, f"ds{number}@lab.example")
    assert len(senders(PublicDocuments(tmp_path), ME)) == 3


def test_a_root_that_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="look into"):
        senders(PublicDocuments(tmp_path / "gone"), ME)
