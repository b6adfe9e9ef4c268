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
import os
import random
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

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
    from syft_flwr_cli.audit.entry import LineError, make_line, parse_line, withheld
    from syft_flwr_cli.protocol.body import decode_body
    from syft_flwr_cli.protocol.header import statement_of
    from syft_flwr_cli.protocol.rejection import RefusedError
    from syft_flwr_cli.protocol.strict_json import read_object
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
}


def seeds(target: str) -> list[bytes]:
    """Well-formed inputs to begin with."""
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
