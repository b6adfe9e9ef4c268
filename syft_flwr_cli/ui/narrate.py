"""What a run says while it goes on: one line per thing worth knowing, on stderr, for people.

Turns the events of the messaging core into sentences. Repetitions are said once.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.ui import output

__all__ = ["Narrator"]


class Narrator:
    """Says events.

    Parameters
    ----------
    verbose : bool
        Say every message, not only what is out of the ordinary.
    say : callable
        Where a sentence goes.
    """

    def __init__(self, verbose: bool = False, say: Callable[..., None] = output.note) -> None:
        self._verbose = verbose
        self._say = say
        self._said: set[tuple[Any, ...]] = set()
        self._lock = threading.Lock()

    def __call__(self, event: str, facts: Mapping[str, Any]) -> None:
        """Hear of an event."""
        plain = {key: visible(value) if isinstance(value, str) else value for key, value in facts.items()}
        sentence = self._sentence(event, plain)
        if sentence:
            self._say(sentence, style=_STYLES.get(event, ""))

    def _once(self, *key: Any) -> bool:
        with self._lock:
            if key in self._said:
                return False
            self._said.add(key)
            return True

    def _sentence(self, event: str, facts: Mapping[str, Any]) -> str | None:
        peer = facts.get("peer", "")
        match event:
            case "identity-created":
                return f"Made keys for {facts['email']}. Fingerprint: {facts['words']}"
            case "pinned":
                return (
                    f"First contact with {peer}: from now on only this key is trusted for it.\n"
                    f"    fingerprint: {facts['words']}\n"
                    f"    Compare it with {peer} by phone, then: syft-flwr keys verify {peer}"
                )
            case "rotated":
                return f"{peer} has a new key, signed with the one before. Fingerprint: {facts['words']}"
            case "encryption-off":
                return "Encryption is switched OFF for debugging: messages are signed, but anybody can read them."
            case "no-key":
                if self._once(event, peer):
                    return (
                        f"Waiting for {peer}: it has published no key yet (its run-client has not started)."
                    )
            case "refused":
                name = str(facts["path"]).rpartition("/")[2]
                hint = f"\n    {facts['hint']}" if facts.get("hint") else ""
                return f"Refused {name} of {peer} ({facts['reason']}): {_closed(facts['sentence'])}{hint}"
            case "absent":
                since = time.strftime("%H:%M:%S", time.localtime(facts["since"]))
                return f"{peer} has not answered a request of {since}; going on without."
            case "store-fails":
                if self._once(event, facts["error"], int(time.monotonic() // 60)):
                    return f"{facts['error']} Trying again. {facts.get('hint', '')}".strip()
            case "diverged":
                return str(facts["sentence"])
            case "waits-for-more":
                if self._once(event):
                    return (
                        f"The ServerApp goes on asking who takes part and sends nothing. This run has "
                        f"{facts['count']} data owners, and there will not be more: should it wait for more "
                        f"(min_available_nodes, min_train_nodes, …), pause it with Ctrl-C, and name more "
                        "data owners or ask for fewer."
                    )
            case "run":
                how = "Taking up" if facts["resumed"] else "Starting"
                return f"{how} run {facts['run']} with {len(facts['datasites'])} data owners."
            case "node-ready":
                return f"{facts['email']} is ready and waits for {facts['aggregator']}."
            case "run-started":
                return f"Run {facts['run']} has begun."
            case "executing":
                number = f", round {facts['round']}" if facts.get("round") is not None else ""
                article = "an" if facts["type"][:1] in "aeiou" else "a"
                return f"Working on {article} {facts['type']} request{number}."
            case "answered":
                if facts.get("error"):
                    return f"The app failed; the aggregator was told: {_headline(facts['error'][1])}"
                return "Answered." if self._verbose else None
            case "received":
                if facts.get("error"):
                    return f"{peer} reports an error: {_headline(facts['error'][1])}"
                return f"Answer from {peer}." if self._verbose else None
            case "sent":
                return f"Request to {peer}." if self._verbose else None
            case "payload-awaited":
                return "A request is here, its arrays are still on their way."
            case "payload-damaged":
                return "A request's arrays are damaged; it waits until they are whole."
            case "policy":
                return f"A request was not executed: {_closed(facts['sentence'])}"
            case "old-stop":
                return f"Run {facts['run']} ended before this node joined ({facts['reason']})."
            case "answered-before":
                return (
                    f"Request {facts['message']} was answered by an earlier installation; not executed again."
                )
            case "stopped":
                reason = _closed(facts["reason"])
                return f"Run {facts['run']} is over: {reason} Answered {facts['answered']} requests."
        return None


def _headline(text: str) -> str:
    """The first line of what an app says went wrong; whoever wrote it is not to fool the terminal."""
    lines = text.split("\n", 1)
    return visible(lines[0])[:300] or "without a word"


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."


_STYLES = {
    "pinned": "bold yellow",
    "rotated": "bold yellow",
    "encryption-off": "bold red",
    "refused": "yellow",
    "absent": "yellow",
    "store-fails": "yellow",
    "waits-for-more": "yellow",
    "answered": "",
}
