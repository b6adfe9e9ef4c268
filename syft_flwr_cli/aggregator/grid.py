"""SyftGrid: Flower's Grid over files.

Thin: it knows which node id is which data owner, decides how long is waited (`waiting`), and hands messages out
(`requests`) and replies back (`replies`). It does what Flower's own Grid does, word for word; where it does
something else on purpose, docs/grid.md names the decision. Everything that lasts, and everything that can be
attacked, is below it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flwr.app import DEFAULT_TTL, Message, RecordDict
from flwr.app.metadata import Metadata
from flwr.proto.node_pb2 import Node, NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from syft_flwr_cli import events
from syft_flwr_cli.aggregator.membership import Membership
from syft_flwr_cli.aggregator.replies import Delivered, Replies
from syft_flwr_cli.aggregator.requests import Drafts, accepted, copied
from syft_flwr_cli.aggregator.round_log import RoundLog
from syft_flwr_cli.aggregator.waiting import AnswerCount, GracePeriod, QuestionCount, wait_limit
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.outbox import Outbox, Reply
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.errors import TooFewRepliesError, UsageError
from syft_flwr_cli.events import Publisher
from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.project.config import load_project, require_federated
from syft_flwr_cli.project.enough import Enough
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, Stop
from syft_flwr_cli.protocol.states import Outgoing

__all__ = ["SyftGrid"]

STOP_TTL = 7 * 86400.0
SYSTEM, ONLINE = "system", "online"
REMEMBERED = 1000
"""Of how many replies that were handed out it is remembered what they answered."""


class SyftGrid(Grid):
    """A Grid whose nodes are data owners behind folders.

    Parameters
    ----------
    app_name : str
        The app; a leading ``flwr/`` is dropped.
    datasites : sequence of str, optional
        E-mails of the data owners; those of the project in this folder if None.
    client : Channel, optional
        Who sends; opened from the environment and the participant's own settings if None.
    timeout : float, optional
        Seconds for a call that brings no timeout of its own.
    default_timeout : float, optional
        The same where ``timeout`` is None; None is without limit.
    enough : Enough, optional
        Fewer answers than this to one call end the run.
    grace : float, optional
        Seconds for which the others are waited for once ``enough`` have answered; all are waited for if None.
    code : str, optional
        Digest of the project that the data owners are expected to run.
    run_config : dict, optional
        Overrides of the run config; they travel with each request.
    members : callable, optional
        Which of the data owners take part at the moment; all of them, always, if None.
    """

    def __init__(
        self,
        app_name: str,
        datasites: Sequence[str] | None = None,
        client: Channel | None = None,
        *,
        timeout: float | None = None,
        default_timeout: float | None = None,
        enough: Enough | None = None,
        grace: float | None = None,
        code: str | None = None,
        run_config: dict[str, Any] | None = None,
        accept_divergence: bool = False,
        spent: Callable[[], Mapping[str, int]] = dict,
        members: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        self.app_name = names.check_app_name(app_name.removeprefix("flwr/"))
        if datasites is None:
            project = require_federated(load_project(Path.cwd()))
            datasites = project.datasites if project.app_name == self.app_name else ()
        self.datasites = [names.check_email(email) for email in datasites]
        self._emails = {names.node_id(email): email for email in self.datasites}
        if len(self._emails) != len(self.datasites) or not self.datasites:
            raise UsageError(
                "The data owners are not distinct, or there are none.",
                hint="Give each e-mail once, at least one.",
            )
        if client is None:
            from syft_flwr_cli.session.session import open_for_api

            client = open_for_api(self.app_name, self.datasites)
        self.client = client
        self.node = Node(node_id=runtime.SERVER_NODE_ID)
        self._timeout = timeout
        self._default_timeout = default_timeout
        self._code = code
        self._run_config = dict(run_config or {})
        self._accept_divergence = accept_divergence
        self._members = members
        self._membership: Membership | None = None
        self._run: Run | None = None
        self._outbox: Outbox | None = None
        self._asked: dict[str, tuple[int, str, Metadata]] = {}
        self._delivered: dict[str, None] = {}
        self._pulled_in_vain: set[str] = set()
        self._questions = QuestionCount()
        self._replies = Replies(lambda who, payload: self.outbox.store_path(who, payload), code)
        self._count = AnswerCount(enough)
        self._grace = GracePeriod(enough, grace, lambda mid: self.outbox.usable(mid))
        self.rounds = RoundLog(spent)
        self._emit = Publisher(client.emit, self.rounds)
        self._last_round = 0

    # Flower's Grid

    def set_run(self, run: Run | int) -> None:
        """Set the run, by its id or by Flower's object of it; messages can be made and sent from then on."""
        run_object = runtime.empty_run(run) if isinstance(run, int) else run
        if not isinstance(run_object, Run):
            raise TypeError(f"`run` must be an instance of Run, got {type(run).__name__}")
        self._run = run_object
        runtime.become(run_object.run_id, runtime.SERVER_NODE_ID)
        if self._outbox is not None:
            self._outbox.close()
        self._outbox = Outbox(
            self.client, str(run_object.run_id), self.datasites, accept_divergence=self._accept_divergence
        )
        if self._members is not None:
            self._membership = Membership(self.client.journal, str(run_object.run_id), self._members)

    @property
    def run(self) -> Run:
        """The run; an error before `set_run`."""
        if self._run is None:
            raise UsageError("The grid has no run yet.", hint="Call grid.set_run(run_id) first.")
        return Run(**vars(self._run))

    @property
    def outbox(self) -> Outbox:
        """The messages of this run."""
        if self._outbox is None:
            raise UsageError("The grid has no run yet.", hint="Call grid.set_run(run_id) first.")
        return self._outbox

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message of this run to a node; ``ttl`` in seconds."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """The node ids of the data owners who take part, whether they are there at the moment or not."""
        self._check()
        self._warn_if_waiting()
        return [names.node_id(email) for email in self._taking_part()]

    def get_nodes(self) -> list[NodeInfo]:
        """The data owners who take part, as Flower describes nodes; their e-mails are the names."""
        self._check()
        return [
            NodeInfo(node_id=names.node_id(email), name=email, status=ONLINE) for email in self._taking_part()
        ]

    def absent_members(self) -> list[str]:
        """Data owners who did not take part when the ServerApp was last told who does."""
        if self._membership is None:
            return []
        there = self._membership.last()
        return [email for email in self.datasites if email not in there]

    def _taking_part(self) -> list[str]:
        return list(self.datasites) if self._membership is None else self._membership.ask()

    def get_client_email(self, node_id: int) -> str | None:
        """The e-mail of the data owner behind a node id; None if there is none."""
        return self._emails.get(node_id)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send messages; the ids of those that went out, by which replies are pulled.

        Where a person set how long an answer may take, a message that is pushed by hand ends then.
        One that Flower would not accept (to a node that is not there, of another run, past its time) is left out,
        with Flower's line in the log.

        Raises
        ------
        ValueError
            If a message is a reply, or has no time to live.
        """
        limit = self._timeout if self._timeout is not None else self._default_timeout
        return self._push(list(messages), limit)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies that are there by now, in the order in which they came; never waits.

        For an id that is unknown, has expired, or whose reply was handed out before, there is an error reply, as
        in Flower. A run that is taken up again hands the others out in the same order, if not in the same portions.
        """
        ids = list(dict.fromkeys(message_ids))
        known = [mid for mid in ids if mid in self._asked and mid not in self._delivered]
        replies = self.outbox.collect(known, time.monotonic())
        self._pulled_in_vain.update(mid for mid in known if mid not in replies)
        in_turn = sorted(replies, key=lambda mid: replies[mid].sent.completion_order)
        gone = [self._unavailable(mid) for mid in ids if mid not in known]
        return [*gone, *self._deliver(in_turn, replies)]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Send messages and wait for the replies; they come in the order of ``messages``.

        How long: `waiting`. Who has not answered by then is left out, and may be pulled later.
        """
        sent = list(messages)
        ids = self._push(sent)
        if not ids:
            return []
        limit = wait_limit(
            timeout,
            {message.metadata.ttl for message in sent},
            default_ttl=DEFAULT_TTL,
            chosen=self._timeout,
            default=self._default_timeout,
        )
        replies = self._wait(ids, limit)
        delivered = self._deliver(ids, replies)
        self._judge(ids, delivered)
        return delivered

    def _wait(self, ids: list[str], limit: float | None) -> dict[str, Reply]:
        skipped = self.outbox.skipped(ids)
        # Where an earlier process of this run went on without some, this one does: whatever has come since.
        deadline = time.monotonic() if skipped else None if limit is None else time.monotonic() + limit
        number, _, asked = self._asked[ids[0]]
        with self._grace.call((number, asked.message_type), ids) as until:
            replies = self.outbox.collect([mid for mid in ids if mid not in skipped], deadline, until)
        missing = [mid for mid in ids if mid not in replies]
        self.outbox.skip(missing)
        for mid in missing:
            self._emit(events.ReplyMissing(self._asked[mid][1]))
        return replies

    def send_stop_signal(
        self,
        group_id: str = "final",
        reason: str = "Server stopped",
        ttl: float = STOP_TTL,
        *,
        state: str = "finished",
    ) -> list[str]:
        """Tell every data owner that the run is over, and how (`protocol.body.ENDS`); to whom it went.

        A SYSTEM message with group id ``final`` and ``{"config": {"action": "stop", "reason": …}}``.
        """
        for email in self.datasites:
            body = Body(type=SYSTEM, group=group_id, stop=Stop(reason[:1000], state))
            self.outbox.stop(email, body, ttl)
        return list(self.datasites)

    # The end

    def finish(self) -> None:
        """The ServerApp is through.

        Raises
        ------
        DivergenceError
            If an earlier process of this run had sent more.
        TooFewRepliesError
            If the last round had fewer answers than are enough.
        """
        self.outbox.check()
        self.outbox.finish()
        self._count.finish()
        unpulled = [mid for mid in self._asked if mid not in self._delivered]
        here = self.outbox.collect(unpulled, time.monotonic())
        skipped = self.outbox.skipped(unpulled)
        for mid in unpulled:
            number, who, asked = self._asked[mid]
            if mid in here and mid in skipped and here[mid].body is not None:
                self._emit(events.ReplyLate(who, asked.message_type, number))
            elif mid not in here and mid in self._pulled_in_vain:
                self._emit(events.ReplyMissing(who))

    def close(self) -> None:
        """End the threads; the run stays as it is and can be taken up again."""
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None

    # Down

    def _push(self, messages: list[Message], limit: float | None = None) -> list[str]:
        outbox, run = self.outbox, self.run.run_id
        messages = [m for m in messages if accepted(m, run, self._emails.__contains__)]
        others = [one for one in self.client.journal.runs() if one.role == "aggregator" and one.ended is None]
        open_runs = [one.run for one in others if one.run != str(run)]
        drafts = Drafts(self._code, self._run_config, len(self.datasites), open_runs, limit)
        now = time.time()
        requests = [drafts.draft(m, self._emails[m.metadata.dst_node_id], now) for m in messages]
        rounds = [self._begin_round(request) for request in requests]
        if self._membership is not None:
            self._membership.commit()
        self._forget_delivered()
        ids = outbox.push(requests)
        for kind, number in dict.fromkeys(zip((d.body.type for d in requests), rounds, strict=True)):
            self._emit(events.RequestsPublished(kind, number))
        for mid, message, request, number in zip(ids, messages, requests, rounds, strict=True):
            message.metadata.__dict__["_message_id"] = mid
            self._asked[mid] = (number, request.recipient, copied(message.metadata))
            self._delivered.pop(mid, None)
        return ids

    def _forget_delivered(self) -> None:
        """Of replies that were handed out long ago nothing is needed: of an id that is unknown the same is said."""
        surplus = len(self._delivered) - max(REMEMBERED, 4 * len(self.datasites))
        for mid in list(self._delivered)[: max(0, surplus)]:
            del self._delivered[mid]
            self._asked.pop(mid, None)
            self._pulled_in_vain.discard(mid)

    def _begin_round(self, request: OutgoingRequest) -> int:
        """Note a request; the round that it belongs to, which is the latest where the app does not say."""
        number = request.body.round if request.body.round is not None else self._last_round or 1
        self._last_round = max(self._last_round, number)
        self._failing(self._count.begin, (number, request.body.type))
        self._emit(events.RequestPrepared(request.recipient, request.body.type, number))
        return number

    # Up

    def _deliver(self, ids: list[str], replies: dict[str, Reply]) -> list[Message]:
        delivered = []
        for mid in ids:
            reply = replies.get(mid)
            if reply is None or mid in self._delivered:
                continue
            self._delivered[mid] = None
            number, who, asked = self._asked[mid]
            if reply.body is None:
                self._emit(events.ReplyMissing(who))
                if reply.sent.state is not Outgoing.WITHDRAWN:
                    delivered.append(self._unavailable(mid))
                continue
            found = self._replies.message(mid, who, asked, reply, reply.body, self.run.run_id)
            self._note(found, number, who, asked, reply.body.data)
            delivered.append(found.message)
        return delivered

    def _note(self, found: Delivered, number: int, who: str, asked: Metadata, data: str | None) -> None:
        metrics = codec.metrics_of(found.message) if found.error is None else {}
        reply = (who, asked.message_type, number, metrics, found.error, found.partakes, data)
        self._emit(events.ReplyDelivered(*reply))

    def _unavailable(self, mid: str) -> Message:
        who = self._asked[mid][1] if mid in self._asked else ""
        why = f" ({who} was asked.)" if who else ""
        node = runtime.SERVER_NODE_ID
        return codec.unavailable(mid, run=self.run.run_id, node=node, now=time.time(), why=why)

    def _judge(self, ids: list[str], delivered: list[Message]) -> None:
        good = [self._asked[m.metadata.reply_to_message_id][1] for m in delivered if not m.has_error()]
        number, _, asked = self._asked[ids[0]]
        self._failing(
            self._count.returned, (number, asked.message_type), [self._asked[mid][1] for mid in ids], good
        )

    def _failing(self, judge: Callable[..., None], *arguments: Any) -> None:
        try:
            judge(*arguments)
        except TooFewRepliesError as error:
            self.outbox.fail(error)  # in a thread of the legacy API it would be taken for a mere absence
            raise

    def _warn_if_waiting(self) -> None:
        """Say so if the ServerApp seems to wait for more data owners than there will ever be."""
        if not self._asked and self._questions.too_many(time.monotonic()):
            self._emit(events.WaitsForMore(len(self.datasites)))

    def _check(self) -> None:
        # After a failure the legacy API goes on asking from a thread of its own, for ever.
        if self._outbox is not None:
            self._outbox.check()
