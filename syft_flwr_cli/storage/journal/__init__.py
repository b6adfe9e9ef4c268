"""The journal: what was sent, received and done, in SQLite, so that it survives ``kill -9`` and a power cut.

One file per participant and app. Every method that changes something is one transaction, committed
before it returns: with fsync (WAL, ``synchronous=FULL``), or, where it says so, to become lasting with the
next that is synced. What the audit log must hear of goes into the same transaction and is handed over
afterwards; after a power cut it may have heard of what happens once more. Content keys of payloads and opened
replies lie in it while a run needs them: the file is 0600 in the participant's own directory. It knows neither
Flower nor files nor keys of participants; times are passed in.
"""

from syft_flwr_cli.storage.journal.incoming import Request
from syft_flwr_cli.storage.journal.journal import Journal
from syft_flwr_cli.storage.journal.outgoing import Answer, RequestMeta, RequestPosition, RequestRow
from syft_flwr_cli.storage.journal.payloads import PayloadRow
from syft_flwr_cli.storage.journal.runs import Run
from syft_flwr_cli.storage.journal.schema import MIGRATIONS

__all__ = [
    "MIGRATIONS",
    "Answer",
    "Journal",
    "PayloadRow",
    "Request",
    "RequestMeta",
    "RequestPosition",
    "RequestRow",
    "Run",
]
