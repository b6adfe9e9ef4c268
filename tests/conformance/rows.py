"""The rows of the Grid conformance suite: each a script, and what is seen when it is run in a world.

``adr`` names the decision record where ours does something else on purpose. What a script returns has no ids and no
times in it, so that two worlds can be compared.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from worlds import World, names_of

Script = Callable[[World], Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    topic: str
    what: str
    script: Script
    adr: str = ""


ROWS: list[Row] = []


def row(topic: str, what: str, adr: str = "") -> Callable[[Script], Script]:
    """Add a row."""

    def add(script: Script) -> Script:
        ROWS.append(Row(topic, what, script, adr))
        return script

    return add


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives, or the class of what it raises."""
    try:
        return action()
    except Exception as error:
        return f"raises {type(error).__name__}"


def shape(world: World, message: Message) -> list[Any]:
    """What an app can read off a reply, without ids and times."""
    metadata = message.metadata
    return [
        "error" if message.has_error() else "content",
        message.error.code if message.has_error() else None,
        world.index(metadata.src_node_id),
        world.index(metadata.dst_node_id),
        metadata.message_type,
        metadata.group_id,
    ]


# Nodes


@row("nodes", "`get_node_ids` names every node")
def _(world: World) -> Any:
    return sorted(world.index(node) for node in world.grid.get_node_ids())


@row("nodes", "node ids are distinct positive integers below 2^64, and none is the server's")
def _(world: World) -> Any:
    ids = list(world.grid.get_node_ids())
    return len(set(ids)) == len(ids) and all(type(n) is int and 1 < n < 2**64 for n in ids)


@row("nodes", "`get_nodes` describes the nodes that `get_node_ids` names")
def _(world: World) -> Any:
    return sorted(info.node_id for info in world.grid.get_nodes()) == sorted(world.grid.get_node_ids())


@row("nodes", "`get_nodes` gives a status")
def _(world: World) -> Any:
    return sorted(info.status for info in world.grid.get_nodes())


@row("nodes", "`get_nodes` gives names", adr="0031-flowers-grid")
def _(world: World) -> Any:
    return names_of(list(world.grid.get_nodes()))


@row("nodes", "changing what `get_nodes` gave changes nothing")
def _(world: World) -> Any:
    next(iter(world.grid.get_nodes())).status = "broken"
    return sorted(info.status for info in world.grid.get_nodes())


@row("nodes", "`grid.node` is the server's")
def _(world: World) -> Any:
    return world.grid.node.node_id  # type: ignore[attr-defined]


@row("nodes", "a node that is away is not named", adr="0031-flowers-grid")
def _(world: World) -> Any:
    world.leave(1)
    return sorted(world.index(node) for node in world.grid.get_node_ids())


@row("nodes", "a node that leaves while it is asked answers with an error", adr="0031-flowers-grid")
def _(world: World) -> Any:
    world.awake()
    (mid,) = world.grid.push_messages([world.message(0)])
    world.leave(0)
    time.sleep(0.05)
    return [shape(world, reply) for reply in world.grid.pull_messages([mid])]


# The run


@row("run", "`grid.run` has the run's id")
def _(world: World) -> Any:
    return world.grid.run.run_id == world.run_id


@row("run", "`grid.run` is a copy")
def _(world: World) -> Any:
    world.grid.run.run_id = 5
    return world.grid.run.run_id == world.run_id


@row("run", "`set_run` refuses what is no run")
def _(world: World) -> Any:
    return outcome(lambda: world.grid.set_run("4711"))  # type: ignore[arg-type]


@row("run", "`set_run` refuses a run id", adr="0031-flowers-grid")
def _(world: World) -> Any:
    return outcome(lambda: world.grid.set_run(world.run_id))  # type: ignore[arg-type]


# Making messages


@row("making", "`create_message` sets type, recipient and group")
def _(world: World) -> Any:
    message = world.grid.create_message(RecordDict(), "train.custom", world.nodes[1], "g7", 9.0)
    data = message.metadata
    return [data.message_type, world.index(data.dst_node_id), data.group_id, data.ttl]


@row("making", "`create_message` without a time to live gives Flower's default")
def _(world: World) -> Any:
    return world.grid.create_message(RecordDict(), "query", world.nodes[0], "").metadata.ttl


@row("making", "a message is the server's and of this run")
def _(world: World) -> Any:
    data = world.message().metadata
    return [world.index(data.src_node_id), data.run_id == world.run_id, data.reply_to_message_id]


@row("making", "a message of an unknown type is refused")
def _(world: World) -> Any:
    return outcome(lambda: world.message(kind="dance").metadata.message_type)


# Pushing


@row("pushing", "a push gives one id for each message, all distinct")
def _(world: World) -> Any:
    ids = list(world.grid.push_messages([world.message(0), world.message(1), world.message(0)]))
    return [len(ids), len(set(ids)), all(isinstance(mid, str) and mid for mid in ids)]


@row("pushing", "a pushed message has its id")
def _(world: World) -> Any:
    message = world.message()
    (mid,) = world.grid.push_messages([message])
    return message.metadata.message_id == mid


@row("pushing", "nothing pushed gives no ids")
def _(world: World) -> Any:
    return list(world.grid.push_messages([]))


@row("pushing", "a generator of messages is pushed")
def _(world: World) -> Any:
    return len(list(world.grid.push_messages(world.message(i) for i in (0, 1))))


@row("pushing", "a message to an unknown node is dropped")
def _(world: World) -> Any:
    return list(world.grid.push_messages([world.message(to=12345)]))


@row("pushing", "the others of a push with a message to an unknown node go out")
def _(world: World) -> Any:
    world.awake(0, 1)
    ids = list(world.grid.push_messages([world.message(0), world.message(to=12345), world.message(1)]))
    return [len(ids), sorted(world.index(m.metadata.src_node_id) for m in world.pull(*ids, count=2))]


@row("pushing", "a time to live of 0 in a message's making is Flower's default")
def _(world: World) -> Any:
    message = world.message(ttl=0)
    return [message.metadata.ttl, len(list(world.grid.push_messages([message])))]


@row("pushing", "a message whose time to live was set to 0 is refused")
def _(world: World) -> Any:
    message = world.message()
    message.metadata.__dict__["_ttl"] = 0
    return outcome(lambda: list(world.grid.push_messages([message])))


@row("pushing", "a message with a negative time to live is refused")
def _(world: World) -> Any:
    return outcome(lambda: list(world.grid.push_messages([world.message(ttl=-1.0)])))


@row("pushing", "a message whose time is over is dropped")
def _(world: World) -> Any:
    message = world.message(ttl=5.0)
    message.metadata.__dict__["_created_at"] -= 60.0
    return list(world.grid.push_messages([message]))


@row("pushing", "a reply is not pushed")
def _(world: World) -> Any:
    world.awake(0)
    (reply,) = world.grid.send_and_receive([world.message(0)])
    return outcome(lambda: list(world.grid.push_messages([reply])))


@row("pushing", "a message of another run is dropped")
def _(world: World) -> Any:
    message = world.message()
    message.metadata.__dict__["_run_id"] = world.run_id + 1
    return list(world.grid.push_messages([message]))


@row("pushing", "an object that is pushed twice is two messages", adr="0031-flowers-grid")
def _(world: World) -> Any:
    message = world.message(0)
    first, second = [next(iter(world.grid.push_messages([message]))) for _ in range(2)]
    world.awake(0)
    world.answered(0, 1)
    time.sleep(0.2)
    return [first != second, len(list(world.grid.pull_messages([first]))) == 1]


@row("pushing", "what is changed after a push is not sent", adr="0031-flowers-grid")
def _(world: World) -> Any:
    message = world.message(0)
    (mid,) = world.grid.push_messages([message])
    message.content["config"] = ConfigRecord({"do": "changed"})
    world.awake(0)
    (reply,) = world.pull(mid)
    return reply.content["config"]["do"]


# Pulling


@row("pulling", "before there is an answer, a pull gives nothing")
def _(world: World) -> Any:
    ids = world.grid.push_messages([world.message()])
    return list(world.grid.pull_messages(ids))


@row("pulling", "a reply comes from its node, to the server, with type and group of its message")
def _(world: World) -> Any:
    world.awake(0, 1)
    (mid,) = world.grid.push_messages([world.message(1, kind="train.custom", group="g")])
    return [shape(world, reply) for reply in world.pull(mid)]


@row("pulling", "a reply names the message that it answers, and has an id of its own")
def _(world: World) -> Any:
    world.awake(0)
    (mid,) = world.grid.push_messages([world.message(0)])
    (reply,) = world.pull(mid)
    return [reply.metadata.reply_to_message_id == mid, reply.metadata.message_id not in ("", mid)]


@row("pulling", "a pulled reply says when it was delivered")
def _(world: World) -> Any:
    world.awake(0)
    (reply,) = world.pull(*world.grid.push_messages([world.message(0)]))
    return reply.metadata.delivered_at != ""


@row("pulling", "a reply's time to live is within its message's")
def _(world: World) -> Any:
    world.awake(0)
    (reply,) = world.pull(*world.grid.push_messages([world.message(0, ttl=50.0)]))
    return 0 < reply.metadata.ttl <= 50.0


@row("pulling", "a reply is pulled once; after that there is an error for its id")
def _(world: World) -> Any:
    world.awake(0)
    (mid,) = world.grid.push_messages([world.message(0)])
    world.pull(mid)
    return [shape(world, reply) for reply in world.grid.pull_messages([mid])]


@row("pulling", "for an unknown id there is an error")
def _(world: World) -> Any:
    (reply,) = world.grid.pull_messages(["no such message"])
    return [*shape(world, reply), reply.metadata.reply_to_message_id]


@row("pulling", "an unknown id does not keep the others from coming")
def _(world: World) -> Any:
    world.awake(0)
    (mid,) = world.grid.push_messages([world.message(0)])
    world.answered(0, 1)
    return sorted(shape(world, reply)[0] for reply in world.grid.pull_messages([mid, "no such message"]))


@row("pulling", "no ids give no replies")
def _(world: World) -> Any:
    return list(world.grid.pull_messages([]))


@row("pulling", "an id that is named twice gives one reply")
def _(world: World) -> Any:
    world.awake(0)
    (mid,) = world.grid.push_messages([world.message(0)])
    world.answered(0, 1)
    return len(list(world.grid.pull_messages([mid, mid])))


@row("pulling", "a generator of ids is pulled")
def _(world: World) -> Any:
    world.awake(0)
    ids = list(world.grid.push_messages([world.message(0)]))
    world.answered(0, 1)
    return len(list(world.grid.pull_messages(mid for mid in ids)))


@row("pulling", "for a message whose time is over there is an error")
def _(world: World) -> Any:
    (mid,) = world.grid.push_messages([world.message(0, ttl=0.3)])
    time.sleep(0.5)
    return [shape(world, reply) for reply in world.grid.pull_messages([mid])]


@row("pulling", "the answer to a message whose time is over is not delivered")
def _(world: World) -> Any:
    (mid,) = world.grid.push_messages([world.message(0, ttl=0.3)])
    time.sleep(0.5)
    world.awake(0)
    time.sleep(0.3)
    return [shape(world, reply) for reply in world.grid.pull_messages([mid])]


@row("pulling", "replies that nobody pulls disturb nothing")
def _(world: World) -> Any:
    world.awake(0, 1)
    world.grid.push_messages([world.message(0), world.message(1)])
    return sorted(shape(world, reply)[2] for reply in world.grid.send_and_receive([world.message(1)]))


# Sending and receiving


@row("calls", "a call gives the replies of all")
def _(world: World) -> Any:
    world.awake(0, 1)
    return sorted(shape(world, m) for m in world.grid.send_and_receive([world.message(0), world.message(1)]))


@row("calls", "a call without messages gives nothing")
def _(world: World) -> Any:
    return list(world.grid.send_and_receive([]))


@row("calls", "a call to an unknown node alone gives nothing, at once")
def _(world: World) -> Any:
    return list(world.grid.send_and_receive([world.message(to=12345)], timeout=None))


@row("calls", "a call that nobody answers gives an empty list at its timeout")
def _(world: World) -> Any:
    world.awake()
    return list(world.grid.send_and_receive([world.message(0), world.message(1)], timeout=0.3))


@row("calls", "a call gives those that answer before its timeout")
def _(world: World) -> Any:
    world.awake(1)
    messages = [world.message(0), world.message(1)]
    return sorted(shape(world, m) for m in world.grid.send_and_receive(messages, timeout=3.0))


@row("calls", "a timeout of 0 does not wait")
def _(world: World) -> Any:
    world.awake()
    return list(world.grid.send_and_receive([world.message(0)], timeout=0))


@row("calls", "a negative timeout does not wait")
def _(world: World) -> Any:
    world.awake()
    return list(world.grid.send_and_receive([world.message(0)], timeout=-1.0))


@row("calls", "a reply that comes after the timeout can be pulled")
def _(world: World) -> Any:
    world.awake()
    message = world.message(0)
    world.grid.send_and_receive([message], timeout=0.1)
    world.awake(0)
    return [shape(world, reply) for reply in world.pull(message.metadata.message_id)]


@row("calls", "a reply that comes after the timeout and the time to live cannot be pulled")
def _(world: World) -> Any:
    world.awake()
    message = world.message(0, ttl=0.5)
    world.grid.send_and_receive([message], timeout=0.1)
    time.sleep(0.6)
    return [shape(world, reply) for reply in world.grid.pull_messages([message.metadata.message_id])]


@row("calls", "without a timeout, a message whose time ends is answered with an error")
def _(world: World) -> Any:
    world.awake()
    return [shape(world, m) for m in world.grid.send_and_receive([world.message(0, ttl=0.4)])]


@row("calls", "a reply of a call is not pulled again")
def _(world: World) -> Any:
    world.awake(0)
    message = world.message(0)
    list(world.grid.send_and_receive([message]))
    return [shape(world, reply) for reply in world.grid.pull_messages([message.metadata.message_id])]


@row("calls", "a ClientApp that raises answers with error code 2, from its node")
def _(world: World) -> Any:
    world.awake(0)
    return [shape(world, m) for m in world.grid.send_and_receive([world.message(0, do="raise")])]


@row("calls", "an error reply has no content, and a content reply no error")
def _(world: World) -> Any:
    world.awake(0, 1)
    replies = world.grid.send_and_receive([world.message(0, do="raise"), world.message(1)])
    return sorted([reply.has_content(), reply.has_error()] for reply in replies)


@row("calls", "a node keeps its state from message to message")
def _(world: World) -> Any:
    world.awake(0)
    counts = []
    for _ in range(3):
        (reply,) = world.grid.send_and_receive([world.message(0)])
        counts.append(reply.content["seen"]["n"])
    return counts


@row("calls", "a node's state does not change with a message that raises")
def _(world: World) -> Any:
    world.awake(0)
    for do in ("echo", "raise"):
        list(world.grid.send_and_receive([world.message(0, do=do)]))
    (reply,) = world.grid.send_and_receive([world.message(0)])
    return reply.content["seen"]["n"]


@row("calls", "train, evaluate, query and custom messages reach their function")
def _(world: World) -> Any:
    world.awake(0)
    kinds = ("train", "evaluate", "query", "train.custom")
    return [
        shape(world, m) for kind in kinds for m in world.grid.send_and_receive([world.message(kind=kind)])
    ]


@row("calls", "a message for which the app has no function answers with error code 2")
def _(world: World) -> Any:
    world.awake(0)
    return [shape(world, m) for m in world.grid.send_and_receive([world.message(kind="train.unheard")])]


# Contents


def _back(world: World, content: RecordDict) -> RecordDict:
    world.awake(0)
    (reply,) = world.grid.send_and_receive([world.message(0, content=content)])
    assert reply.has_content(), reply.error.reason
    return reply.content


def _arrays(world: World, *arrays: Any) -> Any:
    given = RecordDict({"arrays": ArrayRecord({str(i): Array(a) for i, a in enumerate(arrays)})})
    back = [array.numpy() for array in _back(world, given)["arrays"].values()]
    return [[a.dtype.str, list(a.shape), a.tobytes().hex()[:64]] for a in back]


@row("contents", "arrays keep every bit: NaN, infinities, signed zeros, subnormal numbers")
def _(world: World) -> Any:
    return _arrays(world, np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]))


@row("contents", "arrays keep their dtype: float16 to complex, integers, bool, big-endian")
def _(world: World) -> Any:
    kinds = ("f2", "f4", "f8", "c8", "c16", "i1", "i8", "u2", "u8", "?", ">f4", ">i8")
    return _arrays(world, *(np.arange(3).astype(kind) for kind in kinds))


@row("contents", "arrays keep their shape: none, empty, many dimensions")
def _(world: World) -> Any:
    return _arrays(world, np.array(3.0), np.zeros((0,)), np.zeros((0, 7)), np.zeros((1, 1, 2, 1, 3)))


@row("contents", "arrays in Fortran order keep their values")
def _(world: World) -> Any:
    return _arrays(world, np.asfortranarray(np.arange(600.0).reshape(20, 30)))


@row("contents", "an array with a dimension beyond 2^31 goes there and back")
def _(world: World) -> Any:
    return _arrays(world, np.zeros((0, 2**31 + 3), dtype=np.uint8))


@row("contents", "an array larger than an envelope keeps every bit")
def _(world: World) -> Any:
    array = np.random.default_rng(3).normal(size=(300, 400))
    back = _back(world, RecordDict({"arrays": ArrayRecord({"w": Array(array)})}))["arrays"]["w"].numpy()
    return bool(np.array_equal(array, back)) and back.dtype.str


@row("contents", "an array that came can be changed in place")
def _(world: World) -> Any:
    back = _back(world, RecordDict({"arrays": ArrayRecord({"w": Array(np.ones(500))})}))["arrays"][
        "w"
    ].numpy()
    back *= 2
    return float(back.sum())


@row("contents", "metrics keep integers of 64 bits, floats and lists")
def _(world: World) -> Any:
    metrics = MetricRecord({"big": 2**63 - 1, "small": -(2**63), "f": 0.1, "l": [1, 2], "lf": [0.5, 1e300]})
    return dict(_back(world, RecordDict({"m": metrics}))["m"])


@row("contents", "configuration keeps texts, bytes, booleans and lists of them")
def _(world: World) -> Any:
    config = ConfigRecord(
        {"t": "ä\u2028\x00z", "b": b"\x00\xff", "yes": True, "ts": ["", "x"], "bs": [b"", b"1"]}
    )
    return {key: repr(value) for key, value in _back(world, RecordDict({"c": config}))["c"].items()}


@row("contents", "large bytes in a configuration keep every bit")
def _(world: World) -> Any:
    data = bytes(range(256)) * 40
    back = _back(world, RecordDict({"c": ConfigRecord({"b": data, "bs": [data, b"x"]})}))["c"]
    return back["b"] == data and back["bs"] == [data, b"x"]


@row("contents", "an empty content is a content")
def _(world: World) -> Any:
    return sorted(_back(world, RecordDict()))


@row("contents", "empty records stay")
def _(world: World) -> Any:
    content = RecordDict({"a": ArrayRecord(), "m": MetricRecord(), "c": ConfigRecord()})
    return sorted(
        (name, type(record).__name__, len(record)) for name, record in _back(world, content).items()
    )


@row("contents", "records keep their order")
def _(world: World) -> Any:
    content = RecordDict({name: MetricRecord({name: 1, "a": 2}) for name in ("z", "b", "y")})
    return [(name, list(record)) for name, record in _back(world, content).items()]
