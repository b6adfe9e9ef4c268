"""How a run ended is the same on both sides, and what earlier versions send and read stays as it was."""

from syft_flwr_cli.protocol.body import Body, Stop, decode_body, encode_body


def test_a_stop_signal_says_whether_the_run_failed_and_one_of_an_earlier_version_is_a_finished_run() -> None:
    for state in ("finished", "failed", "stopped"):
        body = decode_body(encode_body(Body("system", stop=Stop("why", state))))
        assert body.stop == Stop("why", state)
    plain = encode_body(Body("system", stop=Stop("why")))
    assert b"state" not in plain, "to the byte what earlier versions send"
    odd = encode_body(Body("system", stop=Stop("why", "exploded")))
    assert decode_body(odd).stop == Stop("why", "finished")
