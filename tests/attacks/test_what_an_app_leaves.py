"""An app against the node and the aggregator that run it: its files, its replies, its output; no process is started."""

import os
import struct
import threading
import time
from pathlib import Path

import pytest
from doubles.channels import channel_of
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.proto import message_pb2

from syft_flwr_cli.aggregator.run_folder import open_run_folder
from syft_flwr_cli.consent.egress import EgressGuard, EgressRules, check, describe
from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.outbox import Outbox
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.delivery.task import Task, TaskResult, WrittenReply
from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.events import Event, ReplyWithheld
from syft_flwr_cli.execution.app_errors import AppErrors, known_class
from syft_flwr_cli.execution.output import MAX_LOG, copy_output
from syft_flwr_cli.execution.worker_environment import app_environment
from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.flower.error_codes import APP_RAISED, NOT_EXECUTED
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport

AGGREGATOR, OWNER, RUN = "ds@lab.example", "do@a.example", "77"
TASK = Task("5f0c2c5e-0d5c-4b43-9a3d-1f6a8b7f5d11", RUN, Body(type="train"), [], None, None, 0)


# Files


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "study").mkdir(parents=True)
    (place / "study" / "app.py").write_text("x = 1\n")
    (place / "run.sh").write_text("#!/bin/sh\n")
    for path in (place, place / "study", place / "run.sh"):
        path.chmod(0o755)
    return place


def test_a_working_copy_is_its_owners_alone(project: Path, tmp_path: Path) -> None:
    folder = open_run_folder(tmp_path / "kept", RUN, project)
    below = [folder.working, *folder.working.rglob("*"), folder.results]
    assert [path for path in below if path.stat().st_mode & 0o077] == []
    assert (folder.working / "run.sh").stat().st_mode & 0o100


@pytest.mark.parametrize("link", ["a folder", "the file", "a folder below", "the results' own folder"])
def test_nothing_that_an_app_leaves_is_moved_out_of_the_results(
    project: Path, tmp_path: Path, link: str
) -> None:
    """The app may be in a sandbox; whoever tidies up after it is not."""
    outside = tmp_path / "home" / ".ssh"
    outside.mkdir(parents=True)
    (outside / "authorized_keys").write_text("mine\n")
    folder = open_run_folder(tmp_path / "kept", RUN, project)
    left = {
        "a folder": "x/authorized_keys",
        "the file": "authorized_keys",
        "a folder below": "x/y/authorized_keys",
        "the results' own folder": "x",
    }[link]
    if link == "a folder":
        (folder.results / "x").symlink_to(outside)
    elif link == "the file":
        (folder.results / "authorized_keys").symlink_to(outside / "authorized_keys")
    elif link == "a folder below":
        (folder.results / "x").mkdir()
        (folder.results / "x" / "y").symlink_to(outside)
    else:
        (folder.results / "x").symlink_to(outside)  # a file of this name would be moved into the folder
    (folder.working / left).parent.mkdir(parents=True, exist_ok=True)
    (folder.working / left).write_text("the app's\n")
    folder.close()
    assert sorted(outside.iterdir()) == [outside / "authorized_keys"]
    assert (outside / "authorized_keys").read_text() == "mine\n"
    assert (folder.results / left).read_text() == "the app's\n"


def test_links_that_an_app_leaves_are_not_followed(project: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    folder = open_run_folder(tmp_path / "kept", RUN, project)
    (folder.working / "stolen").symlink_to(secret / "key")
    (folder.working / "all").symlink_to(secret)
    assert folder.close() == []
    assert list(folder.results.iterdir()) == [] and (secret / "key").read_text() == "secret"


# Replies


def reply(content: RecordDict) -> TaskResult:
    runtime.become(int(RUN), 1)
    packed = codec.pack_message(Message(content=content, message_type="train", dst_node_id=1))
    return TaskResult(packed.skeleton, packed.places, packed.blobs)


@pytest.mark.parametrize("number", [float("nan"), -float("inf"), 4, 4.999, [100]])
def test_a_number_of_examples_that_is_none_does_not_pass(number: float) -> None:
    found = reply(RecordDict({"m": MetricRecord({"loss": 0.5})}))
    _, outline = describe(reply(RecordDict({"m": MetricRecord({"loss": 0.5, "num-examples": number})})))
    assert check(EgressRules(min_examples=5), outline, 10, 0) is not None
    assert check(EgressRules(min_examples=5), describe(found)[1], 10, 0) is not None


@pytest.mark.parametrize(
    "content",
    [
        {"config": ConfigRecord({"row": "name,age,diagnosis"})},
        {"config": ConfigRecord({"rows": [b"name,age", b"diagnosis"]})},
        {"config": ConfigRecord({"bits": [True, False]})},
        {"m": MetricRecord({"loss": 0.5, "patient-17-is-ill": 1})},
        {"m": MetricRecord({"loss": 0.5, "Loss": 1})},
        {"m ": MetricRecord({"loss": 0.5})},
        {"m\u3164": MetricRecord({"loss": 0.5})},
    ],
)
def test_no_other_record_and_no_other_name_carries_what_the_rules_hold_back(
    content: dict[str, object],
) -> None:
    rules = EgressRules(records=("m",), metrics=("loss",))
    told: list[str] = []
    out = EgressGuard(
        lambda task: reply(RecordDict(content)),
        lambda: rules,
        lambda run: 0,
        lambda _, said: told.append(said),
    )(TASK)
    assert out.withheld and out.error is not None and out.skeleton == b"" and not out.blobs
    assert not any(word in out.error[1] for word in ("patient", "diagnosis", "Loss"))
    assert told


SECRET = "patient 17 is ill"


def through(result: TaskResult, place: Path) -> TaskResult:
    """What becomes of a reply on its way out, under rules that let only one metric pass."""
    errors = AppErrors(place / "errors")
    rules = EgressRules(records=("m",), metrics=("loss",))
    return EgressGuard(lambda task: errors(task, result), lambda: rules, lambda run: 0)(TASK)


def left(result: TaskResult) -> bytes:
    """All bytes of a reply that would leave."""
    error = b"" if result.error is None else result.error[1].encode()
    return b"".join((result.skeleton, *(bytes(blob) for blob in result.blobs), error))


def test_an_error_that_the_app_replies_with_itself_leaves_as_a_class_alone(tmp_path: Path) -> None:
    runtime.become(int(RUN), 1)
    asked = Message(RecordDict(), message_type="train", dst_node_id=1)
    packed = codec.pack_message(Message(Error(code=77, reason=SECRET), reply_to=asked))
    assert SECRET.encode() in packed.skeleton
    out = through(TaskResult(packed.skeleton, packed.places, packed.blobs), tmp_path)
    assert out.error is not None and out.error[0] == APP_RAISED and SECRET.encode() not in left(out)


def hidden(where: str) -> TaskResult:
    """A reply with one metric that may leave, and a secret beside it, as an app makes it that writes its own bytes."""
    honest = reply(RecordDict({"m": MetricRecord({"loss": 0.5})}))
    message = message_pb2.Message.FromString(honest.skeleton)
    if where in ("message_id", "reply_to_message_id", "group_id", "message_type"):
        setattr(message.metadata, where, SECRET)
    if where in ("run_id", "src_node_id", "src_task_id"):
        setattr(message.metadata, where, int.from_bytes(SECRET[:7].encode()))
    if where in ("ttl", "created_at"):
        (number,) = struct.unpack("<d", SECRET[:8].encode())
        setattr(message.metadata, where, number)
    if where == "error beside the content":
        message.error.code, message.error.reason = 2, SECRET
    if where == "unknown field":
        return TaskResult(honest.skeleton + b"\x7a" + bytes([len(SECRET)]) + SECRET.encode())
    if where == "record twice":  # protobuf makes one of the two, with the metrics of both
        other = message_pb2.Message.FromString(reply(RecordDict({"m": MetricRecord({SECRET: 1.0})})).skeleton)
        (mine,), (theirs,) = message.content.items, other.content.items
        parts = [theirs.metric_record.SerializeToString(), mine.metric_record.SerializeToString()]
        entry = b"\x0a\x01m" + b"".join(b"\x1a" + bytes([len(part)]) + part for part in parts)
        content = b"\x0a" + bytes([len(entry)]) + entry
        merged = message_pb2.Message.FromString(b"\x12" + bytes([len(content)]) + content)
        assert len(merged.content.items[0].metric_record.items) == 2, "and that is what Flower reads"
        return TaskResult(b"\x12" + bytes([len(content)]) + content)
    if where == "bytes of a metric":
        return TaskResult(honest.skeleton, [("m", "loss")], [SECRET.encode()])
    return TaskResult(message.SerializeToString(), honest.places, honest.blobs)


CONTENTS = ("error beside the content", "unknown field", "record twice", "bytes of a metric")
"""Where it is that the reply as a whole is withheld."""


@pytest.mark.parametrize(
    "where",
    [
        *("message_id", "reply_to_message_id", "group_id", "message_type", "run_id", "src_node_id"),
        *("src_task_id", "ttl", "created_at"),
        *CONTENTS,
    ],
)
def test_what_surrounds_the_content_of_a_reply_carries_nothing(where: str, tmp_path: Path) -> None:
    result = hidden(where)
    out = through(result, tmp_path)
    assert SECRET[:7].encode() not in left(out)
    metadata = message_pb2.Message.FromString(out.skeleton).metadata
    assert not (metadata.run_id or metadata.src_node_id or metadata.src_task_id)
    assert (out.error is None) == (where not in CONTENTS)


def test_the_type_of_an_array_is_no_text_of_the_apps_own() -> None:
    runtime.become(int(RUN), 1)
    array = Array("float32", (2,), SECRET * 5, bytes(8))
    packed = codec.pack_message(
        Message(RecordDict({"m": ArrayRecord({"w": array})}), message_type="train", dst_node_id=1)
    )
    out = EgressGuard(
        lambda task: TaskResult(packed.skeleton, packed.places, packed.blobs), lambda: None, lambda run: 0
    )(TASK)
    assert out.withheld and SECRET.encode() not in left(out)


def test_the_bounds_count_the_names_as_well() -> None:
    rules = EgressRules(round_bytes=1000)
    long = reply(RecordDict({"m": MetricRecord({"x" * 5000: 1.0})}))
    out = EgressGuard(lambda task: long, lambda: rules, lambda run: 0)(TASK)
    assert out.error is not None and "egress-round-bytes" in out.error[1]


@pytest.mark.parametrize(
    "text",
    [
        "Patient17HasCancer: x",
        "ValueError\u200b: x",
        "VALUEERROR",
        "evil.ValueErrorPatient17: x",
        "\x1b[2JValueError: x",
        "",
    ],
)
def test_the_name_of_an_error_says_nothing_of_its_own(text: str) -> None:
    assert known_class(text) == "Exception"


def test_the_text_of_an_error_stays(tmp_path: Path) -> None:
    said = AppErrors(tmp_path / "errors")(
        TASK, TaskResult(error=(APP_RAISED, "ValueError: row 17: Ann, 54\nmore"))
    )
    assert said.error is not None and "Ann" not in said.error[1] and said.error[1].startswith("ValueError (")
    (kept,) = (tmp_path / "errors").iterdir()
    assert "Ann" in kept.read_text() and kept.stat().st_mode & 0o077 == 0


# Output and environment


def test_output_without_end_takes_no_more_than_its_share_of_the_disk(tmp_path: Path) -> None:
    source, sink = os.pipe()
    log = tmp_path / "logs" / "app.log"
    copier = threading.Thread(target=copy_output, args=(os.fdopen(source, "rb"), log))
    copier.start()
    with os.fdopen(sink, "wb") as app:
        for _ in range(3 * MAX_LOG >> 16):
            app.write(b"x" * (1 << 16))
    copier.join(60)
    files = list((tmp_path / "logs").iterdir())
    assert sum(file.stat().st_size for file in files) <= MAX_LOG + (1 << 16)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "SYFT_FLWR_PASSPHRASE",
        "SYFT_FLWR_HOME",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONINSPECT",
        "PYTHONBREAKPOINT",
        "SSH_AUTH_SOCK",
        "DBUS_SESSION_BUS_ADDRESS",
        "XDG_RUNTIME_DIR",
        "GIT_ASKPASS",
        "HF_TOKEN",
        "WANDB_API_KEY",
    ],
)
def test_a_secret_of_the_environment_is_not_handed_on(name: str) -> None:
    assert app_environment({name: "secret", "PATH": "/bin"}) == {"PATH": "/bin"}


# An answer that was written down when its owner changed its mind


class Failing(MemoryTransport):
    """A store that takes no responses while it is told so."""

    down = False

    def publish(self, path: str, content: object, readers: object) -> None:  # type: ignore[override]
        if self.down and path.endswith(".response"):
            raise TransportError("The store is away.", hint="Wait.")
        super().publish(path, content, readers)  # type: ignore[arg-type]


@pytest.mark.parametrize("again", [False, True], ids=["same process", "next process"])
def test_an_answer_that_was_written_down_is_not_sent_after_a_rejection(tmp_path: Path, again: bool) -> None:
    """An error in its place says so, to both sides."""
    store, said = MemoryStore(), list[Event]()
    server = channel_of(tmp_path / "server", AGGREGATOR, MemoryTransport(store, AGGREGATOR))
    transport = Failing(store, OWNER)
    owner = channel_of(tmp_path / "owner", OWNER, transport, emit=said.append)
    server.publish_identity([OWNER])
    owner.publish_identity([AGGREGATOR])
    rejected = False

    def hold(written: WrittenReply) -> str | None:
        assert written.record["metrics"] == [{"record": "m", "name": "loss", "value": 0.5}]
        return "The data owner does not approve this code any more." if rejected else None

    guard = EgressGuard(
        lambda task: reply(RecordDict({"m": MetricRecord({"loss": 0.5})})), lambda: None, lambda run: 0
    )
    inbox = Inbox(owner, AGGREGATOR, guard, hold=hold)
    inbox.recover()
    outbox = Outbox(server, RUN, [OWNER])
    (mid,) = outbox.push([OutgoingRequest(OWNER, Body(type="train"), bytes(32), response_timeout=60.0)])
    transport.down = True
    with pytest.raises(TransportError):
        for _ in range(100):
            inbox.step()
    transport.down = False
    rejected = True
    if again:
        inbox.close()
        inbox = Inbox(owner, AGGREGATOR, guard, hold=hold)
        inbox.recover()
    for _ in range(5):
        inbox.step()

    body = outbox.collect([mid], time.monotonic() + 60)[mid].body
    assert body is not None and body.error is not None and body.skeleton == b""
    assert body.error[0] == NOT_EXECUTED and "does not approve this code any more" in body.error[1]
    assert [event.message for event in said if isinstance(event, ReplyWithheld)] == [mid]
    owner.audit.flush()
    refused = [one for one in owner.account.audit.entries() if one.get("event") == "refused"]
    assert [one["reason"] for one in refused] == ["policy"]
    assert [record["withheld"] for record in owner.journal.egress(RUN)] == ["policy"]
    for one in (outbox, inbox, server, owner):
        one.close()


def test_an_answer_that_is_held_back_waits_for_a_key_that_is_gone_from_the_store(tmp_path: Path) -> None:
    """The error in its place is sealed for the aggregator: whoever removes that one's document delays it, no more."""
    store = MemoryStore()
    agg = MemoryTransport(store, AGGREGATOR)
    server = channel_of(tmp_path / "server", AGGREGATOR, agg)
    transport = Failing(store, OWNER)
    owner = channel_of(tmp_path / "owner", OWNER, transport)
    server.publish_identity([OWNER])
    owner.publish_identity([AGGREGATOR])
    guard = EgressGuard(
        lambda task: reply(RecordDict({"m": MetricRecord({"loss": 0.5})})), lambda: None, lambda run: 0
    )
    inbox = Inbox(owner, AGGREGATOR, guard)
    inbox.recover()
    outbox = Outbox(server, RUN, [OWNER])
    (mid,) = outbox.push([OutgoingRequest(OWNER, Body(type="train"), bytes(32), response_timeout=60.0)])
    transport.down = True
    with pytest.raises(TransportError):
        for _ in range(100):
            inbox.step()
    transport.down = False
    inbox.close()
    owner.close()
    agg.remove(IDENTITY_PATH)
    owner = channel_of(tmp_path / "owner", OWNER, MemoryTransport(store, OWNER))
    inbox = Inbox(owner, AGGREGATOR, guard, hold=lambda written: "The data owner rejected this code.")
    inbox.recover()
    with pytest.raises(NotThereError):
        for _ in range(5):
            inbox.step()
    server.publish_identity([OWNER])
    for _ in range(5):
        inbox.step()
    body = outbox.collect([mid], time.monotonic() + 60)[mid].body
    assert body is not None and body.error is not None and "rejected this code" in body.error[1]
    for one in (outbox, inbox, server, owner):
        one.close()
