"""Live view of a run of another process, drawn from its files until it is over or the person ends it."""

import sys
import time
from collections.abc import Callable

from rich.console import Group
from rich.live import Live

from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.services.run_follow import RunFollower, state_of
from syft_flwr_cli.services.runs import LocalRun
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.live.draw import draw
from syft_flwr_cli.ui.live.state import LiveState
from syft_flwr_cli.ui.live.terminal import wanted

__all__ = ["catch_up", "watch"]

_PAUSE = 0.25
_DETAILS = frozenset(
    {"executing", "answered", "received", "sent", "reply", "asked", "consumed", "app-let-go"}
)


def catch_up(state: LiveState, follower: RunFollower) -> list[str]:
    """Feed ``state`` with what is new; the sentences in it that a person may want to read."""
    said = []
    for moment, line in follower.news():
        state.hear(line, moment)
        sentence = line.get("sentence")
        if isinstance(sentence, str) and sentence and line.get("kind", line.get("event")) not in _DETAILS:
            state.say(sentence, moment)
            said.append(sentence)
    one = follower.look()
    state.run, state.began = one.view.run, one.view.began
    state.settle(state_of(one), one.view.reason or "", one.view.ended)
    return said


def watch(follower: RunFollower, one: LocalRun, pause: Callable[[float], None] = time.sleep) -> str:
    """Show the run until it is over, or Ctrl-C; its state then.

    Without a terminal the picture of the moment is printed, and each sentence when it comes.
    """
    state = LiveState(one.app_name, one.email)
    catch_up(state, follower)
    console = output.out()
    if not (wanted() and sys.stdout.isatty()):
        for line in draw(state, time.time(), 100, 40):
            console.print(line)
        while state.ended is None:
            pause(1.0)
            for sentence in catch_up(state, follower):
                console.print(visible(sentence, keep="\n"), markup=False)
        return state.state

    def picture() -> Group:
        size = console.size
        return Group(*draw(state, time.time(), size.width, size.height - 2))

    with Live(get_renderable=picture, console=console, auto_refresh=False) as live:
        live.refresh()
        while state.ended is None:
            pause(_PAUSE)
            catch_up(state, follower)
            live.refresh()
    return state.state
