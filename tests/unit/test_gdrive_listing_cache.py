"""What the Google Drive transport remembers instead of asking again, and when it asks all the same."""

import json
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.protocol import names
from syft_flwr_cli.testing.drive_emulator import Emulator, Fault, File, start
from syft_flwr_cli.transports.base import BytesContent, Transport
from syft_flwr_cli.transports.gdrive import own_files
from syft_flwr_cli.transports.gdrive.download import Remote
from syft_flwr_cli.transports.gdrive.listing_cache import ListingCache
from syft_flwr_cli.transports.gdrive.open import Tuning, open_gdrive
from syft_flwr_cli.transports.gdrive.transport import DriveTransport

ALICE = "alice@lab.example"
PEERS = [f"owner{number}@x.example" for number in range(6)]
APP = "alice@lab.example_study_1"
QUICK = Tuning(writes_per_second=1e6, backoff=0.01, backoff_cap=0.1, patience=3.0, timeout=10.0)

Open = Callable[..., DriveTransport]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with start(seed=1) as running:
        yield running


@pytest.fixture
def view(emulator: Emulator, tmp_path: Path) -> Iterator[Open]:
    opened: list[Transport] = []

    def make(email: str, state: str | None = None, poll_interval: float = 0.05) -> DriveTransport:
        transport = open_gdrive(
            email=email,
            state_dir=tmp_path / (state or email),
            endpoint=emulator.endpoint,
            poll_interval=poll_interval,
            tuning=QUICK,
        )
        opened.append(transport)
        return transport

    yield make
    for transport in opened:
        transport.close()


class Talk:
    """Alice, who has written to each peer, and to whom each has written; the feed has proved itself."""

    def __init__(self, emulator: Emulator, view: Open) -> None:
        self.emulator = emulator
        self.peers = {peer: view(peer) for peer in PEERS}
        self.alice = view(ALICE)
        self.watches = {peer: self.alice.watch(peer, names.rpc_folder(peer, ALICE, APP)) for peer in PEERS}
        self.heard = 0
        for name in ("one", "two"):
            for peer in PEERS:
                self.say(peer, f"{name}.response")
                self.alice.publish(to(peer, f"{name}.request"), text(name), [peer])
            self.hear(len(PEERS))
        emulator.forget_calls()

    def say(self, peer: str, name: str) -> None:
        self.peers[peer].publish(f"{names.rpc_folder(peer, ALICE, APP)}/{name}", text("hello"), [ALICE])

    def hear(self, count: int) -> None:
        """Wait until so many more files of peers have been told of."""
        self.heard -= count
        while self.heard < 0:
            token = self.alice.token()
            news = sum(len(watch.new()) for watch in self.watches.values())
            self.heard += news
            if not news:
                self.alice.wait(token, 5.0)

    def lying(self) -> dict[str, list[str]]:
        return {
            peer: [entry.name for _, entry in self.alice.list_own(names.rpc_folder(ALICE, peer, APP))]
            for peer in PEERS
        }

    def looks(self, count: int) -> None:
        """Wait until Alice has looked for news so many times more."""
        wanted = self.asked()["changes.list"] + count
        while self.asked()["changes.list"] < wanted:
            self.alice.wait(self.alice.token(), 0.1)

    def asked(self) -> Counter[str]:
        return Counter(call.method for call in self.emulator.calls(who=ALICE))


@pytest.fixture
def talk(emulator: Emulator, view: Open) -> Talk:
    return Talk(emulator, view)


def text(data: str) -> BytesContent:
    return BytesContent(data.encode())


def to(peer: str, name: str) -> str:
    return f"{names.rpc_folder(ALICE, peer, APP)}/{name}"


def by_hand(emulator: Emulator, verb: str, where: str, body: dict[str, Any] | None = None) -> None:
    """What Alice does in her browser."""
    headers = {"Authorization": f"Bearer {emulator.token(ALICE)}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{emulator.endpoint}/drive/v3/{where}", data, headers, method=verb)
    urllib.request.urlopen(request).close()


def request_to(emulator: Emulator, peer: str, name: str) -> File:
    (folder,) = [one for one in emulator.files(ALICE, folders=True) if f"_to_{peer}/" in one.name]
    (found,) = [one for one in emulator.files(ALICE) if one.parent == folder.id and one.name.endswith(name)]
    return found


BOTH = ["one.request", "two.request"]


# -- one's own folders


def test_what_lies_in_ones_own_folders_is_known_without_listing_them(talk: Talk) -> None:
    assert talk.lying() == dict.fromkeys(PEERS, BOTH)
    talk.alice.publish(to(PEERS[0], "three.request"), text("three"), [PEERS[0]])
    talk.alice.publish(to(PEERS[0], "one.request"), text("another one"), [PEERS[0]])
    talk.alice.remove(to(PEERS[1], "one.request"))
    assert talk.lying() == {
        **dict.fromkeys(PEERS, BOTH),
        PEERS[0]: ["one.request", "three.request", "two.request"],
        PEERS[1]: ["two.request"],
    }
    assert sum(entry.size for _, entry in talk.alice.list_own(names.rpc_folder(ALICE, PEERS[0], APP))) == len(
        "another onethreetwo"
    )
    assert talk.asked()["files.list"] <= talk.asked()["changes.list"] / 8 + 1


@pytest.mark.parametrize("how", ["deleted", "put into the bin", "folder deleted"])
def test_what_a_person_does_in_a_browser_is_noticed(talk: Talk, how: str) -> None:
    talk.lying()
    file = request_to(talk.emulator, PEERS[2], "one.request")
    if how == "deleted":
        by_hand(talk.emulator, "DELETE", f"files/{file.id}")
    elif how == "put into the bin":
        by_hand(talk.emulator, "PATCH", f"files/{file.id}", {"trashed": True})
    else:
        by_hand(talk.emulator, "DELETE", f"files/{file.parent}")
    talk.looks(2)
    left = [] if how == "folder deleted" else ["two.request"]
    assert talk.lying() == {**dict.fromkeys(PEERS, BOTH), PEERS[2]: left}


def test_what_another_machine_of_ours_does_is_noticed(talk: Talk, view: Open) -> None:
    talk.lying()
    other = view(ALICE, "another machine")
    other.publish(to(PEERS[3], "three.request"), text("three"), [PEERS[3]])
    other.remove(to(PEERS[4], "one.request"))
    talk.looks(2)
    assert talk.lying() == {
        **dict.fromkeys(PEERS, BOTH),
        PEERS[3]: ["one.request", "three.request", "two.request"],
        PEERS[4]: ["two.request"],
    }


def test_a_late_feed_does_not_bring_back_what_we_have_removed(talk: Talk) -> None:
    talk.lying()
    talk.emulator.settings(feed_repeats=1000)
    talk.alice.remove(to(PEERS[0], "one.request"))
    talk.looks(2)
    assert talk.lying() == {**dict.fromkeys(PEERS, BOTH), PEERS[0]: ["two.request"]}


def test_a_feed_that_was_read_before_a_removal_and_is_heard_after_it_brings_nothing_back() -> None:
    file = {"id": "1", "name": "a", "md5Checksum": "m", "parents": ["f"], "version": "1"}

    def read(resource: Mapping[str, Any]) -> Remote:
        return Remote(resource["id"], resource["name"], 1, "m", 0.0, int(resource["version"]))

    known = ListingCache(read, clock=lambda: 0.0)
    known.follow()
    known.begin("k", "f", [("k/a", read(file))], known.mark("k"))
    known.removed("k", "k/a", "1")
    known.record([{"fileId": "1", "file": file}])
    assert known.files("k") == ([], 0.0)


def test_a_listing_during_which_something_was_written_is_not_remembered() -> None:
    known = ListingCache(lambda resource: None, clock=lambda: 0.0)
    known.follow()
    mark = known.mark("k")
    known.written("k", "k/a", Remote("1", "a", 1, "m", 0.0, 1))
    known.begin("k", "f", [], mark)
    assert known.files("k") is None


def test_nothing_is_remembered_of_what_was_listed_before_the_feed_was_followed() -> None:
    known = ListingCache(lambda resource: None, clock=lambda: 0.0)
    known.begin("k", "f", [], known.mark("k"))
    assert known.files("k") is None


def test_a_write_without_an_answer_is_looked_for(talk: Talk) -> None:
    talk.lying()
    talk.emulator.script("files.create", Fault("drop", after=True), who=ALICE)
    talk.alice.publish(to(PEERS[0], "three.request"), text("three"), [PEERS[0]])
    assert talk.lying()[PEERS[0]] == ["one.request", "three.request", "two.request"]


def test_a_feed_that_tells_nothing_is_not_relied_on(talk: Talk) -> None:
    talk.emulator.settings(feed_lag=3600.0)
    talk.say(PEERS[0], "three.response")
    talk.hear(1)  # by a listing: the feed has nothing to say
    talk.looks(1)
    file = request_to(talk.emulator, PEERS[2], "one.request")
    by_hand(talk.emulator, "DELETE", f"files/{file.id}")
    assert talk.lying()[PEERS[2]] == ["two.request"]


def test_a_feed_that_is_only_later_than_a_listing_is_relied_on(talk: Talk) -> None:
    talk.emulator.settings(feed_lag=3600.0)
    talk.say(PEERS[0], "three.response")
    talk.hear(1)  # by a listing; nobody waits now, so nobody looks
    before = talk.asked()["files.list"]
    talk.lying()
    assert talk.asked()["files.list"] == before, "it may still tell"
    talk.emulator.settings(feed_lag=0.0)
    talk.looks(1)
    before = talk.asked()["files.list"]
    talk.lying()
    assert talk.asked()["files.list"] <= before + 1


def test_folders_are_listed_one_after_the_other_all_the_same(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.lying()
    file = request_to(talk.emulator, PEERS[2], "one.request")
    talk.emulator.settings(feed_loss=1.0)
    by_hand(talk.emulator, "DELETE", f"files/{file.id}")
    talk.emulator.settings(feed_loss=0.0)
    talk.looks(1)
    assert talk.lying() == dict.fromkeys(PEERS, BOTH), "the feed did not tell, and it is not time yet"
    monkeypatch.setattr(own_files, "BELIEVED", 0.0)
    before = talk.asked()["files.list"]
    talk.lying()
    assert talk.asked()["files.list"] <= before + 2, "one is due, and the others do not join it"
    monkeypatch.setattr(own_files, "APART", -1.0)
    assert talk.lying() == {**dict.fromkeys(PEERS, BOTH), PEERS[2]: ["two.request"]}


# -- the feed


@pytest.mark.parametrize("status", ["400", "404", "410"])
def test_a_lost_place_in_the_feed_costs_a_listing_and_loses_nothing(talk: Talk, status: str) -> None:
    talk.lying()
    talk.emulator.settings(feed_loss=1.0)
    file = request_to(talk.emulator, PEERS[2], "one.request")
    by_hand(talk.emulator, "DELETE", f"files/{file.id}")
    for peer in PEERS:
        talk.say(peer, "three.response")
    talk.emulator.settings(feed_loss=0.0)
    talk.emulator.script("changes.list", Fault(status), who=ALICE)
    before = talk.asked()["changes.list"]
    talk.hear(len(PEERS))
    assert talk.asked()["changes.list"] <= before + 3, "all are listed at once, not in turn"
    assert talk.lying() == {**dict.fromkeys(PEERS, BOTH), PEERS[2]: ["two.request"]}


@pytest.mark.slow
def test_a_feed_that_leaves_out_half_and_repeats_the_rest_loses_no_response(talk: Talk) -> None:
    talk.emulator.settings(feed_loss=0.5, feed_repeats=7, feed_lag=0.1)
    for name in ("three", "four", "five"):
        for peer in PEERS:
            talk.say(peer, f"{name}.response")
        talk.hear(len(PEERS))
