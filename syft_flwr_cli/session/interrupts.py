"""What happens on Ctrl-C and on a polite request to end: the one place that touches signal handlers.

The first signal runs an action in a thread of its own (the handler may have interrupted a lock that the
action needs); a second one does what it would have done without us. Python runs handlers in the main thread
only, and a main thread that waits for a lock may not hear of a signal for as long as it waits; so the action
hangs on the file descriptor that Python writes to at once, and it is what ends the wait.
"""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["on_interrupt"]


@contextmanager
def on_interrupt(action: Callable[[], None], *, raises: bool) -> Iterator[None]:
    """Run ``action`` on SIGINT or SIGTERM, and raise KeyboardInterrupt in the main thread if ``raises``.

    Outside the main thread, where no handler can be set, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for kind, handler in before.items():
            signal.signal(kind, handler if handler is not None else signal.SIG_DFL)

    def handle(number: int, frame: FrameType | None) -> None:
        restore()
        if raises:
            raise KeyboardInterrupt

    def listen() -> None:
        while heard := reader.recv(1):
            if heard[0] in before:
                action()
                return

    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        listener = threading.Thread(target=listen, name="syft-flwr-interrupt", daemon=True)
        listener.start()
        for kind in before:
            signal.signal(kind, handle)
        try:
            yield
        finally:
            restore()
            signal.set_wakeup_fd(wakeup)
            writer.close()
            listener.join()
