"""The Google Drive transport on the emulator: what the conformance suite cannot know of."""

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syft_flwr_cli.errors import NotThereError, TransportError, UsageError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.testing.drive_emulator import Emulator, Fault, start
from syft_flwr_cli.transports.base import BytesContent, TransientError, Transport
from syft_flwr_cli.transports.gdrive.meter import Pacer
from syft_flwr_cli.transports.gdrive.names import folder_key, place_of, quote, shared_by
from syft_flwr_cli.transports.gdrive.open import Tuning, open_gdrive, read_calls
from syft_flwr_cli.transports.gdrive.poller import Pace, Poller
from syft_flwr_cli.transports.gdrive.transport import DriveTransport

ALICE, BOB, MALLORY = "alice@lab.example", "bob@clinic.example", "mallory@evil.example"
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

    def make(email: str, state: str | None = None, **more: Any) -> DriveTransport:
        more = {"token": emulator.token(email), "tuning": QUICK, "poll_interval": 0.05, **more}
        transport = open_gdrive(
            email=email, state_dir=tmp_path / (state or email), endpoint=emulator.endpoint, **more
        )
        opened.append(transport)
        return transport

    yield make
    for transport in opened:
        transport.close()


def text(data: str) -> BytesContent:
    return BytesContent(data.encode())


def path_to(recipient: str, name: str, sender: str = ALICE, app: str = APP) -> str:
    return f"{names.rpc_folder(sender, recipient, app)}/{name}"


def read(transport: Transport, owner: str, path: str) -> bytes:
    with transport.open(owner, path) as stream:
        return stream.read()


def methods(emulator: Emulator, who: str) -> list[str]:
    return [call.method for call in emulator.calls(who=who)]


# -- where things lie


def test_one_drive_folder_holds_all_for_one_recipient_and_app() -> None:
    place = place_of(path_to(BOB, "one.request"))
    assert place.key == f"syft_outbox_inbox_{ALICE}_to_{BOB}/{APP}"
    assert place.name == "rpc/messages/one.request"
    assert folder_key(names.rpc_folder(ALICE, BOB, APP)) == (place.key, "rpc/messages/")
    assert place_of(names.IDENTITY_PATH).key == "syft_flwr_identity"
    with pytest.raises(UsageError):
        place_of("file-in-no-folder")


def test_quoting_leaves_nothing_of_a_name_outside_the_quotes() -> None:
    assert quote("d'Arc \\ x") == r"'d\'Arc \\ x'"
    assert r"'o\'neil@lab.example' in owners" in shared_by(["o'neil@lab.example"])


def test_a_folder_is_shared_with_its_reader_alone_and_nobody_gets_an_email(
    emulator: Emulator, view: Open
) -> None:
    view(ALICE).publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    (folder,) = [one for one in emulator.files(ALICE, folders=True) if APP in one.name]
    assert list(folder.shared.values()) == [(BOB, "reader")]
    shares = emulator.calls(method="permissions.create")
    assert [call.detail for call in shares] == [BOB]
    (root,) = [one for one in emulator.files(ALICE, folders=True) if one.name == "syft-flwr"]
    assert root.shared == {}


def test_a_file_costs_one_call_once_its_folder_is_there(emulator: Emulator, view: Open) -> None:
    alice, bob = view(ALICE), view(BOB)
    alice.publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    watch = bob.watch(ALICE, names.rpc_folder(ALICE, BOB, APP))
    assert [entry.name for entry in watch.new()] == ["one.request"]
    emulator.forget_calls()
    alice.publish(path_to(BOB, "two.request"), text("hello"), [BOB])
    alice.remove(path_to(BOB, "one.request"))
    assert methods(emulator, ALICE) == ["files.create", "files.delete"]
    token = bob.token()
    while not (news := watch.new()):
        token = bob.wait(token, 5.0)
    emulator.forget_calls()
    assert read(bob, ALICE, path_to(BOB, news[0].name)) == b"hello"
    assert [call for call in methods(emulator, BOB) if call != "changes.list"] == ["files.get.media"]


def test_nothing_is_ever_looked_up_by_name(emulator: Emulator, view: Open) -> None:
    emulator.settings(lag=3600.0)
    alice = view(ALICE)
    alice.publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    assert read(alice, ALICE, path_to(BOB, "one.request")) == b"hello"
    again = view(ALICE)
    again.publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    assert not [call for call in emulator.calls() if "name =" in call.detail]


@pytest.mark.parametrize("email", ["o'neil@lab.example", "d'arc''@lab.example"])
def test_an_apostrophe_in_an_email_or_a_project_is_a_character_like_others(
    emulator: Emulator, view: Open, email: str
) -> None:
    app = f"{email}_bob's study_1"
    path = path_to(BOB, "one.request", email, app)
    sender, bob = view(email), view(BOB)
    sender.publish(path, text("hello"), [BOB])
    bob.publish(path_to(email, "one.response", BOB, app), text("hello back"), [email])
    assert read(bob, email, path) == b"hello"
    watch = sender.watch(BOB, names.rpc_folder(BOB, email, app))
    assert [entry.name for entry in watch.new()] == ["one.response"]


# -- whose folders are read


def test_a_strangers_folder_named_like_an_outbox_is_never_read(emulator: Emulator, view: Open) -> None:
    mallory, bob = view(MALLORY), view(BOB)
    path = path_to(BOB, "one.request")
    mallory.publish(path, text("evil"), [BOB])
    (folder,) = [one for one in emulator.files(MALLORY, folders=True) if APP in one.name]
    share_with_everybody(emulator, folder.id)
    trap = [one.id for one in emulator.files(MALLORY) + emulator.files(MALLORY, folders=True)]
    watch = bob.watch(ALICE, names.rpc_folder(ALICE, BOB, APP))
    assert watch.new() == []
    with pytest.raises(NotThereError):
        bob.open(ALICE, path)
    view(ALICE).publish(path, text("good"), [BOB])
    token = bob.token()
    while not (news := watch.new()):
        token = bob.wait(token, 5.0)
    assert [entry.size for entry in news] == [4]
    assert read(bob, ALICE, path) == b"good"
    assert [call for call in emulator.touched(BOB, trap) if call.method != "changes.list"] == []


def share_with_everybody(emulator: Emulator, folder: str) -> None:
    import urllib.request

    body = json.dumps({"type": "anyone", "role": "reader"}).encode()
    headers = {"Authorization": f"Bearer {emulator.token(MALLORY)}", "Content-Type": "application/json"}
    where = f"{emulator.endpoint}/drive/v3/files/{folder}/permissions"
    with urllib.request.urlopen(urllib.request.Request(where, body, headers)) as answer:
        assert answer.status == 200


def test_a_file_that_somebody_else_put_into_a_peers_folder_is_not_told_of(
    emulator: Emulator, view: Open
) -> None:
    alice, bob = view(ALICE), view(BOB)
    alice.publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    (folder,) = [one for one in emulator.files(ALICE, folders=True) if APP in one.name]
    import urllib.request

    for who, verb, where, body in (
        (ALICE, "POST", f"files/{folder.id}/permissions", {"type": "anyone", "role": "writer"}),
        (MALLORY, "POST", "files", {"name": "rpc/messages/evil.request", "parents": [folder.id]}),
    ):
        headers = {"Authorization": f"Bearer {emulator.token(who)}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{emulator.endpoint}/drive/v3/{where}", json.dumps(body).encode(), headers, method=verb
        )
        urllib.request.urlopen(request).close()
    watch = bob.watch(ALICE, names.rpc_folder(ALICE, BOB, APP))
    assert [entry.name for entry in watch.new()] == ["one.request"]


def test_an_invitation_is_signed_and_checked(emulator: Emulator, view: Open) -> None:
    asked: list[tuple[str, bytes]] = []

    def sign(statement: bytes) -> bytes:
        return b"S" * 32 + statement[-32:]

    def check(owner: str, statement: bytes, signature: bytes) -> bool:
        asked.append((owner, statement))
        return signature == sign(statement)

    path = path_to(BOB, "one.request")
    view(ALICE, sign=sign).publish(path, text("hello"), [BOB])
    assert read(view(BOB, check=check), ALICE, path) == b"hello"
    (folder,) = [one for one in emulator.files(ALICE, folders=True) if APP in one.name]
    assert asked[-1][0] == ALICE and asked[-1][1].endswith(folder.id.encode())
    suspicious = view(BOB, "other", check=lambda *_: False)
    with pytest.raises(NotThereError):
        suspicious.open(ALICE, path)


def test_before_a_peers_key_is_known_its_folder_is_taken(view: Open) -> None:
    view(ALICE).publish(names.IDENTITY_PATH, text("me"), [BOB])
    assert read(view(BOB, check=lambda *_: None), ALICE, names.IDENTITY_PATH) == b"me"


# -- made once


@pytest.mark.parametrize("kind", ["drop", "503", "500", "429", "userRateLimitExceeded", "rateLimitExceeded"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after the write"])
def test_a_call_that_fails_makes_each_thing_once(
    emulator: Emulator, view: Open, kind: str, after: bool
) -> None:
    for call in ("files.create", "permissions.create", "files.generateIds", "files.list", "about.get"):
        emulator.script(call, Fault(kind, after=after), times=2)
    alice = view(ALICE)
    alice.publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    assert [one.name for one in emulator.files(ALICE)] == ["rpc/messages/one.request"]
    assert len(emulator.files(ALICE, folders=True)) == 2
    emulator.script("files.delete", Fault(kind, after=after), times=2)
    alice.remove(path_to(BOB, "one.request"))
    assert emulator.files(ALICE) == []


def test_a_new_machine_takes_over_what_the_old_one_made(emulator: Emulator, view: Open) -> None:
    old = view(ALICE, "old machine")
    for name in ("one.request", "two.request"):
        old.publish(path_to(BOB, name), text(name), [BOB])
    new = view(ALICE, "new machine")
    new.publish(path_to(BOB, "one.request"), text("one.request"), [BOB])
    new.publish(path_to(BOB, "two.request"), text("changed"), [BOB])
    new.publish(path_to(BOB, "three.request"), text("three"), [BOB])
    new.remove(path_to(BOB, "one.request"))
    assert sorted(path.rpartition("/")[2] for path, _ in new.list_own()) == ["three.request", "two.request"]
    assert len(emulator.files(ALICE)) == 2 and len(emulator.files(ALICE, folders=True)) == 2
    assert len(emulator.calls(method="permissions.create")) == 1
    assert read(view(BOB), ALICE, path_to(BOB, "two.request")) == b"changed"


@pytest.mark.parametrize("whole", [True, False], ids=["everything", "one folder"])
def test_what_somebody_deletes_by_hand_is_made_anew(emulator: Emulator, view: Open, whole: bool) -> None:
    alice, bob = view(ALICE), view(BOB)
    path = path_to(BOB, "one.request")
    alice.publish(path, text("hello"), [BOB])
    assert read(bob, ALICE, path) == b"hello"
    delete_by_hand(emulator, "syft-flwr" if whole else place_of(path).key)
    alice.publish(path, text("hello again"), [BOB])
    assert [one.name for one in emulator.files(ALICE)] == ["rpc/messages/one.request"]
    token = bob.token()
    while True:
        try:
            assert read(bob, ALICE, path) == b"hello again"
            break
        except NotThereError:
            token = bob.wait(token, 1.0)


def delete_by_hand(emulator: Emulator, name: str) -> None:
    import urllib.request

    (folder,) = [one for one in emulator.files(ALICE, folders=True) if one.name == name]
    headers = {"Authorization": f"Bearer {emulator.token(ALICE)}"}
    request = urllib.request.Request(
        f"{emulator.endpoint}/drive/v3/files/{folder.id}", headers=headers, method="DELETE"
    )
    urllib.request.urlopen(request).close()


def test_pythons_generators_are_left_alone(emulator: Emulator, view: Open) -> None:
    before = random.getstate(), str(np.random.get_state())
    emulator.chaos(0.2)
    alice, bob = view(ALICE), view(BOB)
    for size in (5, 6_000_000):
        alice.publish(path_to(BOB, f"{size}.request"), BytesContent(bytes(size)), [BOB])
        assert read(bob, ALICE, path_to(BOB, f"{size}.request")) == bytes(size)
    watch = bob.watch(ALICE, names.rpc_folder(ALICE, BOB, APP))
    assert len(watch.new()) == 2
    bob.wait(bob.token(), 0.3)
    assert (random.getstate(), str(np.random.get_state())) == before


# -- large content


def test_a_large_upload_goes_on_after_a_restart(emulator: Emulator, view: Open, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 9
    path = path_to(BOB, "one.payload")
    emulator.script("upload.*", Fault("503"), skip=4, times=10_000)
    with pytest.raises(TransientError):
        view(ALICE, tuning=impatient()).publish(path, BytesContent(data), [BOB])
    emulator.calm()
    sent = sum(call.received for call in emulator.calls(method="upload.chunk"))
    assert 4 << 20 <= sent < len(data)
    view(ALICE).publish(path, BytesContent(data), [BOB])
    sent = sum(call.received for call in emulator.calls(method="upload.chunk"))
    assert sent == len(data)
    assert read(view(BOB), ALICE, path) == data


def test_a_session_that_google_has_forgotten_is_begun_anew(emulator: Emulator, view: Open) -> None:
    data = os.urandom(1 << 20) * 6
    emulator.script("upload.chunk", Fault("session"), skip=2)
    view(ALICE).publish(path_to(BOB, "one.payload"), BytesContent(data), [BOB])
    assert len(emulator.files(ALICE)) == 1
    assert read(view(BOB), ALICE, path_to(BOB, "one.payload")) == data


def test_a_large_download_goes_on_after_a_restart(emulator: Emulator, view: Open, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 9
    path = path_to(BOB, "one.payload")
    view(ALICE).publish(path, BytesContent(data), [BOB])
    emulator.script("files.get.media", Fault("500"), skip=4, times=10_000)
    with pytest.raises(TransientError):
        view(BOB, tuning=impatient()).fetch(ALICE, path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    emulator.calm()
    view(BOB).fetch(ALICE, path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert sum(call.sent for call in emulator.calls(method="files.get.media")) == len(data)


def test_of_a_download_that_is_cut_what_came_through_is_kept(
    emulator: Emulator, view: Open, tmp_path: Path
) -> None:
    data = os.urandom(1 << 20) * 9
    path = path_to(BOB, "one.payload")
    view(ALICE).publish(path, BytesContent(data), [BOB])
    emulator.script("files.get.media", Fault("drop", bytes=700_000), skip=2, times=3)
    assert read(view(BOB), ALICE, path) == data
    assert sum(call.sent for call in emulator.calls(method="files.get.media")) == len(data)


def impatient() -> Tuning:
    return Tuning(writes_per_second=1e6, backoff=0.01, patience=0.1)


# -- news


@pytest.mark.slow
@pytest.mark.parametrize(("works", "listings"), [(True, 0.25), (False, 4.0)], ids=["feed", "no feed"])
def test_looking_while_nothing_happens_costs_the_same_for_fifty_peers(
    emulator: Emulator, view: Open, works: bool, listings: float
) -> None:
    emulator.settings(feed_lag=0.0 if works else 3600.0)
    peers = [f"owner{number}@x.example" for number in range(50)]
    alice = view(ALICE, poll_interval=0.01)
    for peer in peers:
        view(peer).publish(path_to(ALICE, "one.response", peer), text("hello"), [ALICE])
    watches = [alice.watch(peer, names.rpc_folder(peer, ALICE, APP)) for peer in peers]
    for watch in watches:
        assert len(watch.new()) == 1
    view(peers[0]).publish(path_to(ALICE, "two.response", peers[0]), text("hello"), [ALICE])
    while not watches[0].new():
        alice.wait(alice.token(), 0.1)
    emulator.forget_calls()
    while (looks := methods(emulator, ALICE).count("changes.list")) < 12:
        alice.wait(alice.token(), 0.1)
    calls = methods(emulator, ALICE)[: 12 * 5]
    assert set(calls) <= {"changes.list", "files.list"}
    assert calls.count("files.list") <= looks * listings + 4


@pytest.mark.parametrize("count", [1, 12])
def test_without_the_feed_every_peer_is_heard_all_the_same(
    emulator: Emulator, view: Open, count: int
) -> None:
    emulator.settings(feed_lag=3600.0)
    peers = [f"owner{number}@x.example" for number in range(count)]
    owners = [view(peer) for peer in peers]
    alice = view(ALICE, poll_interval=0.01)
    watches = [alice.watch(peer, names.rpc_folder(peer, ALICE, APP)) for peer in peers]
    for owner in owners:
        owner.publish(path_to(ALICE, "one.response", owner.email), text("hello"), [ALICE])
    heard = [len(watch.new()) for watch in watches]
    while 0 in heard:
        alice.wait(alice.token(), 1.0)
        heard = [before + len(watch.new()) for before, watch in zip(heard, watches, strict=True)]
    for owner in owners:
        owner.publish(path_to(ALICE, "two.response", owner.email), text("hello"), [ALICE])
    while sum(heard) < 2 * count:
        alice.wait(alice.token(), 1.0)
        heard = [before + len(watch.new()) for before, watch in zip(heard, watches, strict=True)]
    assert heard == [2] * count


def test_absent_peers_are_searched_for_together(emulator: Emulator, view: Open) -> None:
    alice = view(ALICE, poll_interval=0.01)
    watches = [
        alice.watch(f"absent{n}@x.example", names.rpc_folder(f"absent{n}@x.example", ALICE, APP))
        for n in range(50)
    ]
    for watch in watches:
        assert watch.new() == []
    alice.wait(alice.token(), 0.2)
    emulator.forget_calls()
    while methods(emulator, ALICE).count("changes.list") < 8:
        alice.wait(alice.token(), 0.1)
    calls = methods(emulator, ALICE)
    assert len(calls) <= 2 * calls.count("changes.list") + 2


def test_nobody_asks_for_news_while_nobody_waits(emulator: Emulator, view: Open) -> None:
    bob = view(BOB, poll_interval=0.001)
    watch = bob.watch(ALICE, names.rpc_folder(ALICE, BOB, APP))
    watch.new()
    before = len(emulator.calls(who=BOB))
    view(ALICE).publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    assert len(emulator.calls(who=BOB)) == before


def test_a_failure_to_look_is_told_once_and_looking_goes_on(emulator: Emulator, view: Open) -> None:
    bob = view(BOB, tuning=impatient())
    watch = bob.watch(ALICE, names.rpc_folder(ALICE, BOB, APP))
    assert watch.new() == []
    emulator.settings(api_disabled=True)
    token = bob.wait(bob.token(), 30.0)
    with pytest.raises(TransientError, match="not enabled"):
        watch.new()
    assert watch.new() == []
    emulator.settings(api_disabled=False)
    view(ALICE).publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    while not watch.new():
        token = bob.wait(token, 5.0)


def test_the_pace_slows_down_to_its_ceiling_and_learns_how_long_answers_take() -> None:
    pace = Pace(2.0, 15.0)
    pauses = [pace.next() for _ in range(8)]
    assert pauses[0] == 2.0 and pauses == sorted(pauses) and pauses[-1] == 15.0
    pace.wrote(100.0)
    assert pace.next() == 2.0
    pace.heard(160.0)
    assert pace.next() == 7.5
    pace.wrote(161.0)
    assert pace.next() == 15.0
    for time in (200.0, 300.0, 400.0, 500.0):
        pace.wrote(time)
        pace.heard(time + 8.0)
    pace.wrote(600.0)
    assert 4.0 <= pace.next() < 8.0, "an answer that takes eight seconds is not looked for at once"


def test_who_has_not_looked_for_long_does_not_look_at_once_for_having_written() -> None:
    looks: list[None] = []

    def look() -> bool:
        looks.append(None)
        return False

    poller = Poller(look, Pace(1000.0, 2000.0), jitter=lambda seconds: seconds)
    poller.wrote()
    poller.wrote()
    assert poller.wait(poller.token(), 0.2) == poller.token()
    assert looks == [], "the next look is due in a thousand seconds"
    assert poller.close(5.0)


def test_writes_are_paced_after_a_burst() -> None:
    now, slept = [0.0], []

    def pause(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now[0] += seconds

    pacer = Pacer(2.0, 3, pause, clock=lambda: now[0])
    for _ in range(7):
        pacer.write()
    assert slept == [0.5, 0.5, 0.5, 0.5]
    now[0] += 60.0
    pacer.write()
    assert len(slept) == 4


# -- what it costs


def test_what_it_cost_is_counted_here_as_there_and_kept(
    emulator: Emulator, view: Open, tmp_path: Path
) -> None:
    alice, bob = view(ALICE), view(BOB)
    alice.publish(path_to(BOB, "one.request"), text("hello"), [BOB])
    alice.publish(path_to(BOB, "one.payload"), BytesContent(b"x" * 6_000_000), [BOB])
    assert read(bob, ALICE, path_to(BOB, "one.request")) == b"hello"
    for who, transport in ((ALICE, alice), (BOB, bob)):
        counted = transport.calls()
        assert sum(one.count for one in counted.values()) == len(emulator.calls(who=who))
        assert sum(one.units for one in counted.values()) == sum(
            call.units for call in emulator.calls(who=who)
        )
    assert bob.calls()["files.download"].received == 5
    alice.close()
    assert read_calls(tmp_path / ALICE / "gdrive") == alice.calls()
    assert read_calls(tmp_path / "nowhere") == {}


# -- what can be wrong


def refused(call: Callable[[], Any]) -> TransportError:
    with pytest.raises(TransportError) as caught:
        call()
    error = caught.value
    assert error.exit_code == 13 and error.what.endswith(".") and error.hint
    return error


def publish(transport: DriveTransport) -> Callable[[], None]:
    return lambda: transport.publish(path_to(BOB, "one.request"), text("hello"), [BOB])


def test_a_revoked_login_says_to_log_in_again(emulator: Emulator, view: Open) -> None:
    alice = view(ALICE)
    emulator.revoke(ALICE)
    error = refused(publish(alice))
    assert "syft-flwr login" in error.hint and not isinstance(error, TransientError)
    emulator.restore(ALICE)
    publish(alice)()


def test_a_login_without_the_drive_scope_says_which_box_to_tick(emulator: Emulator, view: Open) -> None:
    error = refused(publish(view(ALICE, token=emulator.token(ALICE, "drive.file"))))
    assert "does not allow" in error.what and "tick" in error.hint


def test_a_disabled_api_says_where_to_enable_it_and_goes_on_afterwards(
    emulator: Emulator, view: Open
) -> None:
    emulator.settings(api_disabled=True)
    alice = view(ALICE)
    error = refused(publish(alice))
    assert isinstance(error, TransientError) and "https://console" in error.hint
    emulator.calm()
    publish(alice)()


def test_a_full_drive_says_so_and_goes_on_when_there_is_room(emulator: Emulator, view: Open) -> None:
    emulator.account(ALICE, limit=3)
    alice = view(ALICE)
    error = refused(publish(alice))
    assert isinstance(error, TransientError) and "full" in error.what
    emulator.account(ALICE, limit=1 << 30)
    publish(alice)()
    assert len(emulator.files(ALICE)) == 1


def test_a_drive_that_only_claims_to_be_full_is_asked_again(emulator: Emulator, view: Open) -> None:
    emulator.script("files.create", Fault("storageQuotaExceeded", after=True), times=3)
    publish(view(ALICE))()
    assert len(emulator.files(ALICE)) == 1


def test_a_refused_sharing_names_the_recipient(emulator: Emulator, view: Open) -> None:
    emulator.account(ALICE, sharing_refused=True)
    alice = view(ALICE)
    error = refused(publish(alice))
    assert BOB in error.what and "administrator" in error.hint
    emulator.account(ALICE, sharing_refused=False)
    publish(alice)()


def test_a_recipient_without_a_google_account_is_named(tmp_path: Path) -> None:
    with start([ALICE]) as emulator:
        alice = open_gdrive(
            email=ALICE, state_dir=tmp_path, endpoint=emulator.endpoint, token=emulator.token(ALICE)
        )
        error = refused(publish(alice))
        assert BOB in error.what and "Google account" in error.hint
        alice.close()


def test_no_network_is_something_that_passes(tmp_path: Path) -> None:
    with start() as emulator:
        nowhere = emulator.endpoint
    alice = open_gdrive(
        email=ALICE, state_dir=tmp_path, endpoint=nowhere, token="emulator:x", tuning=impatient()
    )
    error = refused(publish(alice))
    assert isinstance(error, TransientError) and "network" in error.hint
    alice.close()


def test_the_login_of_another_account_is_refused_before_anything_is_made(
    emulator: Emulator, view: Open
) -> None:
    error = refused(publish(view(ALICE, token=emulator.token(BOB))))
    assert ALICE in error.what and BOB in error.what
    assert emulator.files(folders=True) == []


def test_too_many_calls_wait_and_then_say_what_for(emulator: Emulator, view: Open) -> None:
    emulator.script("files.create", Fault("sharingRateLimitExceeded"), times=10_000)
    error = refused(publish(view(ALICE, tuning=impatient())))
    assert isinstance(error, TransientError) and "too busy" in error.what
