"""Attacks on payload files, and answers that arrive damaged: the run waits, asks again, and goes on.

Arrays lie apart from their messages, so somebody who can write there can cut them, splice them or put others
in their place. Nothing of that may reach Flower, and the round must not hang once the true file is there.
"""

import secrets
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from forgery import header_of, plaintext_of, sealed
from integration.participants import Process, until
from scene import AGGREGATOR, DO1, DO2, Scene, drop, envelope, new_id

from syft_flwr_cli.protocol.body import PayloadRef, decode_body, encode_body
from syft_flwr_cli.security.sealing import CHUNK, TAG, SealedPayload, sealed_size
from syft_flwr_cli.storage.journal_reader import Refusal, look_at_journal

SEALED_CHUNK = CHUNK + TAG


def damaged(scene: Scene, email: str) -> list[str]:
    """The sentences about damaged payloads that ``email`` has said."""
    refused: tuple[Refusal, ...] = look_at_journal(scene.kept_by(email) / "journal.sqlite3").refused
    return [one.sentence for one in refused if one.reason == "damaged" and one.path.endswith(".payload")]


def spoilt(good: bytes, other: bytes, ref: PayloadRef) -> dict[str, bytes]:
    """Files to put in the place of a payload, by what is said of them. The last one is made with its key."""
    insider = SealedPayload(ref.key, [secrets.token_bytes(ref.size)])
    return {
        f"The payload ends after {SEALED_CHUNK} of the {len(good)} bytes": good[:SEALED_CHUNK],
        f"The payload goes on after the {len(good)} bytes": good + b"\0",
        "Chunk 2 of 2 of the payload was altered": good[:SEALED_CHUNK] + other[SEALED_CHUNK:],
        "Chunk 1 of 2 of the payload was altered": other,
        "The payload is not the one that the envelope speaks of": b"".join(map(bytes, insider.chunks())),
    }


def put_in_its_place(path: Path, files: dict[str, bytes], heard: Callable[[], list[str]]) -> None:
    """Put one file after the other in the place of a payload, each until somebody refuses it."""
    for words, data in files.items():
        drop(path, data)
        until(lambda words=words: any(words in sentence for sentence in heard()), words)  # type: ignore[misc]


def first_ref(path: Path, scene: Scene, reader: str) -> PayloadRef:
    """The payload that the message at ``path`` to ``reader`` refers to."""
    (ref,) = decode_body(plaintext_of(envelope(path), scene.keys(reader))).payloads
    return ref


def test_arrays_of_a_request_are_waited_for_until_they_are_the_true_ones(scene: Scene) -> None:
    gate = scene.gate(DO2, "evaluate 1")
    clients = scene.start_clients()
    server = scene.serve()
    gate.reached()
    # What is evaluated now is what is trained on next: the same content, written once, read again.
    asked = {envelope(path).header.created: path for path in scene.requests_to(DO2).glob("*.request")}
    ref = first_ref(asked[max(asked)], scene, DO2)
    (path,) = (path for path in scene.payloads(AGGREGATOR) if path.stem == ref.id)
    (other,) = (path for path in scene.payloads(AGGREGATOR) if path.stem != ref.id)
    good, bad = path.read_bytes(), spoilt(path.read_bytes(), other.read_bytes(), ref)
    kept_copy(scene, AGGREGATOR, path).unlink()  # or the true one is put back at once
    path.unlink()
    path.symlink_to("/dev/zero")
    gate.open()
    clients[0].wait_for("its arrays are still on their way")
    put_in_its_place(path, bad, lambda: damaged(scene, DO1))
    assert scene.executed(DO1) == ["train 1", "evaluate 1"]
    drop(path, good)
    server.wait(0)
    for client in clients:
        client.wait(0)
    scene.came_out_undisturbed()
    for words in bad:
        assert words in clients[0].err


def kept_copy(scene: Scene, owner: str, payload: Path) -> Path:
    """The copy at home from which its owner puts a payload back that is gone from the store."""
    return scene.kept_by(owner) / "sent" / payload.name


def stopped_before_an_answer(scene: Scene) -> tuple[list[Process], Process, Path]:
    """A run in which the aggregator stands still while the answer of a data owner to round 1 has arrived."""
    gate = scene.gate(DO2, "train 1")
    clients = scene.start_clients()
    server = scene.serve()
    gate.reached()
    scene.only(scene.responses_of(DO1), ".response")
    until(lambda: len(list((scene.kept_by(AGGREGATOR) / "store").rglob("*.payload"))) == 1, "one answer")
    server.signal(signal.SIGSTOP)
    gate.open()
    return clients, server, scene.only(scene.responses_of(DO2), ".response")


def test_arrays_of_a_response_are_waited_for_until_they_are_the_true_ones(scene: Scene) -> None:
    clients, server, answer = stopped_before_an_answer(scene)
    ref = first_ref(answer, scene, AGGREGATOR)
    path = answer.with_name(f"{ref.id}.payload")
    (neighbours,) = scene.payloads(DO1)
    good, bad = path.read_bytes(), spoilt(path.read_bytes(), neighbours.read_bytes(), ref)
    drop(path, good[:-1])
    kept_copy(scene, DO2, path).unlink()
    server.signal(signal.SIGCONT)
    put_in_its_place(path, bad, lambda: damaged(scene, AGGREGATOR))
    drop(path, good)
    server.wait(0)
    for client in clients:
        client.wait(0)
    scene.came_out_undisturbed()
    for words in bad:
        assert words in server.err


def test_an_answer_that_arrives_damaged_again_and_again_is_asked_for_until_it_is_whole(scene: Scene) -> None:
    clients, server, answer = stopped_before_an_answer(scene)
    good = answer.read_bytes()
    request = scene.only(scene.requests_to(DO2), ".request")
    asked_first = request.stat().st_ino
    clients[1].signal(signal.SIGSTOP)
    drop(answer, good[:-1])
    server.signal(signal.SIGCONT)
    server.wait_for(f"Refused {answer.name} of {DO2} (damaged)")
    until(lambda: request.stat().st_ino != asked_first, "the request, published again")
    server.signal(signal.SIGSTOP)
    clients[1].signal(signal.SIGCONT)
    until(lambda: answer.read_bytes() == good, "the answer, published again")
    clients[1].signal(signal.SIGSTOP)
    # The very same damage once more is news to nobody, but still has to be mended.
    drop(answer, good[:-1])
    server.signal(signal.SIGCONT)
    clients[1].signal(signal.SIGCONT)
    server.wait(0)
    for client in clients:
        client.wait(0)
    scene.came_out_undisturbed()


def test_a_data_owner_cannot_have_the_payload_of_another_read_or_removed_by_naming_it(scene: Scene) -> None:
    clients, server, answer = stopped_before_an_answer(scene)
    body = decode_body(plaintext_of(envelope(answer), scene.keys(AGGREGATOR)))
    (ref,) = body.payloads
    (neighbours,) = scene.payloads(DO1)
    clients[1].signal(signal.SIGSTOP)
    # The same true answer, but its payload is called as the neighbour has called its own.
    body = replace(body, payloads=(replace(ref, id=neighbours.stem),))
    drop(answer.with_name(neighbours.name), answer.with_name(f"{ref.id}.payload").read_bytes())
    header = header_of(envelope(answer))
    drop(answer, sealed(header, encode_body(body), scene.keys(DO2), scene.keys(AGGREGATOR).public))
    server.signal(signal.SIGCONT)
    until(lambda: scene.executed(DO1)[-1:] == ["evaluate 1"], "the next phase")
    clients[1].signal(signal.SIGCONT)
    server.wait(0)
    for client in clients:
        client.wait(0)
    scene.came_out_undisturbed()


def peak_memory(process: Process) -> int:
    """Bytes that a process has held in memory at most."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks at memory where Linux tells of it")
def test_arrays_that_are_only_announced_cost_no_memory_and_stop_no_node(scene: Scene) -> None:
    """Signed by the aggregator itself: a terabyte in a file of one megabyte, and two hundred in a file of holes."""
    gate = scene.gate(DO2, "train 1")
    clients = scene.start_clients()
    server = scene.serve()
    gate.reached()
    genuine = scene.only(scene.requests_to(DO1), ".request")
    scene.only(scene.responses_of(DO1), ".response")
    body = decode_body(plaintext_of(envelope(genuine), scene.keys(DO1)))
    (ref,) = body.payloads
    (payload,) = scene.payloads(AGGREGATOR)
    size, holes = 1 << 40, payload.with_name(f"{new_id()}.payload")
    with holes.open("wb") as stream:
        stream.truncate(sealed_size(size))
    before = peak_memory(clients[0])
    many = [payload.with_name(f"{new_id()}.payload") for _ in range(200)]
    for path in many:
        path.hardlink_to(holes)
    for refs in (
        (replace(ref, size=size),),
        tuple(replace(ref, size=size, id=path.stem) for path in many),
    ):
        header = header_of(envelope(genuine), id=new_id())
        announced = encode_body(replace(body, payloads=refs))
        data = sealed(header, announced, scene.keys(AGGREGATOR), scene.keys(DO1).public)
        drop(genuine.with_name(f"{header['id']}.request"), data)
    wanted = sealed_size(size)
    clients[0].wait_for(f"(damaged): The payload ends after {payload.stat().st_size} of the {wanted} bytes")
    clients[0].wait_for(f"(oversized): The request announces {200 * size} bytes of arrays")
    assert peak_memory(clients[0]) - before < 256 << 20
    for path in (holes, *many):
        path.unlink()
    gate.open()
    server.wait(0)
    for client in clients:
        client.wait(0)
    scene.came_out_undisturbed()
