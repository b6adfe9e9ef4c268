"""The envelope: what is accepted, and that everything else is refused for the right reason."""

import hashlib
import json
from dataclasses import replace

import pytest

from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE
from syft_flwr_cli.security.envelope import (
    MAX_BODY,
    MAX_HEADER,
    REASONS,
    Header,
    RefusedError,
    header_line,
    open_envelope,
    parse_header,
    read_envelope,
    write_envelope,
)
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity

BODY = b"the body, which nobody else may read"


def identity(email: str, seed: str = "") -> Identity:
    return Identity.create(email, 0, hashlib.shake_256((email + seed).encode()).digest(SECRETS_SIZE))


ALICE = identity("alice@lab.example")
BOB = identity("bob@clinic.example")
MALLORY = identity("mallory@evil.example")

REQUEST = Header(
    kind="request",
    id="0b8c5d7e-3c1f-8a2b-9d4e-5f6a7b8c9d0e",
    app="alice@lab.example_study_1750000000",
    run="7311942004411223344",
    sender=ALICE.email,
    recipient=BOB.email,
    endpoint="messages",
    created=1750000000.25,
    expires=1750003600.25,
    audit="ab" * 32,
)


def written(header: Header = REQUEST) -> bytes:
    return write_envelope(header, BODY, ALICE, BOB.public)


def header_with(**changes: object) -> bytes:
    fields = json.loads(header_line(REQUEST)) | changes
    return json.dumps({name: value for name, value in fields.items() if value != "(gone)"}).encode() + b"\n"


def reason_of(data: bytes) -> str:
    with pytest.raises(RefusedError) as refused:
        parse_header(data)
    assert str(refused.value).endswith(".")
    return refused.value.reason


def test_the_recipient_reads_what_the_sender_wrote() -> None:
    envelope = read_envelope(written())
    assert open_envelope(envelope, BOB, ALICE.public, encryption=True) == BODY
    assert envelope.header == replace(REQUEST, suite=SUITE, size=envelope.header.size)


def test_the_first_line_is_readable_and_the_body_is_not() -> None:
    file = written()
    line, _, rest = file.partition(b"\n")
    shown = json.loads(line)
    assert list(shown)[:2] == ["format", "version"]
    assert shown["sender"] == ALICE.email
    assert shown["size"] == len(rest) - 64
    assert BODY not in file


def test_a_response_names_the_request_it_answers() -> None:
    request = read_envelope(written())
    answer = replace(
        REQUEST, kind="response", sender=BOB.email, recipient=ALICE.email, answers=request.digest, audit=None
    )
    response = read_envelope(write_envelope(answer, b"", BOB, ALICE.public))
    assert response.header.answers == hashlib.sha256(written_again(request)).hexdigest()
    assert open_envelope(response, ALICE, BOB.public, encryption=True) == b""


def written_again(envelope) -> bytes:
    return bytes(envelope.signed) + envelope.signature


def test_a_header_in_another_layout_is_read_and_signed_as_it_lies_there() -> None:
    spaced = header_with(note="added later").replace(b",", b" ,  ")
    header, start = parse_header(spaced + b"body")
    assert start == len(spaced)
    assert header == parse_header(header_line(REQUEST))[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "garbage"),
        (b"\n", "garbage"),
        (b"no json\n", "garbage"),
        (b"[]\n", "garbage"),
        (b"\xff\xfe\n", "garbage"),
        (b"[" * 4000 + b"\n", "garbage"),
        (b'{"a":' * 700 + b"\n", "garbage"),
        (b"{" + b" " * MAX_HEADER, "oversized"),
        (b" " * (MAX_HEADER - 1), "garbage"),
        (header_with(format="something else"), "garbage"),
        (header_with(version=2), "version"),
        (header_with(version=True), "garbage"),
        (header_with(version=0), "garbage"),
        (header_with(version="1"), "garbage"),
        (header_with(suite="ROT13"), "version"),
        (header_with(suite=None), "garbage"),
        (header_with(kind="command"), "garbage"),
        (header_with(kind=["request"]), "garbage"),
        (header_with(id="0B8C5D7E-3C1F-8A2B-9D4E-5F6A7B8C9D0E"), "garbage"),
        (header_with(id="../../etc/passwd"), "garbage"),
        (header_with(id=7), "garbage"),
        (header_with(app="../other"), "garbage"),
        (header_with(endpoint="a/b"), "garbage"),
        (header_with(endpoint=".hidden"), "garbage"),
        (header_with(sender="Alice@lab.example"), "garbage"),
        (header_with(sender=" alice@lab.example"), "garbage"),
        (header_with(sender="\u0430lice@lab.example"), "garbage"),
        (header_with(recipient="bob@\u212alinic.example"), "garbage"),
        (header_with(recipient="../bob@clinic.example"), "garbage"),
        (header_with(recipient="(gone)"), "garbage"),
        (header_with(run=7), "garbage"),
        (header_with(run="007"), "garbage"),
        (header_with(run="-1"), "garbage"),
        (header_with(run=str(1 << 64)), "garbage"),
        (header_with(run="\u0667"), "garbage"),
        (header_with(created=-1), "garbage"),
        (header_with(created="now"), "garbage"),
        (header_with(created=True), "garbage"),
        (header_with(expires=1), "garbage"),
        (header_with(expires=1e13), "garbage"),
        (header_with(size=-1), "garbage"),
        (header_with(size=1.5), "garbage"),
        (header_with(size=True), "garbage"),
        (header_with(size=MAX_BODY + 1), "oversized"),
        (header_with(size=10**300), "oversized"),
        (header_with(answers="ab" * 32), "garbage"),
        (header_with(kind="response"), "garbage"),
        (header_with(kind="response", answers="AB" * 32), "garbage"),
        (header_with(kind="response", answers=[]), "garbage"),
        (header_with(audit="ab"), "garbage"),
        (header_with().replace(b"1750000000.25", b"NaN"), "garbage"),
        (header_with().replace(b"1750000000.25", b"1e999"), "garbage"),
        (header_with().replace(b"1750003600.25", b"-Infinity"), "garbage"),
        (header_with(note=1).replace(b'"note": 1', b'"note": 1e999'), "garbage"),
        (header_with().replace(b'"version": 1,', b'"version": 1, "version": 1,'), "garbage"),
    ],
)
def test_a_header_that_is_not_one_is_refused(data: bytes, reason: str) -> None:
    assert reason in REASONS
    assert reason_of(data) == reason


def test_a_later_version_is_refused_with_the_version_that_is_read_here() -> None:
    with pytest.raises(RefusedError, match=r"version 9; .* reads version 1") as refused:
        parse_header(header_with(version=9))
    assert refused.value.hint == "Update syft-flwr."


@pytest.mark.parametrize(
    "change", [lambda file: file[:-1], lambda file: file + b"\0", lambda file: file[:300]]
)
def test_a_file_of_another_length_than_its_header_says_is_damaged(change) -> None:
    with pytest.raises(RefusedError) as refused:
        read_envelope(change(written()))
    assert refused.value.reason in ("damaged", "garbage")


def refusal(
    data: bytes, me: Identity = BOB, sender: Identity = ALICE, encryption: bool = True
) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        open_envelope(read_envelope(data), me, sender.public, encryption)
    return refused.value


@pytest.mark.parametrize("place", ["header", "body", "signature"])
def test_one_flipped_bit_breaks_the_signature(place: str) -> None:
    file = bytearray(written())
    at = {"header": file.index(b"7311942004411223344"), "body": file.index(b"\n") + 500, "signature": -1}[
        place
    ]
    file[at] ^= 1
    assert refusal(bytes(file)).reason == "signature"


def test_a_message_signed_by_another_is_refused_even_under_the_right_name() -> None:
    header = replace(REQUEST, sender=MALLORY.email)
    forged = write_envelope(header, BODY, MALLORY, BOB.public)
    assert refusal(forged).reason == "stranger"
    renamed = forged.replace(MALLORY.email.encode(), ALICE.email.encode())
    assert refusal(renamed).reason == "signature"


def test_a_message_for_another_is_refused_before_any_key_is_tried() -> None:
    assert refusal(written(), me=MALLORY).reason == "misaddressed"


def test_a_message_sealed_for_another_but_addressed_to_me_is_undecryptable() -> None:
    misdirected = identity(BOB.email, "other keys")
    file = write_envelope(REQUEST, BODY, ALICE, misdirected.public)
    assert refusal(file).reason == "undecryptable"


def test_a_body_does_not_open_under_another_header_even_if_its_sender_signs_that() -> None:
    body = bytes(read_envelope(written()).body)
    line = header_line(replace(REQUEST, run="8", suite=SUITE, size=len(body)))
    respliced = line + body + ALICE.sign(b"syft-flwr envelope 1\0" + line + body)
    assert refusal(respliced).reason == "undecryptable"


def test_a_message_signed_with_a_revoked_key_is_refused() -> None:
    assert refusal(written(), sender=ALICE.revoke()).reason == "key"


def test_encryption_on_refuses_what_is_not_sealed() -> None:
    plain = write_envelope(replace(REQUEST, suite=SUITE_NONE), BODY, ALICE, None)
    assert BODY in plain
    refused = refusal(plain)
    assert refused.reason == "plaintext"
    assert ALICE.email in refused.what
    assert "SYFT_FLWR_ENCRYPTION_ENABLED" in refused.hint


def test_encryption_off_refuses_what_is_sealed_and_says_why() -> None:
    refused = refusal(written(), encryption=False)
    assert refused.reason == "plaintext"
    assert "encryption is off here" in refused.what


def test_encryption_off_on_both_sides_still_signs() -> None:
    plain = write_envelope(replace(REQUEST, suite=SUITE_NONE), BODY, ALICE, None)
    assert open_envelope(read_envelope(plain), BOB, ALICE.public, encryption=False) == BODY
    assert refusal(plain.replace(BODY, BODY.upper()), encryption=False).reason == "signature"


def test_a_forged_downgrade_to_no_sealing_breaks_the_signature() -> None:
    envelope = read_envelope(written())
    line = header_line(replace(envelope.header, suite=SUITE_NONE, size=len(BODY)))
    assert refusal(line + BODY + envelope.signature).reason == "signature"


def test_without_a_key_nothing_is_written() -> None:
    with pytest.raises(TrustError, match=r"no key of bob@clinic\.example"):
        write_envelope(REQUEST, BODY, ALICE, None)


def test_nothing_is_sealed_to_the_key_of_another_or_a_revoked_one() -> None:
    with pytest.raises(TrustError, match="cannot be sealed to"):
        write_envelope(REQUEST, BODY, ALICE, MALLORY.public)
    with pytest.raises(TrustError, match="revoked"):
        write_envelope(REQUEST, BODY, ALICE, BOB.revoke().public)
    with pytest.raises(TrustError, match="cannot be signed by"):
        write_envelope(REQUEST, BODY, MALLORY, BOB.public)


@pytest.mark.parametrize(
    "changes",
    [{"id": "1"}, {"app": "a/b"}, {"created": 1e15}, {"kind": "response"}, {"endpoint": ""}, {"run": "x"}],
)
def test_what_could_not_be_read_is_not_sent(changes: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="cannot be sent"):
        header_line(replace(REQUEST, **changes))


def test_a_body_beyond_the_bound_is_not_sent() -> None:
    with pytest.raises(UsageError, match="announced"):
        write_envelope(REQUEST, bytes(MAX_BODY), ALICE, BOB.public)


def test_the_digest_is_that_of_the_whole_file() -> None:
    file = written()
    assert read_envelope(file).digest == hashlib.sha256(file).hexdigest()


def test_what_was_sealed_before_a_rotation_opens_after_it_unless_the_key_was_revoked() -> None:
    file = written()
    seed = bytes(range(128))
    assert open_envelope(read_envelope(file), BOB.rotate(1, seed), ALICE.public, True) == BODY
    assert refusal(file, me=BOB.rotate(1, seed, revoke=True)).reason == "undecryptable"


def test_a_reason_that_is_not_one_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no reason"):
        RefusedError("because", "No.")
