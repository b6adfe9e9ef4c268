"""Make the frozen vectors anew: ``python tests/vectors/make_vectors.py``. Done once for each format version.

The keys are fixed; sealing is random, so the sealed files differ each time they are made. What is
committed stays as it is: a reader that no longer opens it has broken the format.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from syft_flwr_cli.protocol.names import message_id, node_id
from syft_flwr_cli.protocol.suites import SUITE_NONE
from syft_flwr_cli.security.envelope import Header, read_envelope, write_envelope
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.security.sealing import CHUNK, SealedPayload, content_digest

HERE = Path(__file__).parent
ALICE, BOB = "alice@lab.example", "bob@clinic.example"
REQUEST_BODY = b"what the aggregator asks of the data owner"
RESPONSE_BODY = b"what the data owner answers"
PAYLOAD_KEY = bytes(range(32))


def secrets_of(name: str) -> bytes:
    """The private keys of a made-up participant: SHAKE-256 of a name."""
    return hashlib.shake_256(f"syft-flwr vector {name}".encode()).digest(SECRETS_SIZE)


def payload_content(size: int) -> bytes:
    """The bytes 0 to 250, again and again."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def payload(size: int) -> dict[str, Any]:
    """What is kept of a payload: the digests of content and file."""
    content = payload_content(size)
    file = b"".join(bytes(chunk) for chunk in SealedPayload(PAYLOAD_KEY, [content]).chunks())
    return {
        "size": size,
        "content_blake3": content_digest([content]).hex(),
        "file_size": len(file),
        "file_sha256": hashlib.sha256(file).hexdigest(),
    }


def main() -> None:
    """Write every vector beside this file."""
    alice = Identity.create(ALICE, 1750000000, secrets_of("alice"))
    bob = Identity.create(BOB, 1750000001, secrets_of("bob"))
    rotated = alice.rotate(1750000002, secrets_of("alice 2"))
    documents = {
        "identity-alice.json": alice,
        "identity-bob.json": bob,
        "identity-alice-rotated.json": rotated,
        "identity-bob-revoked.json": bob.revoke(),
        "identity-alice-replaced.json": alice.rotate(1750000003, secrets_of("alice 3"), revoke=True),
    }
    for name, identity in documents.items():
        (HERE / name).write_bytes(identity.public.to_bytes())

    digest = hashlib.sha256(b"content").digest()
    request = Header(
        kind="request",
        id=message_id("7311942004411223344", BOB, 3, digest),
        app=f"{ALICE}_study_1750000000",
        run="7311942004411223344",
        sender=ALICE,
        recipient=BOB,
        endpoint="messages",
        created=1750000010.5,
        expires=1750003610.5,
        audit="0123456789abcdef" * 4,
    )
    sealed = write_envelope(request, REQUEST_BODY, alice, bob.public)
    response = replace(
        request,
        kind="response",
        sender=BOB,
        recipient=ALICE,
        created=1750000020.0,
        answers=read_envelope(sealed).digest,
        audit=None,
    )
    (HERE / "sealed.request").write_bytes(sealed)
    (HERE / "sealed.response").write_bytes(write_envelope(response, RESPONSE_BODY, bob, alice.public))
    plain = write_envelope(replace(request, suite=SUITE_NONE), REQUEST_BODY, alice, None)
    (HERE / "plain.request").write_bytes(plain)

    vectors = {
        "secrets": {name: secrets_of(name).hex() for name in ("alice", "bob", "alice 2")},
        "fingerprints": {name: one.public.fingerprint for name, one in documents.items()},
        "words": {name: one.public.words for name, one in documents.items()},
        "request_body": REQUEST_BODY.decode(),
        "response_body": RESPONSE_BODY.decode(),
        "payload_key": PAYLOAD_KEY.hex(),
        "payloads": [payload(size) for size in (0, 1, CHUNK, CHUNK + 1)],
        "message_ids": [
            {
                "run": run,
                "recipient": who,
                "ordinal": at,
                "digest": digest.hex(),
                "id": message_id(run, who, at, digest),
            }
            for run, who, at in (
                ("7311942004411223344", BOB, 3),
                ("0", ALICE, 0),
                ("18446744073709551615", BOB, 10**6),
            )
        ],
        "node_ids": {email: str(node_id(email)) for email in (ALICE, BOB, "a@b.c")},
    }
    (HERE / "vectors.json").write_text(json.dumps(vectors, indent=2) + "\n")


if __name__ == "__main__":
    main()
