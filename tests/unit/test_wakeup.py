"""Waiting for a change: woken at once when somebody rings, and now and then by oneself."""

from concurrent.futures import ThreadPoolExecutor

from syft_flwr_cli.transports.wakeup import WakeupSignal

HOURS = 36_000.0


def test_ringing_wakes_everybody_who_waits() -> None:
    wakeup = WakeupSignal(HOURS)
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(wakeup.wait, 0, HOURS) for _ in range(4)]
        wakeup.notify()
        assert [one.result(30) for one in waiting] == [1, 1, 1, 1]


def test_a_ring_between_the_token_and_the_wait_is_not_lost() -> None:
    wakeup = WakeupSignal(HOURS)
    token = wakeup.token()
    wakeup.notify()
    assert wakeup.wait(token, HOURS) == token + 1


def test_the_bell_rings_by_itself_at_the_ceiling() -> None:
    wakeup = WakeupSignal(0.02)
    assert wakeup.wait(0, HOURS) == 1
    assert wakeup.wait(1, HOURS) == 2


def test_without_a_ring_the_wait_ends_with_its_time_and_the_same_token() -> None:
    wakeup = WakeupSignal(HOURS)
    assert wakeup.wait(0, 0.01) == 0
    assert wakeup.wait(0, 0.0) == 0
    assert wakeup.wait(0, -1.0) == 0


def test_an_expected_change_wakes_those_who_wait_already() -> None:
    wakeup = WakeupSignal(HOURS)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(wakeup.wait, 0, HOURS)
        wakeup.expect(0.01)
        assert waiting.result(30) == 1


def test_an_expectation_further_off_than_the_next_ring_changes_nothing() -> None:
    wakeup = WakeupSignal(0.01)
    wakeup.expect(HOURS)
    assert wakeup.wait(0, HOURS) == 1


def test_a_quickened_bell_rings_soon_several_times() -> None:
    wakeup = WakeupSignal(HOURS)
    wakeup.reset_backoff()
    token = 0
    for _ in range(4):
        token = wakeup.wait(token, HOURS)
    assert token == 4
