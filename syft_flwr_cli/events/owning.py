"""Events of what an owner's app gets, which apps a node serves, and what waits for the owner."""

from dataclasses import dataclass

from syft_flwr_cli.events.base import Event, with_full_stop

__all__ = ["AppFailed", "AppLetGo", "AppServed", "DataChosen", "DecisionAwaited"]


@dataclass(frozen=True, slots=True)
class DataChosen(Event):
    """An app begins with these data: ``private``, ``mock`` or ``none``. The path stays on this machine."""

    kind = "data"
    app_name: str
    data: str
    path: str
    files: int
    bytes: int

    def sentence(self) -> str:
        if self.data == "mock":
            return "The app runs on mock data, as you said (--mock); the aggregator is told so."
        if self.data == "none":
            return "The app gets no data, as you said (--no-data); the aggregator is told so."
        files = "1 file" if self.files == 1 else f"{self.files} files"
        return f"The app reads your data: {self.path} ({files}, {self.bytes:,} bytes)."


@dataclass(frozen=True, slots=True)
class DecisionAwaited(Event):
    """Something waits for the owner's decision; ``next`` is the command to type."""

    kind = "decision-awaited"
    level = "alarm"
    repeats = float("inf")
    email: str
    what: str
    next: str

    def sentence(self) -> str:
        return f"{with_full_stop(self.what)} Decide with: {self.next}"


@dataclass(frozen=True, slots=True)
class AppServed(Event):
    """A node serves an app from now on."""

    kind = "app-served"
    email: str
    app_name: str
    aggregator: str

    def sentence(self) -> str:
        return f"Serving {self.app_name} for {self.aggregator}."


@dataclass(frozen=True, slots=True)
class AppLetGo(Event):
    """A node serves an app no more; ``reason`` is empty where it was only worked off."""

    kind = "app-let-go"
    level = "detail"
    email: str
    app_name: str
    reason: str = ""

    def sentence(self) -> str:
        return f"{self.app_name} is served no more{': ' + self.reason if self.reason else '.'}"


@dataclass(frozen=True, slots=True)
class AppFailed(Event):
    """An app cannot be served at the moment; a node tries it again."""

    kind = "app-failed"
    level = "warning"
    repeats = 600.0
    email: str
    app_name: str
    error: str
    hint: str = ""

    def sentence(self) -> str:
        return f"{self.app_name} is not served: {with_full_stop(self.error)} {self.hint}".strip()
