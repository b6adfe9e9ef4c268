"""What a person's own app prints reaches a pipe without escape sequences, wherever these are cut."""

import os

import pytest

from syft_flwr_cli.execution.output import own_screen


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_colours_and_cursor_movements_are_left_out_of_a_pipe(size: int) -> None:
    reading, writing = os.pipe()
    before = os.dup(2)
    os.dup2(writing, 2)
    try:
        show = own_screen()
        said = b"\x1b[92mINFO\x1b[0m :      [ROUND 1/3]\n\x1b]0;title\x07\x1b[2Kdone\n"
        for at in range(0, len(said), size):
            show(said[at : at + size])
        show(b"")
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        assert stream.read() == b"INFO :      [ROUND 1/3]\ndone\n"
