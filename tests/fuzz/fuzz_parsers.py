"""Fuzzing of everything that reads bytes from strangers.

    python tests/fuzz/fuzz_parsers.py                        a quick random run over every target
    python tests/fuzz/fuzz_parsers.py --runs 200000 envelope  a long one over one
    python tests/fuzz/fuzz_parsers.py --atheris envelope [libFuzzer's options]

Whatever the bytes: a target returns or raises `RefusedError`, within `MAX_SECONDS`, and never holds more than
`MAX_MEMORY` beyond its input. The random run mutates the kept corpus; with atheris (``pip install atheris``)
the run is guided by coverage and adds to the corpus what reaches something new.
"""

import argparse
import hashlib
import io
import json
import os
import random
import signal
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from flwr.proto import message_pb2
from google.protobuf.message import DecodeError

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
VECTORS = HERE.parent / "vectors"
MAX_MEMORY = 64 << 20
MAX_SECONDS = 10.0
MAX_INPUT = 64 << 10


@contextmanager
def instrumented(with_atheris: bool) -> Iterator[None]:
    """Let atheris see the branches of what is imported inside."""
    if with_atheris:
        import atheris

        with atheris.instrument_imports(include=["syft_flwr_cli", "json"]):
            yield
    else:
        yield


with instrumented("--atheris" in sys.argv):
    from syft_flwr_cli.audit import crate, statements
    from syft_flwr_cli.audit.entry import LineError, make_line, parse_line, withheld
    from syft_flwr_cli.catalogue.bundle import read_manifest
    from syft_flwr_cli.catalogue.datasets import Column, DataSet, data_set_document, read_data_set
    from syft_flwr_cli.catalogue.payload import Payload
    from syft_flwr_cli.catalogue.projects import (
        Offer,
        ProjectDecision,
        decision_document,
        offer_document,
        read_decision,
        read_offer,
    )
    from syft_flwr_cli.catalogue.records import Record, read_record, record_bytes
    from syft_flwr_cli.catalogue.rules import check_record
    from syft_flwr_cli.consent.manifest import Entry, Manifest
    from syft_flwr_cli.flower.control_api.fab import FabError, read_fab
    from syft_flwr_cli.flower.outline import outline
    from syft_flwr_cli.flower.reply_frame import error_of, with_own_metadata
    from syft_flwr_cli.protocol.body import decode_body
    from syft_flwr_cli.protocol.header import statement_of
    from syft_flwr_cli.protocol.rejection import RefusedError
    from syft_flwr_cli.protocol.strict_json import canonical, read_object
    from syft_flwr_cli.security.envelope import (
        Envelope,
        is_stated_by,
        open_envelope,
        parse_header,
        read_envelope,
        read_statement,
    )
    from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity, parse_public
    from syft_flwr_cli.security.key_file import parse_key_file
    from syft_flwr_cli.security.presence import make_presence, read_presence
    from syft_flwr_cli.security.sealing import (
        DIGEST_SIZE,
        KEY_SIZE,
        SealedPayload,
        content_digest,
        open_payload,
    )


class FoundError(Exception):
    """An input that a parser does not bear."""


def participant(name: str, email: str) -> Identity:
    """A participant of the frozen vectors."""
    secrets = hashlib.shake_256(f"syft-flwr vector {name}".encode()).digest(SECRETS_SIZE)
    return Identity.create(email, 1750000000, secrets)


ALICE = participant("alice", "alice@lab.example")
BOB = participant("bob", "bob@clinic.example")


def envelope(data: bytes) -> None:
    """A whole file, as it is found in a folder."""
    _open_both_ways(read_envelope(data))


def signed(data: bytes) -> None:
    """Line and body as a participant gone bad signs them: everything after the signature check is reached."""
    _open_both_ways(read_envelope(data + ALICE.sign(b"syft-flwr envelope 1\0" + data)))


def payload(data: bytes) -> None:
    """Announced size (8 bytes) and digest (32), then the file; under a key of zeros."""
    size, digest = int.from_bytes(data[:8], "big"), data[8 : 8 + DIGEST_SIZE]
    open_payload(io.BytesIO(data[8 + DIGEST_SIZE :]), bytes(KEY_SIZE), size, digest, None)


def entry(data: bytes) -> None:
    """A line of somebody's audit log."""
    try:
        withheld(parse_line(data))
    except LineError as error:
        raise RefusedError("garbage", str(error)) from error


def written_entry(data: bytes) -> None:
    """The same, with the chain and the signature as a participant gone bad makes them, so that all else is reached."""
    fields = read_object(data, "It")
    number = fields.pop("seq", 1)
    fields = {key: fields[key] for key in fields if key not in ("prev", "hash", "sig", "salt")}
    fields = {"time": 0, "event": "sent", **fields}
    seq = number if type(number) is int and 0 < number < 1 << 63 else 1
    try:
        line, _ = make_line(seq, fields, "00", "0" * 64, ALICE.sign)
    except Exception:
        return  # what cannot be written at all is nobody's line
    entry(line)


def statement(data: bytes) -> None:
    """A first line that was kept as evidence."""
    header = read_statement(data)
    statement_of(header)
    is_stated_by(header, [ALICE.public, BOB.public])


def record(data: bytes) -> None:
    """A record of any kind, as it comes out of its seal, with the rules of its kind."""
    check_record(BOB.email, ALICE.email, read_record(data))


def offer(data: bytes) -> None:
    """What a record says of a project that is offered."""
    read_offer(read_object(data, "It"))


def decision(data: bytes) -> None:
    """What a record says of a decision."""
    read_decision(read_object(data, "It"))


def data_set(data: bytes) -> None:
    """What a record says of a data set."""
    read_data_set(read_object(data, "It"))


def bundle(data: bytes) -> None:
    """A project's files in one string; the names in it are checked, nothing is written."""
    read_manifest(memoryview(data))


def presence(data: bytes) -> None:
    """A sign of life as it lies there, and signed as a participant gone bad signs it."""
    with suppress(RefusedError):
        read_presence(data, ALICE.public)
    document = read_object(data, "It")
    document.pop("signature", None)
    stated = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    signature = ALICE.sign(b"syft-flwr presence v1\0" + stated).hex()
    read_presence(json.dumps({**document, "signature": signature}).encode(), ALICE.public)


def dsse(data: bytes) -> None:
    """A statement in an envelope, by whomever it is signed."""
    with _refused(statements.StatementError):
        statements.read_envelope(data, lambda keyid, signed, signature: True)


def checkpoint(data: bytes) -> None:
    """A signed note, whoever signed it."""
    with _refused(statements.StatementError):
        statements.read_checkpoint(data, bytes(32), lambda signed, signature: True)


def evidence(data: bytes) -> None:
    """An evidence file."""
    with _refused(crate.BrokenCrateError):
        crate.unpack(data)


def fab(data: bytes) -> None:
    """An app bundle, as ``flwr run`` sends it."""
    with _refused(FabError):
        read_fab(data)


def skeleton(data: bytes) -> None:
    """What an app replies, as its owner's egress rules look at it: they see what Flower's own reader sees."""
    with _refused(ValueError):
        seen = outline(data, [], [])
        error = error_of(data)
        own = data if error else with_own_metadata(data, data, "1", "train", 1.75e9)
    try:
        read = message_pb2.Message.FromString(data)
    except DecodeError:
        return  # nobody sees anything in it
    records = {item.key: getattr(item, item.WhichOneof("value")) for item in read.content.items}
    assert sorted(seen.records) == sorted(records)
    assert {(one.record, one.name) for one in (*seen.arrays, *seen.metrics, *seen.config)} == {
        (name, item.key) for name, found in records.items() for item in found.items
    }
    assert error == ((read.error.code, read.error.reason) if read.HasField("error") else None)
    assert message_pb2.Message.FromString(own).content == read.content


TARGETS: dict[str, Callable[[bytes], object]] = {
    "header": parse_header,
    "envelope": envelope,
    "signed": signed,
    "document": parse_public,
    "keyfile": parse_key_file,
    "payload": payload,
    "body": decode_body,
    "entry": entry,
    "written": written_entry,
    "statement": statement,
    "record": record,
    "offer": offer,
    "decision": decision,
    "dataset": data_set,
    "bundle": bundle,
    "presence": presence,
    "dsse": dsse,
    "checkpoint": checkpoint,
    "evidence": evidence,
    "fab": fab,
    "skeleton": skeleton,
}


def seeds(target: str) -> list[bytes]:
    """Well-formed inputs to begin with."""
    if target in STATED:
        return STATED[target]()
    files = [path.read_bytes() for path in sorted(VECTORS.glob("*.re*"))]
    if target in ("entry", "written"):
        lines = [line + b"\n" for line in (VECTORS / "audit.jsonl").read_bytes().splitlines()]
        return lines if target == "entry" else [line[:-1] for line in lines]
    if target in ("header", "statement"):
        return [file[: file.index(b"\n") + 1] for file in files]
    if target == "envelope":
        return files
    if target == "signed":
        return [file[:-64] for file in files]
    if target == "document":
        return [path.read_bytes() for path in sorted(VECTORS.glob("identity-*.json"))]
    if target == "keyfile":
        salt = bytes(28)
        return [ALICE.key_file(None), BOB.rotate(1, bytes(SECRETS_SIZE)).key_file(None), _protected(salt)]
    if target == "payload":
        return [_payload(content) for content in (b"", b"a", b"content" * 40)]
    meta = (
        b'{"type":"train","group":"1","round":2,"skeleton":3,"slots":[[["arrays","w"],0,0,8],[["a","b",1],-1,0,2]],'
        b'"payloads":[["0b8c5d7e-3c1f-8a2b-9d4e-5f6a7b8c9d0e","all","'
        + b"00" * 32
        + b'",8,"'
        + b"11" * 32
        + b'"]],'
        b'"acks":["0b8c5d7e-3c1f-8a2b-9d4e-5f6a7b8c9d0e"],"code":null,"error":[1,"no"],"facts":{"action":"stop"}}'
    )
    return [len(meta).to_bytes(4, "big") + meta + b"pro" + b"in"]


def _offers() -> list[Offer]:
    tree = Payload("0b8c5d7e-3c1f-8a2b-9d4e-5f6a7b8c9d0e", bytes(32), 1000, bytes(32))
    first = Offer(
        id="0b8c5d7e-3c1f-8a2b-9d4e-5f6a7b8c9d0e",
        app_name=f"{ALICE.email}_study_1750000000",
        project="study",
        version="1.0",
        revision=1,
        digest="0" * 64,
        message="Please.",
        datasites=(BOB.email,),
        tree=tree,
    )
    return [first, replace(first, revision=2, tree=None, withdrawn=True)]


def _decisions() -> list[ProjectDecision]:
    first = ProjectDecision(_offers()[0].id, f"{BOB.email}_study_1750000000", "0" * 64, "approve", 1.8e9)
    return [first, replace(first, choice="reject", until=None, message="No.")]


def _data_sets() -> list[DataSet]:
    mock = _offers()[0].tree
    first = DataSet("heart", "Hearts.", (Column("age", "integer"), Column("sex")), 2, 1000)
    return [first, replace(first, mock=mock, mock_digest="0" * 64)]


def _records() -> list[bytes]:
    stated = [
        *(("offer", one.app_name, offer_document(one)) for one in _offers()),
        *(("decision", one.app_name, decision_document(one)) for one in _decisions()),
        *(("dataset", one.name, data_set_document(one)) for one in _data_sets()),
        ("leave", "", {"reason": "moved away"}),
    ]
    return [record_bytes(Record(kind, key, 7, 1.75e9, content)) for kind, key, content in stated]


def _bundles() -> list[bytes]:
    files = {"app/__init__.py": b"", "app/client_app.py": b"x = 1\n", "pyproject.toml": b"[project]\n"}
    entries = tuple(
        Entry(path, "100644", len(content), hashlib.sha256(content).hexdigest())
        for path, content in files.items()
    )
    listing = Manifest(entries).to_bytes()
    return [b"syft-flwr bundle 1 %d\n" % len(listing) + listing + b"".join(files.values())]


def _dsse() -> list[bytes]:
    body = statements.statement({"study": "0" * 64}, "approval", {"decision": "approve", "time": 1.75e9})
    return [statements.envelope(body, ALICE.public.fingerprint, ALICE.sign)]


def _evidence() -> list[bytes]:
    members = crate.bag({"ro-crate-metadata.json": b"{}", "log/ä.jsonl": b"x\n"}, {"Contact-Name": "a"})
    return [crate.pack({**members, crate.SIGNATURE: b"{}"})]


def _fabs() -> list[bytes]:
    config = (
        b'[project]\nname = "study"\nversion = "1.0"\n[tool.flwr.app]\npublisher = "lab"\n'
        b'[tool.flwr.app.components]\nserverapp = "a:app"\nclientapp = "b:app"\n'
        b"[tool.flwr.app.config]\nrate = 0.1\n"
    )
    found = []
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", kind) as archive:
            for name, content in {"pyproject.toml": config, "app/client_app.py": b"x = 1\n" * 50}.items():
                archive.writestr(zipfile.ZipInfo(name), content, kind)
        found.append(out.getvalue())
    return found


def _skeletons() -> list[bytes]:
    whole, failed = message_pb2.Message(), message_pb2.Message()
    for message in (whole, failed):
        message.metadata.message_type, message.metadata.ttl, message.metadata.created_at = (
            "train",
            60.0,
            1.7e9,
        )
    arrays = whole.content.items.add(key="arrays").array_record.items.add(key="w").value
    arrays.dtype, arrays.stype, arrays.data = "float32", "numpy.ndarray", bytes(8)
    arrays.shape.extend([2, 1])
    metrics = whole.content.items.add(key="metrics").metric_record.items
    metrics.add(key="loss").value.double = 0.5
    metrics.add(key="num-examples").value.sint64 = -3
    metrics.add(key="per-class").value.double_list.vals.extend([0.1, 0.2])
    config = whole.content.items.add(key="config").config_record.items
    config.add(key="lr").value.double = 0.1
    config.add(key="names").value.string_list.vals.extend(["a", "b"])
    failed.error.code, failed.error.reason = 2, "no"
    return [whole.SerializeToString(), failed.SerializeToString()]


STATED: dict[str, Callable[[], list[bytes]]] = {
    "record": _records,
    "offer": lambda: [canonical(offer_document(one)) for one in _offers()],
    "decision": lambda: [canonical(decision_document(one)) for one in _decisions()],
    "dataset": lambda: [canonical(data_set_document(one)) for one in _data_sets()],
    "bundle": _bundles,
    "presence": lambda: [make_presence(ALICE, 1.75e9)],
    "dsse": _dsse,
    "checkpoint": lambda: [
        statements.checkpoint_note(
            statements.Checkpoint(ALICE.email, number, "ab" * 32), bytes(32), ALICE.sign
        )
        for number in (0, 17)
    ],
    "evidence": _evidence,
    "fab": _fabs,
    "skeleton": _skeletons,
}
"""The same for what participants state to each other, by target."""


def corpus(target: str) -> list[bytes]:
    """What is kept for a target, oldest knowledge first."""
    kept = sorted((CORPUS / target).glob("*"))
    return seeds(target) + [path.read_bytes() for path in kept]


@dataclass
class Figures:
    """What a run over one target came to."""

    inputs: int = 0
    well_formed: int = 0
    most_memory: int = 0
    most_seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.inputs:>9} inputs, {self.well_formed} well-formed, "
            f"at most {self.most_memory / 1048576:.1f} MiB and {self.most_seconds * 1000:.0f} ms for one"
        )


def check(target: str, data: bytes, figures: Figures) -> None:
    """Run one input; `FoundError` if it is one that a parser does not bear."""
    run = TARGETS[target]
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    started = time.perf_counter()
    try:
        with _alarm():
            run(data)
        figures.well_formed += 1
    except RefusedError:
        pass
    except Exception as error:
        raise FoundError(f"{target}: {type(error).__name__}: {error}, input {data[:200]!r}") from error
    seconds = time.perf_counter() - started
    memory = tracemalloc.get_traced_memory()[1] - before
    figures.inputs += 1
    figures.most_memory = max(figures.most_memory, memory)
    figures.most_seconds = max(figures.most_seconds, seconds)
    if memory > MAX_MEMORY:
        raise FoundError(f"{target}: {memory} bytes of memory, input {data[:200]!r}")


@contextmanager
def measuring() -> Iterator[None]:
    """Count allocations while inside."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


TOKENS = [
    *(b"null true false NaN Infinity -0 1e999 1e-999 {} [] \"\" \\ud800 \\u0000 \\ud83d".split(b" ")),
    *(b'"version":2 "version":1.0 "suite":"none" "kind":"response" "size":67108864 "size":-1'.split(b" ")),
    *(b"9" * 30, b"[" * 1500, b'{"a":' * 300, b"\n", b"\0", b"\xff\xfe", b",", b":", b"../", b"@"),
    *(b" " * 500, b"0" * 64, bytes(16), b"\xff" * 8, b"\x80" + bytes(7), (1 << 52).to_bytes(8, "big")),
]  # fmt: skip


def mutated(data: bytes, pool: list[bytes], chance: random.Random) -> bytes:
    """``data`` with a few things gone wrong."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        size = len(data)
        at, to = sorted((chance.randint(0, size), chance.randint(0, min(size + 64, size))))
        end = min(size, at + chance.choice((1, 2, 4, 16, 200)))
        kind = chance.randrange(9)
        if kind == 0 and size:
            place = chance.randrange(size)
            data = data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
        elif kind == 1:
            data = data[:at] + chance.randbytes(end - at) + data[end:]
        elif kind == 2:
            data = data[:at] + data[end:]
        elif kind == 3:
            data = data[:to] + data[at:]
        elif kind == 4:
            data = data[:at] + chance.choice(TOKENS) + data[at:]
        elif kind == 5:
            data = data[:at] + chance.choice(TOKENS) + data[end:]
        elif kind == 6:
            other = chance.choice(pool)
            cut = chance.randint(0, len(other))
            data = data[:at] + other[cut:]
        elif kind == 7:
            data = data[:at]
        else:
            data = _digits_changed(data, chance)
    return data[:MAX_INPUT]


def random_run(target: str, runs: int, seed: int) -> Figures:
    """Mutate the corpus ``runs`` times."""
    chance = random.Random(f"{seed} {target}")
    pool = corpus(target)
    figures = Figures()
    for data in pool:
        check(target, data, figures)
    while figures.inputs < runs:
        check(target, mutated(chance.choice(pool), pool, chance), figures)
    return figures


def guided_run(target: str, options: list[str]) -> None:
    """Hand over to libFuzzer, which ends the process; every bound of `check` holds for every input."""
    import atheris

    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for data in seeds(target):
        (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    figures = Figures()
    tracemalloc.start()
    bounds = [f"-max_len={MAX_INPUT}", f"-timeout={MAX_SECONDS:.0f}", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *bounds, *options, str(folder)], lambda data: check(target, data, figures))
    atheris.Fuzz()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS), help="all of them if not given")
    parser.add_argument("--runs", type=int, default=20_000, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--atheris", action="store_true", help="guided by coverage; one target")
    given, options = parser.parse_known_args()
    if given.atheris:
        if given.target is None:
            parser.error("--atheris takes one target")
        guided_run(given.target, options)
        return
    print(f"seed {given.seed}")
    with measuring():
        for target in [given.target] if given.target else TARGETS:
            print(f"{target:<9} {random_run(target, given.runs, given.seed)}", flush=True)


@contextmanager
def _refused(kind: type[Exception]) -> Iterator[None]:
    """Take the error with which a parser refuses for a refusal."""
    try:
        yield
    except kind as error:
        raise RefusedError("garbage", str(error)) from error


def _open_both_ways(found: Envelope) -> None:
    for encryption in (True, False):
        with suppress(RefusedError):
            open_envelope(found, BOB, ALICE.public, encryption)


def _payload(content: bytes) -> bytes:
    file = b"".join(bytes(chunk) for chunk in SealedPayload(bytes(KEY_SIZE), [content]).chunks())
    return len(content).to_bytes(8, "big") + content_digest([content]) + file


def _protected(salt: bytes) -> bytes:
    text = ALICE.key_file(None)
    protection = b'"protection":{"kdf":"scrypt","salt":"' + b"A" * 22 + b'==","nonce":"' + b"A" * 16 + b'"},'
    return text.replace(b'"secrets"', protection + b'"secrets"') if salt else text


def _digits_changed(data: bytes, chance: random.Random) -> bytes:
    places = [place for place, byte in enumerate(data[:4096]) if 48 <= byte <= 57]
    if not places:
        return data
    place = chance.choice(places)
    return data[:place] + chance.choice((b"0", b"9", b"-1", b"1e9", b"00", b"4294967296")) + data[place + 1 :]


@contextmanager
def _alarm() -> Iterator[None]:
    """Raise out of an input that takes too long, where the platform can."""
    if not hasattr(signal, "setitimer") or "--atheris" in sys.argv:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hung(*_: object) -> None:
    raise TimeoutError(f"an input took more than {MAX_SECONDS:.0f} s")


if hasattr(signal, "SIGALRM") and __name__ == "__main__" and "--atheris" not in sys.argv:
    signal.signal(signal.SIGALRM, _hung)

if __name__ == "__main__":
    main()
