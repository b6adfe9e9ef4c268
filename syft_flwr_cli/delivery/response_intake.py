"""Intake of responses: each taken once, whole, and only from whom it is awaited.

`ResponseIntake` looks at what the data owners have published, refuses what is not exactly what is awaited (told
once, never in the way of what is behind it), brings the arrays into the participant's own store, and gives what
is complete to be journaled. Data owners have their turns: of each a bounded number of files is looked at and a
bounded number of bytes is fetched before the next one's. One whose answer is genuine and cannot be used has
answered with an error; one that arrives damaged is asked for again, and so is a payload that does not come.
Used from one thread.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from syft_flwr_cli.delivery.budget import free_disk, share_left
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.folder_reader import BATCH, FolderReader
from syft_flwr_cli.delivery.payload_fetch import fetch_payload, payload_of, stored_payload, sync_copy
from syft_flwr_cli.delivery.recent import Recent
from syft_flwr_cli.delivery.sealer import kept_of
from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.events import ResponseReceived
from syft_flwr_cli.flower.error_codes import UNUSABLE
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import ENCRYPTION_MISMATCH, Body, decode_body, encode_body
from syft_flwr_cli.protocol.header import Header
from syft_flwr_cli.protocol.printable import first_line
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.states import Outgoing
from syft_flwr_cli.security.envelope import Envelope, read_envelope
from syft_flwr_cli.security.sealing import sealed_size
from syft_flwr_cli.storage.journal import Answer, RequestRow

__all__ = ["ResponseIntake"]

_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_NO_USE = ("plaintext", "version")
"""Reasons for which the same response would only be refused again."""

MISSED: Final = 10.0
"""Seconds after which a payload that has not come is asked for."""

REMEMBERED: Final = 32
"""Of how many accepted answers of each data owner the digests are remembered, to refuse others in their place."""

SLICE: Final = 64 << 20
"""Bytes that are fetched of one response before others have their turn."""

Attempt = Callable[[Callable[[], None]], None]
"""Does something, and notes a failure of the store instead of raising it: what came elsewhere is taken in."""


@dataclass(slots=True)
class _ResendRequest:
    """When a peer may next be asked to publish a response again, and whether that is wanted."""

    due: float = 0.0
    pause: float = _PAUSE
    wanted: bool = False


@dataclass(slots=True)
class _Incomplete:
    """A response that is genuine; its arrays may not be here yet."""

    row: RequestRow
    body: Body
    envelope: Envelope
    since: float
    fetched: int = 0
    missing: bool = False
    wrong: str = ""


class ResponseIntake:
    """The responses to one run's requests.

    Parameters
    ----------
    channel : Channel
        The aggregator's.
    run : str
        The run's id in decimal.
    datasites : collection of str
        The data owners, who share the disk.
    find : callable
        The open request with an id, if there is one.
    issued : mapping
        By id, the digests of requests that this home has issued and does not remember.
    """

    def __init__(
        self,
        channel: Channel,
        run: str,
        datasites: Collection[str],
        find: Callable[[str], RequestRow | None],
        issued: Mapping[str, Sequence[str]],
    ) -> None:
        self._email, self._app = channel.email, channel.app
        self._journal, self._transport, self._keys = channel.journal, channel.transport.once, channel.keys
        self._quarantine, self._emit, self._clock = channel.quarantine, channel.emit, channel.clock
        self._received_payloads = channel.received_payloads
        self._run = run
        self._find = find
        self._issued = issued
        self._held = _HeldBytes(channel.received_payloads / run, len(datasites))
        self._readers: dict[str, FolderReader] = {}
        self._incomplete: dict[str, _Incomplete] = {}
        self._accepted: Recent[str, str] = Recent(REMEMBERED * len(datasites))
        self._resends: dict[str, _ResendRequest] = {}
        self._unsynced: dict[str, list[Path]] = {}
        self._more = False

    def take_in(self, awaited: Mapping[str, Collection[str]], attempt: Attempt) -> list[Answer]:
        """What is complete by now of what the peers in ``awaited`` have published, to be journaled.

        ``awaited`` are the ids of the open requests to each peer.
        """
        self._more = False
        for peer in sorted(awaited):
            attempt(partial(self._look_at, peer, awaited[peer]))
        answers: list[Answer] = []
        for mid in list(self._incomplete):
            attempt(partial(self._complete, mid, answers))
        return answers

    def has_more(self) -> bool:
        """Whether the last `take_in` left something that can be gone on with at once."""
        return self._more

    def journaled(self, ids: Iterable[str]) -> None:
        """These answers are in the journal."""
        for mid in ids:
            self._accepted[mid] = self._incomplete.pop(mid).envelope.digest

    def unsynced(self) -> Collection[str]:
        """Ids of answers whose payloads a power cut may take: they are not acknowledged yet."""
        return tuple(self._unsynced)

    def sync(self) -> None:
        """Have the copies of payloads last, so that their answers may be acknowledged."""
        for mid, paths in list(self._unsynced.items()):
            for path in paths:
                if path.exists():
                    sync_copy(path)
            self._unsynced.pop(mid, None)

    def _look_at(self, peer: str, awaited: Collection[str]) -> None:
        if peer not in self._readers:
            folder = names.rpc_folder(peer, self._email, self._app)
            self._readers[peer] = FolderReader(self._transport, peer, folder, ".response", self._quarantine)
        reader = self._readers[peer]
        reader.note_new()
        batch = reader.batch(awaited)
        for mid in batch:
            self._take(reader, mid)
        self._more = self._more or len(batch) >= BATCH

    def _take(self, reader: FolderReader, mid: str) -> None:
        peer, before = reader.owner, self._taken(mid)
        row = self._find(mid) or self._journal.sent(mid)
        if row is None or row.recipient != peer:
            error = RefusedError("unexpected", f"{peer} answers a request that was never sent to it")
            reader.refuse(mid, reader.path(mid).encode(), error)
        elif row.run != self._run or (row.state is Outgoing.ANSWERED and before is None):
            reader.done(mid)  # of a run that is over, or taken by an earlier process
        else:
            check = partial(self._check, row, peer)
            refused = reader.take(mid, check, partial(self._accept, row, peer, before))
            if refused is not None and refused.reason not in _NO_USE:
                self._request_resend(row)

    def _taken(self, mid: str) -> str | None:
        """The digest of the response that was taken for this request, whether its payloads are here or not."""
        if mid in self._incomplete:
            return self._incomplete[mid].envelope.digest
        return self._accepted.get(mid)

    def _check(self, row: RequestRow, peer: str, header: Header) -> None:
        expected = ("response", row.id, self._app, self._run, peer, self._email, names.MESSAGES_ENDPOINT)
        found = (
            header.kind,
            header.id,
            header.app,
            header.run,
            header.sender,
            header.recipient,
            header.endpoint,
        )
        if found != expected:
            raise RefusedError(
                "misaddressed", f"the header of a response of {peer} is not the one that is awaited"
            )
        if header.answers not in row.digests and header.answers not in self._issued.get(row.id, ()):
            raise RefusedError("unexpected", f"{peer} answers another request than the one it was sent")

    def _accept(self, row: RequestRow, peer: str, before: str | None, data: bytes) -> bool:
        envelope = read_envelope(data)
        if envelope.digest == before:
            return True
        plaintext = self._keys.unseal(envelope, peer)
        try:
            body = decode_body(plaintext)
        except RefusedError as error:
            # It is its sender's own answer, and will not be another one.
            body = Body(type=row.meta.type, error=(UNUSABLE, f"The answer cannot be read: {error.what}."))
        if body.type == ENCRYPTION_MISMATCH:
            raise RefusedError("plaintext", f"{peer} sealed when we did not, or we when it did not")
        # The arrays of the first may be gone for good, and an error says so: nobody would wait for anything else.
        waits = self._incomplete.get(row.id)
        withdrawn = waits is not None and waits.missing and body.error is not None
        if before is not None and not withdrawn:
            raise RefusedError("unexpected", f"{peer} answers a second time; its first answer stands")
        self._incomplete[row.id] = self._within_budget(_Incomplete(row, body, envelope, time.monotonic()))
        return True

    def _within_budget(self, item: _Incomplete) -> _Incomplete:
        """The response, or an error in its place if its payloads would take more than its sender's part."""
        peer, wanted = item.row.recipient, sum(sealed_size(ref.size) for ref in item.body.payloads)
        left = self._held.left(peer) if wanted else 0
        if wanted <= left:
            return item
        what = f"The answer announces {wanted} bytes of arrays; {left} bytes are left here for {peer}."
        path = names.response_path(peer, self._email, self._app, item.row.id)
        self._quarantine.refuse(peer, path, what.encode(), RefusedError("oversized", what))
        return replace(item, body=Body(type=item.row.meta.type, error=(UNUSABLE, what)))

    def _request_resend(self, row: RequestRow) -> None:
        """A response arrived damaged: the same request again makes its sender publish the response again.

        Each time after a longer pause, so that a sender who has nothing better is not asked for ever.
        """
        self._resends.setdefault(row.id, _ResendRequest()).wanted = True

    def to_ask_again(self) -> list[RequestRow]:
        """The requests that are due to go out once more, because their responses arrived damaged or not whole."""
        now, due = time.monotonic(), []
        for item in self._incomplete.values():
            if item.missing and now >= item.since + MISSED:
                self._request_resend(item.row)
        for mid, resend in list(self._resends.items()):
            row = self._find(mid)
            if row is None:
                del self._resends[mid]
            elif resend.wanted and now >= resend.due and row.state is Outgoing.SEALED:
                resend.wanted, resend.due = False, now + resend.pause
                resend.pause = min(2 * resend.pause, _LONGEST_PAUSE)
                due.append(row)
        return due

    def next_resend(self) -> float:
        """Seconds until `to_ask_again` has something; infinite if it will not."""
        now = time.monotonic()
        times = [resend.due for resend in self._resends.values() if resend.wanted]
        for mid, item in self._incomplete.items():
            if item.missing:
                asked = self._resends.get(mid)
                times.append(max(item.since + MISSED, asked.due if asked else 0.0))
        return max(0.0, min(times) - now) if times else math.inf

    def _complete(self, mid: str, answers: list[Answer]) -> None:
        item = self._incomplete[mid]
        row, body, envelope = item.row, item.body, item.envelope
        # Nobody waits for a late answer; it is noted so that its sender may clean up.
        if self._find(mid) is not None and not self._fetch(item):
            return
        now = self._clock()
        entry = {
            "event": "received",
            "time": now,
            "message": mid,
            "peer": row.recipient,
            "run": self._run,
            "digest": envelope.digest,
            **kept_of(envelope),
        }
        if body.code:
            entry["code"] = body.code
        if body.data:
            entry["data"] = body.data
        if body.sandbox:
            entry["sandbox"] = body.sandbox
        answers.append(Answer(mid, encode_body(replace(body, acks=())), now, entry))
        self._emit(ResponseReceived(row.recipient, mid, body.error and first_line(body.error[1])))

    def _fetch(self, item: _Incomplete) -> bool:
        """Bring payloads of a response, for one turn; whether all are here."""
        peer, item.missing, turn = item.row.recipient, False, 0
        for ref in item.body.payloads[item.fetched :]:
            if turn >= SLICE:
                self._more = True
                return False
            path = payload_of(peer, self._email, self._app, ref)
            destination = stored_payload(self._received_payloads, self._run, peer, ref.id)
            try:
                if fetch_payload(self._transport, peer, path, ref, destination):
                    self._held.add(peer, sealed_size(ref.size))
            except NotThereError:
                item.missing = True
                return False
            except RefusedError as error:
                # Once for each thing that is wrong, though it is looked at again and again.
                wrong = f"{item.envelope.digest} {path} {error.what}"
                if item.wrong != wrong:
                    item.wrong = wrong
                    self._quarantine.refuse(peer, path, wrong.encode(), error)
                self._request_resend(item.row)
                return False
            self._unsynced.setdefault(item.row.id, []).append(destination)
            item.fetched += 1
            turn += sealed_size(ref.size)
        return True

    def close(self) -> None:
        """Look no more."""
        for reader in self._readers.values():
            reader.close()


class _HeldBytes:
    """How much of each data owner's lies in the store of received payloads of a run."""

    def __init__(self, place: Path, peers: int) -> None:
        self._place = place
        self._peers = peers
        self._held: dict[str, int] = {}
        if place.is_dir():
            for folder in place.iterdir():
                self._held[folder.name] = sum(path.stat().st_size for path in folder.iterdir())

    def left(self, peer: str) -> int:
        """Bytes that ``peer`` may still bring."""
        held = self._held.get(peer, 0)
        return share_left(free_disk(self._place), sum(self._held.values()), held, self._peers)

    def add(self, peer: str, size: int) -> None:
        """``peer`` has brought ``size`` bytes more."""
        self._held[peer] = self._held.get(peer, 0) + size
