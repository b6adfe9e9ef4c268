"""A data owner that has turned bad, with all its keys: it spoils its own part, and nobody else's."""

import signal
from pathlib import Path

import numpy as np
from forgery import header_of, sealed
from scene import AGGREGATOR, DO1, DO2, SHAPES, VALUES, Scene, drop, envelope, executions

from syft_flwr_cli.protocol.body import Body, encode_body

MOVE_THE_CURSOR = "\x1b[2J\x1b[Hall is well"


def answer(scene: Scene, request: Path, body: Body) -> None:
    """Answer in the name, and with the keys, of the second data owner."""
    asked = envelope(request)
    header = header_of(
        asked, kind="response", sender=DO2, recipient=AGGREGATOR, answers=asked.digest, audit=None
    )
    data = sealed(header, encode_body(body), scene.keys(DO2), scene.keys(AGGREGATOR).public)
    drop(scene.responses_of(DO2) / f"{request.stem}.response", data)


def test_answers_that_make_no_sense_are_its_own_failures_and_end_no_run(scene: Scene) -> None:
    first, second = scene.start_clients()
    second.signal(signal.SIGSTOP)
    server = scene.serve("--json", rounds=2)
    requests: list[Path] = []
    for body in (
        Body(type="train", error=(2, "")),
        Body(type="evaluate", error=(2, f"{MOVE_THE_CURSOR}\nand more")),
        Body(type="train", skeleton=b"\xff\xfe" * 40),
        Body(type="evaluate", error=(1 << 31, "\n\n\x9b2J\u202e")),
    ):
        requests.append(scene.newest(scene.requests_to(DO2), ".request", requests))
        answer(scene, requests[-1], body)
    server.wait(0)
    second.signal(signal.SIGCONT)
    first.wait(0)
    assert scene.executed(DO1) == executions()
    assert "Traceback" not in server.err and "\x1b[2J" not in server.err and "\x1b[H" not in server.err
    assert "\x9b" not in server.err and "\u202e" not in server.err
    assert f"{DO2} reports an error: without a word" in server.err
    failures = [phase["failed"] for entry in server.data["rounds"] for phase in entry["phases"].values()]
    assert [list(failed) for failed in failures] == [[DO2]] * 4, failures
    with np.load(scene.saved) as saved:
        for name, shape in SHAPES.items():
            model = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
            for number in (1, 2):
                model = model * 0.5 + VALUES[DO1] + number
            assert saved[name].tobytes() == model.tobytes()
