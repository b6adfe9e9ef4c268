"""Envelopes and key documents, for any input: what was written is read, all else is refused."""

import hashlib
import json
import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE
from syft_flwr_cli.security.envelope import (
    MAX_BODY,
    Header,
    RefusedError,
    header_line,
    open_envelope,
    parse_header,
    read_envelope,
    write_envelope,
)
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity, parse_public


def identity(email: str) -> Identity:
    return Identity.create(email, 0, hashlib.shake_256(email.encode()).digest(SECRETS_SIZE))


ALICE, BOB = identity("alice@lab.example"), identity("bob@clinic.example")
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
TIMES = st.floats(0, 1e12)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    kind = draw(st.sampled_from(["request", "response"]))
    created, expires = sorted([draw(TIMES), draw(TIMES)])
    return Header(
        kind=kind,
        id=str(draw(st.uuids())),
        app=draw(st.from_regex(r"[a-z@][a-z0-9_@ -]{0,60}[a-z]", fullmatch=True)),
        run=str(draw(st.integers(0, 2**64 - 1))),
        sender=ALICE.email,
        recipient=BOB.email,
        endpoint=draw(st.sampled_from(["messages", "control"])),
        created=created,
        expires=expires,
        size=draw(st.integers(0, MAX_BODY)),
        answers=draw(DIGESTS) if kind == "response" else None,
        audit=draw(st.none() | DIGESTS),
    )


@settings(max_examples=150, deadline=None)
@given(header=headers(), rest=st.binary(max_size=50))
def test_any_header_is_read_as_it_was_written(header: Header, rest: bytes) -> None:
    line = header_line(header)
    assert parse_header(line + rest) == (header, len(line))


@settings(max_examples=60, deadline=None)
@given(header=headers(), body=st.binary(max_size=3000), sealed=st.booleans())
def test_any_message_is_opened_by_its_recipient(header: Header, body: bytes, sealed: bool) -> None:
    header = replace(header, suite=SUITE if sealed else SUITE_NONE)
    file = write_envelope(header, body, ALICE, BOB.public if sealed else None)
    envelope = read_envelope(file)
    assert open_envelope(envelope, BOB, ALICE.public, encryption=sealed) == body
    with pytest.raises(RefusedError):
        open_envelope(envelope, BOB, ALICE.public, encryption=not sealed)


FILE = write_envelope(
    Header(
        kind="request",
        id=str(uuid.UUID(int=7)),
        app="alice@lab.example_study_1",
        run="7",
        sender=ALICE.email,
        recipient=BOB.email,
        endpoint="messages",
        created=1.0,
        expires=2.0,
    ),
    b"body" * 50,
    ALICE,
    BOB.public,
)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(FILE) - 1), mask=st.integers(1, 255))
def test_any_changed_byte_is_refused(at: int, mask: int) -> None:
    changed = bytearray(FILE)
    changed[at] ^= mask
    with pytest.raises(RefusedError):
        open_envelope(read_envelope(bytes(changed)), BOB, ALICE.public, encryption=True)


@settings(max_examples=100, deadline=None)
@given(keep=st.integers(0, len(FILE) - 1), more=st.binary(min_size=1, max_size=100))
def test_any_cut_and_any_tail_is_refused(keep: int, more: bytes) -> None:
    for file in (FILE[:keep], FILE + more):
        with pytest.raises(RefusedError):
            read_envelope(file)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def only_refusals(parse, data: bytes) -> None:
    try:
        parse(data)
    except RefusedError as error:
        assert error.what


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=6000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (parse_header, read_envelope, parse_public):
        only_refusals(parse, data)


@settings(max_examples=400, deadline=None)
@given(
    key=st.sampled_from([*sorted(json.loads(FILE.partition(b"\n")[0])), "unknown"]),
    value=JSON,
)
def test_any_json_in_any_place_of_a_header_is_read_or_refused(key: str, value: object) -> None:
    fields = json.loads(FILE.partition(b"\n")[0])
    line = json.dumps(fields | {key: value}).encode() + b"\n"
    only_refusals(parse_header, line)
    only_refusals(read_envelope, line + FILE.partition(b"\n")[2])


DOCUMENT = ALICE.rotate(5, bytes(SECRETS_SIZE)).public.to_bytes()


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(DOCUMENT) - 1), mask=st.integers(1, 255))
def test_any_changed_byte_of_a_key_document_is_refused_or_breaks_its_rotation(at: int, mask: int) -> None:
    changed = bytearray(DOCUMENT)
    changed[at] ^= mask
    try:
        public = parse_public(bytes(changed))
    except RefusedError:
        return
    # The old key's signature is no part of what the new key signs; spoilt, it vouches for nothing.
    assert not ALICE.public.vouches_for(public)


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(sorted(json.loads(DOCUMENT))), value=JSON)
def test_any_json_in_any_place_of_a_key_document_is_refused(key: str, value: object) -> None:
    fields = json.loads(DOCUMENT)
    changed = json.dumps(fields | {key: value}, separators=(",", ":")).encode() + b"\n"
    if changed != DOCUMENT:
        with pytest.raises(RefusedError):
            parse_public(changed)
