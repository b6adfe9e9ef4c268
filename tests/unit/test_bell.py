"""Waiting for a change: woken at once when somebody rings, and now and then by oneself."""

from concurrent.futures import ThreadPoolExecutor

from syft_flwr_cli.transports.wakeup import Bell

HOURS = 36_000.0


def test_ringing_wakes_everybody_who_waits() -> None:
    bell = Bell(HOURS)
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(bell.wait, 0, HOURS) for _ in range(4)]
        bell.ring()
        assert [one.result(30) for one in waiting] == [1, 1, 1, 1]


def test_a_ring_between_the_token_and_the_wait_is_not_lost() -> None:
    bell = Bell(HOURS)
    token = bell.token()
    bell.ring()
    assert bell.wait(token, HOURS) == token + 1


def test_the_bell_rings_by_itself_at_the_ceiling() -> None:
    bell = Bell(0.02)
    assert bell.wait(0, HOURS) == 1
    assert bell.wait(1, HOURS) == 2


def test_without_a_ring_the_wait_ends_with_its_time_and_the_same_token() -> None:
    bell = Bell(HOURS)
    assert bell.wait(0, 0.01) == 0
    assert bell.wait(0, 0.0) == 0
    assert bell.wait(0, -1.0) == 0


def test_an_expected_change_wakes_those_who_wait_already() -> None:
    bell = Bell(HOURS)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(bell.wait, 0, HOURS)
        bell.expect(0.01)
        assert waiting.result(30) == 1


def test_an_expectation_further_off_than_the_next_ring_changes_nothing() -> None:
    bell = Bell(0.01)
    bell.expect(HOURS)
    assert bell.wait(0, HOURS) == 1


def test_a_quickened_bell_rings_soon_several_times() -> None:
    bell = Bell(HOURS)
    bell.quicken()
    token = 0
    for _ in range(4):
        token = bell.wait(token, HOURS)
    assert token == 4
