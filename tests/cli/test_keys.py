"""``syft-flwr keys`` as it is typed: what is said, what is left behind, and with which exit code."""

# ruff: noqa: E501 - what is said stands here in lines as long as it is said

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from transcript import Shell

from syft_flwr_cli.errors import EXIT_TRUST, EXIT_USAGE, TrustError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity, load, parse_public, save
from syft_flwr_cli.security.roster import Roster

ALICE, BOB = "alice@lab.example", "bob@clinic.example"
PASSPHRASE = "SYFT_FLWR_PASSPHRASE"

KEYRING = """\
import json, pathlib
FILE = pathlib.Path(__file__).with_name("kept.json")
def get_password(service, user):
    return json.loads(FILE.read_text()).get(f"{service} {user}") if FILE.exists() else None
def set_password(service, user, password):
    FILE.write_text(json.dumps({f"{service} {user}": password}))
"""


def identity(email: str, seed: str = "") -> Identity:
    return Identity.create(email, 1750000000, hashlib.shake_256((email + seed).encode()).digest(SECRETS_SIZE))


def participant(shell: Shell, email: str = ALICE) -> Path:
    return shell.home / "participants" / email


@pytest.fixture
def alice(tmp_path: Path) -> Shell:
    """Alice's shell; her keys are always the same, and Bob's document lies beside her."""
    shell = Shell(tmp_path, tmp_path / "home")
    save(participant(shell), identity(ALICE), None)
    (tmp_path / "bob.json").write_bytes(identity(BOB).public.to_bytes())
    return shell


def roster(shell: Shell) -> Roster:
    return Roster(participant(shell) / "roster.json")


def shown_another_key(shell: Shell) -> Identity:
    """As a run leaves it behind that found another key in Bob's folder."""
    other = identity(BOB, "other")
    roster(shell).admit(identity(BOB).public, 1750000000)
    with pytest.raises(TrustError):
        roster(shell).admit(other.public, 1750000001)
    return other


def test_show_tells_ones_words_and_what_to_do_with_them(alice: Shell) -> None:
    me = identity(ALICE).public
    alice.follows(f"""
$ syft-flwr keys show
participant  {ALICE}
words        {me.words}
fingerprint  {me.fingerprint}
version      1, made 2025-06-15 15:06:40 UTC
protected    no; only by the rights of its file
file         …/home/participants/{ALICE}/identity.json
next: read the words out to your peers, who type: syft-flwr keys verify {ALICE}
""")


def test_keys_are_made_at_the_first_look_and_stay(tmp_path: Path) -> None:
    shell = Shell(tmp_path, tmp_path / "home")
    first = shell.run("keys", "show", "--email", "Carol@Lab.Example", "--json")
    again = shell.run("keys", "show", "--email", "carol@lab.example", "--json")
    assert "Made the keys of carol@lab.example" in first.err
    assert "Made" not in again.err
    assert json.loads(first.out)["data"] == json.loads(again.out)["data"]
    assert json.loads(again.out)["data"]["protected"] is False


def test_without_an_email_the_flag_is_named(tmp_path: Path) -> None:
    answer = Shell(tmp_path, tmp_path / "home").run("keys", "show")
    assert answer.code == EXIT_USAGE
    assert "--email" in answer.err


def test_the_environment_says_who_one_is(tmp_path: Path) -> None:
    answer = Shell(tmp_path, tmp_path / "home").run("keys", "show", "--json", SYFTBOX_EMAIL=BOB)
    assert json.loads(answer.out)["data"]["email"] == BOB


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_keys_that_others_can_read_are_refused_with_the_command_that_helps(alice: Shell) -> None:
    (participant(alice) / "identity.json").chmod(0o644)
    alice.follows("""
$ syft-flwr keys show
error: …/identity.json can be read or written by others (mode 0644).
hint: Type: chmod 600 '…/identity.json'. Keys that somebody else may have read are then to be replaced with: syft-flwr keys rotate --revoke
? 12
""")


def test_a_peer_is_imported_compared_and_listed(alice: Shell) -> None:
    bob = identity(BOB).public
    alice.follows(f"""
$ syft-flwr keys list
Nobody was met yet. next: syft-flwr keys import FILE, or begin a run.
$ syft-flwr keys import bob.json
First contact with {BOB}: its key is pinned, nobody has compared it yet. Its words are {bob.words}; ask on the phone, then type: syft-flwr keys verify {BOB}
$ syft-flwr keys import bob.json
The key of {BOB} is known.
$ syft-flwr keys list
{BOB}  {bob.words}  pinned … UTC, never compared
next: compare the words on the phone, then type: syft-flwr keys verify {BOB}
$ syft-flwr keys verify {BOB}
error: There is no terminal to ask at whether the words agree.
hint: Give the words that were read out to you: --words "…"
? 2
$ syft-flwr keys verify {BOB} --words "acorn acorn acorn acorn acorn acorn"
error: These are not the words of the key pinned for {BOB}: that key has {bob.words}.
hint: If the words were read out to you by its owner, somebody is in between: do not exchange messages with {BOB} until you know.
? 12
$ syft-flwr keys verify {BOB} --words "{bob.words.replace("-", " ").upper()}"
The key of {BOB} is verified: {bob.words}.
$ syft-flwr keys list
{BOB}  {bob.words}  verified … UTC
""")


def test_an_import_with_the_right_words_is_verified_at_once(alice: Shell) -> None:
    words = identity(BOB).public.words
    assert alice.run("keys", "import", "bob.json", "--words", identity(ALICE).public.words).code == EXIT_TRUST
    assert roster(alice).get(BOB) is None
    data = json.loads(alice.run("keys", "import", "bob.json", "--words", words, "--json").out)["data"]
    assert data["verified"] is not None
    assert data["email"] == BOB


def test_a_changed_key_is_refused_until_its_words_were_heard(alice: Shell) -> None:
    other = shown_another_key(alice)
    (alice.folder / "other.json").write_bytes(other.public.to_bytes())
    old, new = identity(BOB).public.words, other.public.words
    alice.follows(f"""
$ syft-flwr keys import other.json
error: The key of {BOB} has changed: pinned on 2025-06-15 15:06 UTC was {old}, now it shows {new}.
hint: Ask {BOB} on the phone whether it made new keys, and have the words of the new ones read out. Only if they agree, type: syft-flwr keys trust {BOB} --words "THE WORDS YOU HEARD"
? 12
$ syft-flwr keys list
{BOB}  {old}  pinned 2025-06-15 15:06:40 UTC, never compared; ANOTHER KEY WAS SHOWN AND REFUSED
next: compare the words on the phone, then type: syft-flwr keys verify {BOB}
$ syft-flwr keys trust {BOB}
error: There is no terminal to ask at whether the words agree.
hint: Give the words that were read out to you: --words "…"
? 2
$ syft-flwr keys trust {BOB} --words "{old}"
error: These are not the words of the key that {BOB} shows: {new}.
hint: If its owner read them out to you, somebody is in between; nothing was changed.
? 12
$ syft-flwr keys trust {BOB} --words "{new}"
The new key of {BOB} is trusted: {new}.
$ syft-flwr keys trust {BOB} --words "{new}"
error: {BOB} has shown no other key than the one that is known.
hint: A new key is seen when a run looks for it; or import it with: syft-flwr keys import FILE
? 12
""")
    entry = roster(alice).get(BOB)
    assert entry is not None
    assert entry.identity == other.public
    assert entry.verified is not None


def test_a_peer_that_is_revoked_stays_so(alice: Shell) -> None:
    words = identity(BOB).public.words
    alice.run("keys", "import", "bob.json")
    alice.follows(f"""
$ syft-flwr keys revoke {BOB}
The key of {BOB} is not trusted any more. next: syft-flwr keys list
$ syft-flwr keys list
{BOB}  {words}  REVOKED
$ syft-flwr keys import bob.json
error: The key of {BOB} is revoked: {words}, pinned on … UTC, must not be trusted any more.
hint: Ask {BOB} on the phone for its new key.
? 12
""")


def test_rotated_keys_are_vouched_for_by_the_old_ones(alice: Shell) -> None:
    before = identity(ALICE).public
    answer = alice.run("keys", "rotate")
    after = load(participant(alice), ALICE).public
    assert before.words in answer.out
    assert after.words in answer.out
    assert "accept the new ones by themselves" in answer.err
    assert before.vouches_for(after)
    assert alice.run("audit", "verify").code == 0


def test_after_a_theft_peers_must_compare(alice: Shell) -> None:
    asked = alice.run("keys", "rotate", "--revoke")
    assert asked.code == EXIT_USAGE
    assert "--yes" in asked.err
    assert load(participant(alice), ALICE).public == identity(ALICE).public
    done = alice.run("keys", "rotate", "--revoke", "--yes")
    assert f"syft-flwr keys trust {ALICE}" in done.err
    assert load(participant(alice), ALICE).public.revokes_previous


def test_revoked_keys_are_of_no_use_until_there_are_new_ones(alice: Shell) -> None:
    assert alice.run("keys", "revoke", "--yes").code == 0
    with pytest.raises(TrustError, match="revoked"):
        load(participant(alice), ALICE)
    assert "rotate --revoke" in alice.run("keys", "show").err
    assert alice.run("keys", "rotate").code == 0
    assert load(participant(alice), ALICE).public.revokes_previous
    assert alice.run("audit", "verify").code == 0


def test_a_passphrase_is_set_changed_asked_for_and_removed(alice: Shell) -> None:
    (alice.folder / "first").write_text("correct horse\n")
    alice.follows(f"""
$ syft-flwr keys protect
error: There is no terminal to ask for a new passphrase at.
hint: Give a file whose first line it is with --passphrase-file FILE (- for stdin).
? 2
$ syft-flwr keys protect --passphrase-file first
The keys of {ALICE} are protected. next: set SYFT_FLWR_PASSPHRASE where nobody can type it.
$ syft-flwr keys rotate
error: The keys of {ALICE} are protected by a passphrase.
hint: Set SYFT_FLWR_PASSPHRASE, or start the command at a terminal.
? 12
""")
    assert "by a passphrase" in alice.run("keys", "show").out
    wrong = alice.run("keys", "rotate", **{PASSPHRASE: "battery staple"})
    assert wrong.code == EXIT_TRUST
    assert "does not open" in wrong.err
    assert alice.run("keys", "rotate", **{PASSPHRASE: "correct horse"}).code == 0
    words = ("keys", "protect", "--passphrase-file", "-")
    assert alice.run(*words, stdin="staple\n", **{PASSPHRASE: "correct horse"}).code == 0
    assert load(participant(alice), ALICE, lambda: b"staple").public.version == 2
    assert alice.run("keys", "protect", "--remove", **{PASSPHRASE: "staple"}).code == 0
    assert load(participant(alice), ALICE).public.version == 2


def test_the_keyring_keeps_a_passphrase_that_nobody_types(alice: Shell) -> None:
    package = alice.folder / "packages" / "keyring"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(KEYRING)
    (package / "errors.py").write_text("class KeyringError(Exception): pass\n")
    root = str(Path(__file__).parents[2])
    path = {"PYTHONPATH": os.pathsep.join((root, str(package.parent)))}
    assert alice.run("keys", "protect", "--keyring", **path).code == 0
    with pytest.raises(TrustError, match="protected"):
        load(participant(alice), ALICE)
    assert alice.run("keys", "rotate", **path).code == 0
    assert alice.run("keys", "rotate").code == EXIT_TRUST, "without the keyring they stay shut"


def test_a_backup_brings_lost_keys_back(alice: Shell) -> None:
    (alice.folder / "pass").write_text("correct horse\n")
    refused = alice.run("keys", "export", "--private")
    assert "--output" in refused.err
    assert "--passphrase-file" in alice.run("keys", "export", "--private", "-o", "backup.json").err
    assert not (alice.folder / "backup.json").exists()
    export = ("keys", "export", "--private", "-o", "backup.json")
    assert alice.run(*export, "--passphrase-file", "pass").code == 0
    assert stat.S_IMODE((alice.folder / "backup.json").stat().st_mode) == 0o600
    assert "is there already" in alice.run(*export, "--passphrase-file", "pass").err
    assert identity(ALICE).key_file(None)[-60:-10] not in (alice.folder / "backup.json").read_bytes()

    (participant(alice) / "identity.json").unlink()
    assert alice.run("keys", "import", "backup.json").code == EXIT_TRUST
    assert alice.run("keys", "import", "backup.json", **{PASSPHRASE: "correct horse"}).code == 0
    assert load(participant(alice), ALICE, lambda: b"correct horse").public == identity(ALICE).public
    again = alice.run("keys", "import", "backup.json", **{PASSPHRASE: "correct horse"})
    assert again.code == EXIT_USAGE
    assert "--replace" in again.err


def test_the_public_document_is_printed_for_a_pipe(alice: Shell) -> None:
    answer = alice.run("keys", "export")
    assert parse_public(answer.out.encode()) == identity(ALICE).public
    own = alice.run("keys", "import", "-", stdin=answer.out)
    assert own.code == EXIT_USAGE
    assert "whom you act as" in own.err


@pytest.mark.parametrize("content", ["", "{}", "not json", "[" * 5000])
def test_what_is_no_key_document_is_refused_in_a_sentence(alice: Shell, content: str) -> None:
    answer = alice.run("keys", "import", "-", stdin=content)
    assert answer.code == EXIT_TRUST
    assert answer.err.startswith("error: ")
    assert "Traceback" not in answer.err


def test_every_decision_is_in_the_record(alice: Shell) -> None:
    shown_another_key(alice)
    other = identity(BOB, "other").public
    alice.run("keys", "verify", BOB, "--words", identity(BOB).public.words)
    alice.run("keys", "trust", BOB, "--words", other.words)
    alice.run("keys", "revoke", BOB)
    entries = json.loads(alice.run("audit", "show", "--json").out)["data"]["entries"]
    assert [entry["event"] for entry in entries[1:]] == ["verified", "pinned", "revoked"]
    assert entries[2]["fingerprint"] == other.fingerprint


def test_errors_are_one_document_with_json(alice: Shell) -> None:
    answer = alice.run("keys", "verify", BOB, "--words", "acorn", "--json")
    document = json.loads(answer.out)
    assert answer.code == document["data"]["exit_code"] == EXIT_TRUST
    assert document["status"] == "error"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_nothing_that_was_left_behind_can_be_read_by_others(alice: Shell) -> None:
    alice.run("keys", "import", "bob.json")
    alice.run("keys", "rotate")
    for path in alice.home.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
