"""The frozen vectors: what was written once is read for ever, by this code and by a second reader."""

import hashlib
import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from syft_flwr_cli.protocol.names import message_id, node_id
from syft_flwr_cli.security.envelope import RefusedError, header_line, open_envelope, read_envelope
from syft_flwr_cli.security.fingerprint_words import WORDS
from syft_flwr_cli.security.identity import Identity, PublicIdentity, parse_public
from syft_flwr_cli.security.sealing import SealedPayload, open_payload

HERE = Path(__file__).parent.parent / "vectors"
VECTORS: dict[str, Any] = json.loads((HERE / "vectors.json").read_text())
DOCUMENTS = sorted(VECTORS["fingerprints"])


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"vectors_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return load("reference")


def document(name: str) -> PublicIdentity:
    return parse_public((HERE / name).read_bytes())


def holder(name: str) -> Identity:
    return Identity(document(f"identity-{name}.json"), bytes.fromhex(VECTORS["secrets"][name]))


def sealing_seed(name: str) -> bytes:
    return bytes.fromhex(VECTORS["secrets"][name])[32:]


def test_the_second_reader_shares_no_code_with_the_first() -> None:
    assert "syft_flwr_cli" not in (HERE / "reference.py").read_text()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_identity_documents_are_read_byte_for_byte(name: str, reference: ModuleType) -> None:
    public = document(name)
    assert public.to_bytes() == (HERE / name).read_bytes()
    assert public.fingerprint == VECTORS["fingerprints"][name]
    assert public.words == VECTORS["words"][name]
    fields = reference.check_document((HERE / name).read_bytes())
    assert reference.fingerprint(fields) == public.fingerprint
    assert reference.phrase(public.fingerprint, WORDS) == public.words


def test_the_rotated_document_is_vouched_for(reference: ModuleType) -> None:
    assert document("identity-alice.json").vouches_for(document("identity-alice-rotated.json"))
    before = reference.check_document((HERE / "identity-alice.json").read_bytes())
    reference.check_document((HERE / "identity-alice-rotated.json").read_bytes(), before)


def test_revocations_say_what_they_revoke() -> None:
    assert document("identity-bob-revoked.json").revoked
    replaced = document("identity-alice-replaced.json")
    assert (replaced.revoked, replaced.revokes_previous) == (False, True)


def test_fixed_keys_make_the_same_documents_again() -> None:
    alice = Identity.create("alice@lab.example", 1750000000, bytes.fromhex(VECTORS["secrets"]["alice"]))
    assert alice.public.to_bytes() == (HERE / "identity-alice.json").read_bytes()
    rotated = alice.rotate(1750000002, bytes.fromhex(VECTORS["secrets"]["alice 2"]))
    assert rotated.public.to_bytes() == (HERE / "identity-alice-rotated.json").read_bytes()


@pytest.mark.parametrize(
    ("file", "sender", "recipient", "body"),
    [
        ("sealed.request", "alice", "bob", "request_body"),
        ("sealed.response", "bob", "alice", "response_body"),
    ],
)
def test_sealed_envelopes_open(
    file: str, sender: str, recipient: str, body: str, reference: ModuleType
) -> None:
    data = (HERE / file).read_bytes()
    envelope = read_envelope(data)
    signer = document(f"identity-{sender}.json")
    assert open_envelope(envelope, holder(recipient), signer, encryption=True).decode() == VECTORS[body]
    assert header_line(envelope.header) == envelope.line
    header, plain = reference.open_body(data, signer.signing_key, sealing_seed(recipient))
    assert plain.decode() == VECTORS[body]
    assert (header["sender"], header["recipient"]) == (envelope.header.sender, envelope.header.recipient)


def test_the_response_answers_the_request() -> None:
    response = read_envelope((HERE / "sealed.response").read_bytes())
    assert response.header.answers == hashlib.sha256((HERE / "sealed.request").read_bytes()).hexdigest()


def test_the_debugging_envelope_is_byte_for_byte_the_same_and_opens_only_in_debugging(
    reference: ModuleType,
) -> None:
    data = (HERE / "plain.request").read_bytes()
    alice, bob = holder("alice"), holder("bob")
    envelope = read_envelope(data)
    assert open_envelope(envelope, bob, alice.public, encryption=False).decode() == VECTORS["request_body"]
    with pytest.raises(RefusedError, match="encryption is on"):
        open_envelope(envelope, bob, alice.public, encryption=True)
    signature = alice.sign(b"syft-flwr envelope 1\0" + envelope.line + VECTORS["request_body"].encode())
    assert envelope.line + VECTORS["request_body"].encode() + signature == data
    assert reference.open_body(data, alice.public.signing_key, None)[1].decode() == VECTORS["request_body"]


@pytest.mark.parametrize("vector", VECTORS["payloads"], ids=lambda vector: str(vector["size"]))
def test_payload_files_are_byte_for_byte_the_same(vector: dict[str, Any], reference: ModuleType) -> None:
    key, size = bytes.fromhex(VECTORS["payload_key"]), vector["size"]
    content = load("make_vectors").payload_content(size)
    file = b"".join(bytes(chunk) for chunk in SealedPayload(key, [content]).chunks())
    assert len(file) == vector["file_size"]
    assert hashlib.sha256(file).hexdigest() == vector["file_sha256"]
    out = bytearray(size)
    digest = bytes.fromhex(vector["content_blake3"])
    open_payload(io.BytesIO(file), key, size, digest, memoryview(out))
    assert bytes(out) == content
    assert reference.open_payload(file, key, size, digest) == content


@pytest.mark.parametrize("vector", VECTORS["message_ids"], ids=lambda vector: vector["id"])
def test_message_ids_are_the_same(vector: dict[str, Any], reference: ModuleType) -> None:
    inputs = (vector["run"], vector["recipient"], vector["ordinal"], bytes.fromhex(vector["digest"]))
    assert message_id(*inputs) == reference.message_id(*inputs) == vector["id"]


@pytest.mark.parametrize("email", sorted(VECTORS["node_ids"]))
def test_node_ids_are_the_same(email: str, reference: ModuleType) -> None:
    assert str(node_id(email)) == str(reference.node_id(email)) == VECTORS["node_ids"][email]
