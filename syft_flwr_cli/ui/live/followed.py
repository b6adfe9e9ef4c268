"""The live view of a run whose aggregator is another process of this machine, as in a simulation.

What it shows comes from the files in that process's home, as in `status --watch`; what the processes say scrolls by
above it. Where no live view is wanted nothing changes.
"""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.services.run_follow import RunFollower, newest_run, state_of
from syft_flwr_cli.ui.live.state import LiveState
from syft_flwr_cli.ui.live.terminal import live_view, wanted

__all__ = ["shown_from_home"]

_PAUSE = 0.25


@contextmanager
def shown_from_home(
    state: LiveState, home: Path, *, quiet: bool = False, verbose: bool = False
) -> Iterator[bool]:
    """Show the newest run of ``state.email`` in ``home`` while this lasts; whether it is shown live."""
    if not wanted(quiet=quiet, verbose=verbose):
        yield False
        return
    over = threading.Event()
    reader = threading.Thread(target=_follow, args=(state, home, over), name="syft-flwr-follow", daemon=True)
    with live_view(state):
        reader.start()
        try:
            yield True
        finally:
            over.set()
            reader.join(timeout=5.0)


def _follow(state: LiveState, home: Path, over: threading.Event) -> None:
    follower: RunFollower | None = None
    last = False
    while not last:
        last = over.wait(_PAUSE)  # what came between is taken in once more after the end
        with contextlib.suppress(
            SyftFlwrError, OSError
        ):  # a home that is being made; the next look is right again
            if follower is None:
                one = newest_run(home, state.email, None) if home.is_dir() else None
                follower = None if one is None else RunFollower(home, one)
                continue
            for moment, line in follower.news():
                state.hear(line, moment)
            one = follower.look()
            state.began = one.view.began
            if one.view.ended is not None:
                state.settle(state_of(one), one.view.reason or "", one.view.ended)
