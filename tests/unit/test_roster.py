"""The roster: first contact pins, and after that only the old key or a person can change a key."""

import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from syft_flwr_cli.errors import EXIT_TRUST, TrustError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.security.roster import FILE_NAME, Roster

ALICE = "alice@lab.example"
PINNED_AT = 1750000000.0
LATER = 1760000000.0


def identity(seed: str = "alice", email: str = ALICE) -> Identity:
    return Identity.create(email, 0, hashlib.shake_256(seed.encode()).digest(SECRETS_SIZE))


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    return Roster(tmp_path / FILE_NAME)


def refused(roster: Roster, public, expected: str | None = None) -> TrustError:
    with pytest.raises(TrustError) as error:
        roster.admit(public, LATER, expected)
    assert error.value.exit_code == EXIT_TRUST
    assert error.value.hint
    return error.value


def test_first_contact_pins_and_says_so_with_the_words(roster: Roster) -> None:
    alice = identity().public
    admission = roster.admit(alice, PINNED_AT)
    assert admission.kind == "pinned"
    assert alice.words in admission.sentence()
    assert "keys verify" in admission.sentence()
    assert roster.admit(alice, LATER).kind == "known"
    entry = roster.get(ALICE)
    assert entry is not None
    assert (entry.identity, entry.pinned, entry.verified) == (alice, PINNED_AT, None)


def test_what_was_pinned_is_known_to_the_next_process(tmp_path: Path) -> None:
    Roster(tmp_path / FILE_NAME).admit(identity().public, PINNED_AT)
    assert Roster(tmp_path / FILE_NAME).admit(identity().public, LATER).kind == "known"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_file_is_private_and_refused_if_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    Roster(path).admit(identity().public, PINNED_AT)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in tmp_path.iterdir())
    path.chmod(0o666)
    with pytest.raises(TrustError, match="by others"):
        Roster(path).get(ALICE)


def test_a_changed_key_is_refused_with_both_fingerprints_the_date_and_a_remedy(roster: Roster) -> None:
    old, new = identity().public, identity("attacker").public
    roster.admit(old, PINNED_AT)
    error = refused(roster, new)
    assert old.words in error.what
    assert new.words in error.what
    assert "2025-06-15" in error.what
    assert f"syft-flwr keys trust {ALICE}" in error.hint
    assert new.words not in error.hint, "the words are to come from the phone"
    assert roster.admit(old, LATER).kind == "known", "the pinned key goes on being trusted"


def test_a_changed_key_stays_refused_however_often_it_is_shown(roster: Roster) -> None:
    roster.admit(identity().public, PINNED_AT)
    for _ in range(3):
        refused(roster, identity("attacker").public)
    entry = roster.get(ALICE)
    assert entry is not None
    assert entry.identity == identity().public
    assert entry.offered == identity("attacker").public


def test_a_key_of_another_email_is_refused(roster: Roster) -> None:
    with pytest.raises(TrustError, match=r"is the key of mallory@evil\.example"):
        roster.admit(identity("m", "mallory@evil.example").public, PINNED_AT, email=ALICE)
    assert roster.entries() == []


def test_a_rotation_is_accepted_and_keeps_what_was_verified(roster: Roster) -> None:
    alice = identity()
    roster.admit(alice.public, PINNED_AT)
    roster.verify(ALICE, alice.public.words, PINNED_AT + 1)
    rotated = alice.rotate(1)
    admission = roster.admit(rotated.public, LATER)
    assert admission.kind == "rotated"
    assert rotated.public.words in admission.sentence()
    assert admission.entry.verified == PINNED_AT + 1
    assert admission.entry.before == (alice.public.fingerprint,)
    assert roster.admit(rotated.public, LATER).kind == "known"


def test_the_key_before_a_rotation_is_not_taken_back(roster: Roster) -> None:
    alice = identity()
    roster.admit(alice.public, PINNED_AT)
    newer = alice.rotate(1).public
    roster.admit(newer, LATER)
    admission = roster.admit(alice.public, LATER)
    assert (admission.kind, admission.entry.identity) == ("outdated", newer)
    assert "is an old one" in admission.sentence() and newer.words in admission.sentence()
    assert roster.current(ALICE) == newer


def test_a_key_that_a_person_has_replaced_is_an_old_one_too(roster: Roster) -> None:
    old, new = identity().public, identity("new machine").public
    roster.admit(old, PINNED_AT)
    roster.trust(new, LATER, verified=True)
    assert roster.admit(old, LATER).kind == "outdated"
    assert roster.current(ALICE) == new


def test_a_replaced_key_that_revokes_itself_is_not_merely_old(roster: Roster) -> None:
    """Whoever stole it may have signed its successor: people have to speak to each other."""
    stolen = identity()
    roster.admit(stolen.public, PINNED_AT)
    roster.admit(stolen.rotate(1, hashlib.shake_256(b"thief").digest(SECRETS_SIZE)).public, LATER)
    assert "has changed" in refused(roster, stolen.revoke().public).what


def test_what_another_process_has_revoked_counts_at_once(tmp_path: Path) -> None:
    mine, other = Roster(tmp_path / FILE_NAME), Roster(tmp_path / FILE_NAME)
    mine.admit(identity().public, PINNED_AT)
    assert mine.current(ALICE) is not None
    other.revoke(ALICE)
    with pytest.raises(TrustError, match="is revoked"):
        mine.current(ALICE)


def test_a_key_that_proves_nothing_and_was_pinned_before_that_was_known_counts_as_revoked(
    tmp_path: Path,
) -> None:
    path = tmp_path / FILE_NAME
    roster = Roster(path)
    roster.admit(identity("bob", "bob@lab.example").public, PINNED_AT)
    roster.admit(identity().public, PINNED_AT)
    document = json.loads(path.read_text())
    alice = replace(identity().public, signing_key=(1).to_bytes(32, "little"))
    document["entries"][0]["identity"] = alice.to_bytes().decode()
    path.write_text(json.dumps(document))
    with pytest.raises(TrustError, match="is revoked"):
        roster.current(ALICE)
    assert roster.current("bob@lab.example") is not None


def test_a_rotation_signed_by_somebody_else_is_a_changed_key(roster: Roster) -> None:
    roster.admit(identity().public, PINNED_AT)
    assert "has changed" in refused(roster, identity("attacker").rotate(1).public).what


def test_a_revoked_key_is_never_trusted_again(roster: Roster) -> None:
    alice = identity()
    roster.admit(alice.public, PINNED_AT)
    assert "revoked" in refused(roster, alice.revoke().public).what
    assert "revoked" in refused(roster, alice.public).what, (
        "the document from before the revocation, replayed"
    )
    entry = roster.get(ALICE)
    assert entry is not None
    assert entry.revoked


def test_a_revoked_key_is_not_even_pinned(roster: Roster) -> None:
    assert "has revoked its key" in refused(roster, identity().revoke().public).what
    assert roster.get(ALICE) is None


def test_after_a_theft_the_new_key_waits_for_a_person(roster: Roster) -> None:
    alice = identity()
    roster.admit(alice.public, PINNED_AT)
    successor = alice.rotate(1, revoke=True)
    error = refused(roster, successor.public)
    assert "cannot vouch" in error.what
    assert successor.public.words in error.what
    thief = alice.rotate(2)
    assert "revoked" in refused(roster, thief.public).what, (
        "what the stolen key signs later counts for nothing"
    )
    roster.trust(successor.public, LATER, verified=True)
    assert roster.admit(successor.public, LATER).kind == "known"
    assert "has changed" in refused(roster, thief.public).what


def test_verifying_needs_the_right_words(roster: Roster) -> None:
    alice = identity().public
    roster.admit(alice, PINNED_AT)
    with pytest.raises(TrustError, match="not the words"):
        roster.verify(ALICE, identity("attacker").public.words, LATER)
    spoken = alice.words.replace("-", " ").upper()
    assert roster.verify(ALICE, spoken, LATER).verified == LATER
    assert roster.verify(ALICE, alice.fingerprint, LATER + 1).verified == LATER + 1


def test_nobody_can_be_verified_who_was_never_met(roster: Roster) -> None:
    with pytest.raises(TrustError, match="No key of"):
        roster.verify(ALICE, "acorn", LATER)


def test_a_revoked_key_cannot_be_verified_or_trusted(roster: Roster) -> None:
    alice = identity()
    roster.admit(alice.public, PINNED_AT)
    roster.revoke(ALICE)
    with pytest.raises(TrustError, match="revoked"):
        roster.verify(ALICE, alice.public.words, LATER)
    with pytest.raises(TrustError, match="revoked"):
        roster.trust(alice.revoke().public, LATER, verified=True)


def test_require_verified_pins_but_does_not_accept_until_compared(tmp_path: Path) -> None:
    strict = Roster(tmp_path / FILE_NAME, require_verified=True)
    alice = identity().public
    for _ in range(2):
        error = refused(strict, alice)
        assert "never compared" in error.what
        assert f"keys verify {ALICE}" in error.hint
    strict.verify(ALICE, alice.words, LATER)
    assert strict.admit(alice, LATER).kind == "known"


def test_the_fingerprint_that_the_project_names_is_the_only_one_accepted(roster: Roster) -> None:
    alice, attacker = identity(), identity("attacker")
    error = refused(roster, attacker.public, alice.public.fingerprint)
    assert alice.public.fingerprint in error.what
    assert attacker.public.words in error.what
    assert roster.get(ALICE) is None, "a key that the project does not name is not even pinned"
    assert roster.admit(alice.public, LATER, alice.public.fingerprint).kind == "pinned"
    assert roster.admit(alice.public, LATER, alice.public.words).kind == "known"
    assert "The project names" in refused(roster, alice.public, attacker.public.fingerprint).what


def test_a_project_that_names_a_key_accepts_what_that_key_led_to(roster: Roster) -> None:
    alice = identity()
    named = alice.public.fingerprint
    roster.admit(alice.public, PINNED_AT, named)
    second = alice.rotate(1)
    assert roster.admit(second.public, LATER, named).kind == "rotated"
    third = second.rotate(2)
    assert roster.admit(third.public, LATER, named).kind == "rotated"
    assert roster.admit(third.public, LATER, named).kind == "known"


def test_processes_that_meet_different_people_at_once_forget_nobody(tmp_path: Path) -> None:
    people = [identity(str(number), f"p{number}@lab.example").public for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda public: Roster(tmp_path / FILE_NAME).admit(public, PINNED_AT), people))
    assert [entry.identity for entry in Roster(tmp_path / FILE_NAME).entries()] == sorted(
        people, key=lambda public: public.email
    )


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"not json",
        lambda data: data.replace(b"alice@", b"malic@"),
        lambda data: data.replace(b'"entries"', b'"entry"'),
        lambda data: data.replace(b'"version":1,"entries"', b'"version":9,"entries"'),
        lambda data: data.replace(b'"pinned":1750000000.0', b'"pinned":[]'),
        lambda data: b'{"format":"syft-flwr roster","version":1,"entries":[{"identity":1}]}',
    ],
)
def test_a_damaged_roster_is_not_taken_for_an_empty_one(tmp_path: Path, harm) -> None:
    path = tmp_path / FILE_NAME
    roster = Roster(path)
    roster.admit(identity().public, PINNED_AT)
    before = path.read_bytes()
    assert harm(before) != before
    path.write_bytes(harm(before))
    with pytest.raises(TrustError, match="cannot be read"):
        roster.admit(identity("attacker").public, LATER)


def test_many_documents_are_admitted_with_one_write_each_by_the_rules(
    roster: Roster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syft_flwr_cli.security import roster as module

    writes: list[Path] = []

    def counted(path: Path, data: bytes) -> None:
        writes.append(path)
        original(path, data)

    original = module.write_private
    monkeypatch.setattr(module, "write_private", counted)
    many = [identity(str(number), f"do{number}@a.example").public for number in range(20)]
    another = identity("another", "do7@a.example")
    verdicts = roster.admit_all(many, PINNED_AT, {"do3@a.example": "0" * 64})
    assert len(writes) == 1
    assert isinstance(verdicts.pop("do3@a.example"), TrustError)
    assert {v.kind for v in verdicts.values() if not isinstance(v, TrustError)} == {"pinned"}
    assert len(roster.entries()) == 19 and roster.get("do3@a.example") is None
    assert isinstance(roster.admit_all([another.public], LATER, {})["do7@a.example"], TrustError)
    again = Roster(tmp_path / FILE_NAME).admit_all(many[:3], LATER, {})
    assert {v.kind for v in again.values() if not isinstance(v, TrustError)} == {"known"}
