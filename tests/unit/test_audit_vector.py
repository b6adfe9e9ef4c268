"""The frozen log in ``tests/vectors/audit.jsonl``, read by a second reader written from the document alone.

The second reader shares no code with the package; `docs/consent-and-audit.md` is what it is written from.
"""

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from syft_flwr_cli.audit.log import AuditLog, verify
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity

VECTOR = Path(__file__).parent.parent / "vectors" / "audit.jsonl"
ALICE = Identity.create("alice@a.example", 1.7e9, bytes(range(SECRETS_SIZE)))


def write_vector(path: Path) -> None:
    """The log of the vector, from nothing but fixed keys, times and salts."""
    salts = iter(range(1, 100))
    common = {"clock": lambda: 1.7e9 + 0.125, "random": lambda size: next(salts).to_bytes(size, "big")}
    log = AuditLog(path, ALICE, **common)  # type: ignore[arg-type]
    log.append([{"event": "sent", "peer": "bob@b.example", "size": 4096, "digest": "ab" * 32}])
    log.append(
        [{"event": "refused", "reason": "signature", "sentence": 'Größe "x"\n', "late": True, "why": None}]
    )
    with path.open("ab") as stream:
        stream.write(b'{"seq":4,"time"')
    log.append([{"event": "received", "peer": "bob@b.example", "peer_head": "cd" * 32, "files": ["a", "b"]}])
    AuditLog(path, ALICE.rotate(1.7e9 + 9, bytes(reversed(range(SECRETS_SIZE)))), **common).append(  # type: ignore[arg-type]
        [{"event": "stopped", "time": 1700000010}]
    )


def test_the_log_is_written_as_it_was_frozen(tmp_path: Path) -> None:
    write_vector(tmp_path / "audit.jsonl")
    assert (tmp_path / "audit.jsonl").read_bytes() == VECTOR.read_bytes()


def test_the_frozen_log_verifies() -> None:
    report = verify(VECTOR, ALICE.public)
    assert (report.entries, report.repairs) == (7, 1)


def canonical(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def test_a_second_reader_agrees() -> None:
    before, number, key = "0" * 64, 0, None
    for line in VECTOR.read_bytes().split(b"\n")[:-1]:
        entry = json.loads(line)
        number += 1
        if "identity" in entry:
            key = Ed25519PublicKey.from_public_bytes(
                base64.b64decode(json.loads(entry["identity"])["signing_key"])
            )
        assert canonical(entry) == line
        assert (entry["seq"], entry["prev"]) == (number, before)
        content = {name: value for name, value in entry.items() if name not in ("prev", "hash", "sig")}
        digest = hashlib.sha256(b"syft-flwr audit entry 1\0" + canonical(content)).digest()
        link = b"syft-flwr audit link 1\0" + bytes.fromhex(before) + number.to_bytes(8, "big") + digest
        before = hashlib.sha256(link).hexdigest()
        assert entry["hash"] == before
        assert key is not None
        key.verify(bytes.fromhex(entry["sig"]), b"syft-flwr audit signature 1\0" + bytes.fromhex(before))
    assert number == 7
