"""Identities: keys on disk that only their owner reads, and documents that sign themselves."""

import hashlib
import json
import os
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.fingerprint_words import PHRASE_WORDS, WORDS, normalise, phrase
from syft_flwr_cli.security.identity import (
    FILE_NAME,
    MAX_DOCUMENT,
    SECRETS_SIZE,
    Identity,
    load,
    load_or_create,
    parse_public,
    read_public,
    save,
)
from syft_flwr_cli.security.sealing import SEALING_SEED_SIZE, seal

ALICE = "alice@lab.example"


def secrets(seed: str) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(SECRETS_SIZE)


def identity(seed: str = "alice", email: str = ALICE) -> Identity:
    return Identity.create(email, 1750000000.9, secrets(seed))


def never() -> bytes:
    raise AssertionError("nobody should be asked for a passphrase")


# --- on disk ---------------------------------------------------------------------------------------


def test_keys_are_made_once_and_found_again(tmp_path: Path) -> None:
    first, made = load_or_create(tmp_path / "alice", ALICE, 1.0)
    again, made_again = load_or_create(tmp_path / "alice", ALICE, 2.0, never)
    assert (made, made_again) == (True, False)
    assert again.public == first.public


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_nobody_else_can_read_anything_that_was_made(tmp_path: Path) -> None:
    directory = tmp_path / "home" / "alice"
    load_or_create(directory, ALICE, 1.0)
    for path in [tmp_path / "home", *(tmp_path / "home").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_keys_that_others_could_read_are_refused_with_a_remedy(tmp_path: Path, mode: int) -> None:
    load_or_create(tmp_path, ALICE, 1.0)
    (tmp_path / FILE_NAME).chmod(mode)
    with pytest.raises(TrustError, match="by others") as refused:
        load(tmp_path, ALICE)
    assert f"chmod 600 '{tmp_path / FILE_NAME}'" in refused.value.hint


def test_of_many_that_start_at_once_all_get_the_same_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_or_create(tmp_path, ALICE, 1.0), range(8)))
    assert len({one.public.fingerprint for one, _ in found}) == 1
    assert sum(made for _, made in found) == 1


def test_missing_keys_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="has no keys") as refused:
        load(tmp_path, ALICE)
    assert f"syft-flwr keys show --email {ALICE}" in refused.value.hint


def test_keys_of_another_participant_are_not_taken_for_ones_own(tmp_path: Path) -> None:
    load_or_create(tmp_path, ALICE, 1.0)
    with pytest.raises(TrustError, match=r"keys of alice@lab\.example, not of bob"):
        load(tmp_path, "bob@clinic.example")


@pytest.mark.parametrize("harm", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"{}"])
def test_a_damaged_key_file_says_so(tmp_path: Path, harm) -> None:
    load_or_create(tmp_path, ALICE, 1.0)
    path = tmp_path / FILE_NAME
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(TrustError, match="damaged"):
        load(tmp_path, ALICE)


def test_secrets_that_do_not_belong_to_the_document_are_found_out(tmp_path: Path) -> None:
    mine, other = identity("alice").key_file(None), identity("other").key_file(None)
    start, end = mine.index(b'"secrets"'), other.index(b'"secrets"')
    path = tmp_path / FILE_NAME
    path.write_bytes(mine[:start] + other[end:])
    path.chmod(0o600)
    with pytest.raises(TrustError, match="do not belong"):
        load(tmp_path, ALICE)


def test_protected_keys_open_with_their_passphrase_only(tmp_path: Path) -> None:
    made, _ = load_or_create(tmp_path, ALICE, 1.0, lambda: b"correct horse", protect=True)
    assert load(tmp_path, ALICE, lambda: b"correct horse").public == made.public
    with pytest.raises(TrustError, match="does not open"):
        load(tmp_path, ALICE, lambda: b"battery staple")
    with pytest.raises(TrustError, match="protected") as refused:
        load(tmp_path, ALICE)
    assert "SYFT_FLWR_PASSPHRASE" in refused.value.hint


def test_the_public_side_of_protected_keys_needs_no_passphrase(tmp_path: Path) -> None:
    save(tmp_path, identity(), b"correct horse")
    assert read_public(tmp_path, ALICE) == (identity().public, True)


@pytest.mark.slow
def test_a_document_exchanged_under_protected_keys_is_found_out(tmp_path: Path) -> None:
    revoked = identity().revoke().public.to_bytes().decode()
    file = identity().revoke().key_file(b"pass").decode()
    path = tmp_path / FILE_NAME
    fields = json.loads(file)
    assert fields["public"] == revoked
    path.write_text(json.dumps(fields | {"public": identity().public.to_bytes().decode()}))
    path.chmod(0o600)
    with pytest.raises(TrustError, match="does not open"):
        load(tmp_path, ALICE, lambda: b"pass")


def test_protecting_without_a_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No passphrase"):
        load_or_create(tmp_path, ALICE, 1.0, protect=True)
    assert not (tmp_path / FILE_NAME).exists()


def test_revoked_keys_are_not_used_by_accident(tmp_path: Path) -> None:
    save(tmp_path, identity().revoke(), None)
    with pytest.raises(TrustError, match="are revoked") as refused:
        load(tmp_path, ALICE)
    assert "rotate" in refused.value.hint
    assert load(tmp_path, ALICE, allow_revoked=True).public.revoked


def test_private_keys_leave_the_process_neither_pickled_nor_printed() -> None:
    alice = identity()
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(alice)
    assert secrets("alice")[:8].hex() not in repr(alice)
    assert repr(secrets("alice")[:8])[2:-1] not in repr(alice)


# --- documents -------------------------------------------------------------------------------------


def refused_as(data: bytes) -> str:
    with pytest.raises(RefusedError) as refused:
        parse_public(data)
    return refused.value.reason


def test_a_document_says_the_same_after_it_was_read() -> None:
    public = identity().public
    assert parse_public(public.to_bytes()) == public
    assert public.to_bytes().count(b"\n") == 1
    assert len(public.to_bytes()) < MAX_DOCUMENT


def test_signatures_verify_and_others_do_not() -> None:
    alice = identity()
    assert alice.public.verify(b"data", alice.sign(b"data"))
    assert not alice.public.verify(b"date", alice.sign(b"data"))
    assert not alice.public.verify(b"data", b"short")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"alice@lab.example", b"carol@lab.example", "signature"),
        (b'"generation":1', b'"generation":2', "signature"),
        (b'"revoked":false', b'"revoked":true', "signature"),
        (b"alice@lab.example", b"Alice@lab.example", "garbage"),
        (b"alice@lab.example", b"../e@lab.example", "garbage"),
        (b'"generation":1', b'"generation":1.0', "garbage"),
        (b'"generation":1', b'"generation":-1', "garbage"),
        (b'"created":1750000000', b'"created":true', "garbage"),
        (b'"created":1750000000', b'"created":1e400', "garbage"),
        (b'"revoked":false', b'"revoked":0', "garbage"),
        (b'"previous":null', b'"previous":"ab"', "garbage"),
        (b'"rotation":null', b'"rotation":"AA=="', "garbage"),
        (b'"version":1', b'"version":2', "version"),
        (b'"version":1', b'"version":true', "version"),
        (b"syft-flwr identity", b"something else", "garbage"),
        (b"}\n", b'}\n"more"', "garbage"),
        (b"}\n", b"}", "garbage"),
        (b'{"format"', b'{ "format"', "garbage"),
        (b'"revoked":false', b'"revoked":false,"revoked":false', "garbage"),
        (b'"revoked":false', b'"revoked":false,"extra":1', "garbage"),
    ],
)
def test_a_document_that_was_touched_is_refused(old: bytes, new: bytes, reason: str) -> None:
    document = identity().public.to_bytes()
    assert old in document
    assert refused_as(document.replace(old, new, 1)) == reason


def test_a_huge_document_is_refused_before_it_is_read() -> None:
    assert refused_as(b" " * (MAX_DOCUMENT + 1)) == "oversized"


def test_a_document_with_a_sealing_key_that_is_none_is_refused() -> None:
    alice = identity()
    broken = replace(alice.public, sealing_key=b"\xff" * len(alice.public.sealing_key))
    assert refused_as(broken.to_bytes()) == "key"


def test_new_keys_are_vouched_for_by_the_old_ones_only() -> None:
    alice, mallory = identity(), identity("mallory")
    later = alice.rotate(1750000100, secrets("later"))
    read = parse_public(later.public.to_bytes())
    assert read.version == 2
    assert alice.public.vouches_for(read)
    assert not mallory.public.vouches_for(read)
    assert not read.vouches_for(alice.public)
    assert not alice.public.vouches_for(mallory.rotate(1, secrets("later")).public)


def test_a_vouching_cannot_be_moved_to_another_document() -> None:
    alice = identity()
    rotation = alice.rotate(1, secrets("later")).public.rotation
    stolen = replace(identity("mallory").rotate(1, secrets("x")).public, rotation=rotation)
    stolen = replace(stolen, previous=alice.public.fingerprint)
    assert not alice.public.vouches_for(stolen)


@pytest.mark.parametrize(
    "changes",
    [{"version": 1}, {"previous": "ab" * 32}, {"email": "bob@clinic.example"}],
    ids=["a generation that is not later", "keys that follow others", "another e-mail"],
)
def test_even_with_their_signature_keys_vouch_for_nothing_but_what_follows_them(changes) -> None:
    alice = identity()
    odd = replace(alice.rotate(1, secrets("later")).public, **changes)
    odd = replace(odd, rotation=alice.sign(b"syft-flwr rotation 1\0" + odd.statement()))
    assert not alice.public.vouches_for(odd)


def test_after_a_rotation_only_the_last_keys_before_still_open() -> None:
    alice = identity()
    closed = seal(b"body", alice.public, b"")
    second = alice.rotate(1, secrets("second"))
    assert second.open_sealed(closed, b"") == b"body"
    third = second.rotate(2, secrets("third"))
    with pytest.raises(RefusedError):
        third.open_sealed(closed, b"")


def test_the_keys_before_survive_on_disk(tmp_path: Path) -> None:
    alice = identity()
    closed = seal(b"body", alice.public, b"")
    save(tmp_path, alice.rotate(1, secrets("second")), None)
    assert load(tmp_path, ALICE).open_sealed(closed, b"") == b"body"


def test_a_rotation_after_revocation_says_that_the_old_keys_cannot_vouch() -> None:
    assert identity().revoke().rotate(1).public.revokes_previous
    assert identity().rotate(1, revoke=True).public.revokes_previous
    assert not identity().rotate(1).public.revokes_previous


def test_secrets_of_another_size_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="size"):
        Identity(identity().public, secrets("alice") + bytes(SEALING_SEED_SIZE - 1))


# --- words -----------------------------------------------------------------------------------------


def test_the_words_are_many_and_short() -> None:
    assert len(WORDS) == len(set(WORDS)) == 2048
    assert all(3 <= len(word) <= 8 and word.isascii() and word.islower() for word in WORDS)


def test_no_two_words_are_one_letter_apart() -> None:
    one_changed = [word[:at] + "*" + word[at + 1 :] for word in WORDS for at in range(len(word))]
    one_dropped = {word[:at] + word[at + 1 :] for word in WORDS for at in range(len(word))}
    assert len(set(one_changed)) == len(one_changed)
    assert not one_dropped.intersection(WORDS)


def test_a_fingerprint_has_the_same_words_for_ever() -> None:
    assert phrase(bytes(32)) == "album-tycoon-mosaic-stream-score-halibut"
    assert len(phrase(b"\1" * 32).split("-")) == PHRASE_WORDS
    assert phrase(b"\1" * 32) != phrase(bytes(32))


def test_words_may_be_typed_as_they_were_heard() -> None:
    assert normalise("  Acorn, Beaver  canal-Dolphin ") == "acorn-beaver-canal-dolphin"


def test_the_fingerprint_is_of_both_keys_and_the_email() -> None:
    prints = {
        identity("alice").public.fingerprint,
        identity("other").public.fingerprint,
        identity("alice", "bob@clinic.example").public.fingerprint,
    }
    assert len(prints) == 3
