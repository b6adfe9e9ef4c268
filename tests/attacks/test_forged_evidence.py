"""A participant that signs an evidence file in which something is absurd: whoever checks it reads a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from doubles.channels import identity_of

from syft_flwr_cli.audit.crate import DATA, SIGNATURE, BrokenCrateError, bag, manifest_digest, pack, unpack
from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.audit.statements import envelope, statement
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.services.crate import METADATA, export_crate, verify_crate

OWNER = "do@a.example"


def forged(place: Path, changes: dict[str, bytes], **facts: Any) -> Path:
    """An export whose owner has changed members, and signed all of it anew."""
    me = identity_of(OWNER)
    place.mkdir(exist_ok=True)
    log = AuditLog(place / "audit.jsonl", me)
    log.append([{"event": "approved", "time": 1.0, "app": "x", "digest": "a" * 64, "eid": "a"}])
    report = export_crate(place, me, None, place / "whole.zip", 2.0)
    members = unpack((place / "whole.zip").read_bytes())
    payload = {
        name.removeprefix(DATA): data for name, data in members.items() if name.startswith(DATA)
    } | changes
    about = {
        "Source-Organization": OWNER,
        "Bagging-Date": "1970-01-01",
        "Bag-Software-Agent": "mine",
        "External-Identifier": report.head,
    }
    made = bag(payload, about)
    stated = {"time": 2.0, "email": OWNER, "entries": report.entries, "head": report.head, **facts}
    signed = statement({"manifest": manifest_digest(made)}, "crate", stated)
    made[SIGNATURE] = envelope(signed, me.public.fingerprint, me.sign)
    (place / "forged.zip").write_bytes(pack(made))
    return place / "forged.zip"


def test_what_was_only_signed_anew_holds(tmp_path: Path) -> None:
    assert verify_crate(forged(tmp_path / "a", {})).email == OWNER


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"9" * 10_000],
    ids=range(9),
)
def test_a_description_that_is_none_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BrokenCrateError, match="does not describe"):
        verify_crate(forged(tmp_path / "a", {METADATA: data}))


@pytest.mark.parametrize("moment", [1e300, -1e300, 1 << 70, "nan", "x", None, [], True, "9" * 9000])
def test_a_time_that_no_calendar_has_is_a_sentence(tmp_path: Path, moment: object) -> None:
    with pytest.raises(SyftFlwrError):
        verify_crate(forged(tmp_path / "a", {}, time=moment))


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "log/audit.jsonl/x", "decisions/9.dsse.json", "keys/../x.json"]
)
def test_a_member_that_leaves_or_belongs_to_nothing_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(SyftFlwrError):
        verify_crate(forged(tmp_path / "a", {name: json.dumps({}).encode()}))
    assert not (tmp_path / "x").exists() and not (tmp_path.parent / "x").exists()


def test_an_email_of_somebody_else_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BrokenCrateError):
        verify_crate(forged(tmp_path / "a", {}, email="ds@lab.example"))
