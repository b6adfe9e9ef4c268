"""Events: what happens while a participant works, as typed values, and the publisher that hands them to sinks.

An event is a frozen dataclass: its ``kind`` is the name that programs see, its docstring says when it happens, and
`Event.sentence` is what a person reads. An event repeats what the journal and the audit log know; nothing depends on
its being heard. This package imports nothing else of the project, and its events are used under its own name.

The catalogue of docs/events.md is `catalogue`, compared by a test.
"""

from syft_flwr_cli.events import aggregating, exchange, executing, owning, trust
from syft_flwr_cli.events.aggregating import (
    ReplyDelivered,
    ReplyLate,
    ReplyMissing,
    RequestPrepared,
    RequestsPublished,
    RunBegun,
    RunDiverged,
    RunEnded,
    StillWaiting,
    WaitsForMore,
)
from syft_flwr_cli.events.base import Emit, Event, Level, Publisher, Sink, nobody, row
from syft_flwr_cli.events.exchange import (
    DecisionReceived,
    DecisionsAwaited,
    MessageRejected,
    MessagesForgotten,
    OfferAwaited,
    OfferReceived,
    OfferSent,
    OwnerAbsent,
    RequestSent,
    ResponseReceived,
    StoreFailed,
)
from syft_flwr_cli.events.executing import (
    AnsweredBefore,
    AppRaised,
    NodeReady,
    PayloadAwaited,
    PayloadDamaged,
    ReplyWithheld,
    RequestAnswered,
    RequestExecuting,
    RequestNotExecuted,
    ResponseConsumed,
    RunConfigDiffers,
    RunJoined,
    RunStopped,
    StopWasEarlier,
)
from syft_flwr_cli.events.owning import (
    AppFailed,
    AppLetGo,
    AppServed,
    DataChosen,
    DecisionAwaited,
)
from syft_flwr_cli.events.trust import (
    EncryptionOff,
    HomeRestored,
    IdentityCreated,
    KeyAwaited,
    KeyPinned,
    KeyRotated,
    KeysPinned,
    KeyWithdrawn,
    OwnKeyReplaced,
    StoreOpened,
)

__all__ = [
    "AnsweredBefore",
    "AppFailed",
    "AppLetGo",
    "AppRaised",
    "AppServed",
    "DataChosen",
    "DecisionAwaited",
    "DecisionReceived",
    "DecisionsAwaited",
    "Emit",
    "EncryptionOff",
    "Event",
    "HomeRestored",
    "IdentityCreated",
    "KeyAwaited",
    "KeyPinned",
    "KeyRotated",
    "KeyWithdrawn",
    "KeysPinned",
    "Level",
    "MessageRejected",
    "MessagesForgotten",
    "NodeReady",
    "OfferAwaited",
    "OfferReceived",
    "OfferSent",
    "OwnKeyReplaced",
    "OwnerAbsent",
    "PayloadAwaited",
    "PayloadDamaged",
    "Publisher",
    "ReplyDelivered",
    "ReplyLate",
    "ReplyMissing",
    "ReplyWithheld",
    "RequestAnswered",
    "RequestExecuting",
    "RequestNotExecuted",
    "RequestPrepared",
    "RequestSent",
    "RequestsPublished",
    "ResponseConsumed",
    "ResponseReceived",
    "RunBegun",
    "RunConfigDiffers",
    "RunDiverged",
    "RunEnded",
    "RunJoined",
    "RunStopped",
    "Sink",
    "StillWaiting",
    "StopWasEarlier",
    "StoreFailed",
    "StoreOpened",
    "WaitsForMore",
    "catalogue",
    "nobody",
    "row",
]


def catalogue() -> list[type[Event]]:
    """Every kind of event, in the order of docs/events.md."""
    parts = (trust, owning, exchange, aggregating, executing)
    found = (each for part in parts for each in vars(part).values())
    return [
        each for each in found if isinstance(each, type) and issubclass(each, Event) and each is not Event
    ]
