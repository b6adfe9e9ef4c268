"""The emulator, asked by the unmodified official client what one would ask Google."""

import http.client
import io
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import google_auth_httplib2
import pytest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload, MediaIoBaseDownload, MediaIoBaseUpload, build_http

from syft_flwr_cli.testing.drive_emulator import Emulator, Fault, start

ALICE, BOB, MALLORY = "alice@lab.example", "bob@clinic.example", "mallory@evil.example"
FOLDER = "application/vnd.google-apps.folder"


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def emulator(clock: Clock) -> Iterator[Emulator]:
    with start(seed=1, clock=clock) as running:
        yield running


def client(emulator: Emulator, email: str, token: str | None = None) -> Any:
    document = json.loads(get_static_doc("drive", "v3"))
    document["rootUrl"] = emulator.endpoint + "/"
    credentials = Credentials(token=token or emulator.token(email))
    http = google_auth_httplib2.AuthorizedHttp(credentials, http=build_http())
    return build_from_document(document, http=http)


@pytest.fixture
def alice(emulator: Emulator) -> Any:
    return client(emulator, ALICE)


@pytest.fixture
def bob(emulator: Emulator) -> Any:
    return client(emulator, BOB)


def make_folder(drive: Any, name: str, reader: str | None = None) -> str:
    folder = drive.files().create(body={"name": name, "mimeType": FOLDER}, fields="id").execute()["id"]
    if reader:
        body = {"type": "user", "role": "reader", "emailAddress": reader}
        drive.permissions().create(fileId=folder, body=body, sendNotificationEmail=False).execute()
    return str(folder)


def put(drive: Any, folder: str, name: str, data: bytes, **more: Any) -> dict[str, Any]:
    media = MediaInMemoryUpload(data, mimetype="application/octet-stream")
    body = {"name": name, "parents": [folder], **more}
    answer = drive.files().create(body=body, media_body=media, fields="id,size,md5Checksum").execute()
    return dict(answer)


def names(drive: Any, q: str, **more: Any) -> list[str]:
    answer = drive.files().list(q=q, fields="nextPageToken,files(id,name)", **more).execute()
    return sorted(file["name"] for file in answer["files"])


def refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        call.execute()
    return caught.value.resp.status, caught.value.error_details[0]["reason"]


def test_a_file_in_a_shared_folder_is_read_by_its_reader_and_by_nobody_else(
    emulator: Emulator, alice: Any, bob: Any
) -> None:
    folder = make_folder(alice, "outbox", reader=BOB)
    file = put(alice, folder, "note", b"hello")
    assert bob.files().get_media(fileId=file["id"]).execute() == b"hello"
    assert names(bob, f"'{folder}' in parents") == ["note"]
    mallory = client(emulator, MALLORY)
    assert refusal(mallory.files().get_media(fileId=file["id"])) == (404, "notFound")
    assert refusal(mallory.files().list(q=f"'{folder}' in parents")) == (404, "notFound")


def test_a_reader_neither_writes_nor_deletes_and_a_writer_does_not_delete(alice: Any, bob: Any) -> None:
    folder = make_folder(alice, "outbox", reader=BOB)
    file = put(alice, folder, "note", b"hello")["id"]
    assert refusal(bob.files().delete(fileId=file)) == (403, "insufficientFilePermissions")
    assert refusal(bob.files().update(fileId=file, body={"name": "x"})) == (
        403,
        "insufficientFilePermissions",
    )
    assert refusal(bob.files().create(body={"name": "x", "parents": [folder]}))[0] == 403
    body = {"type": "user", "role": "writer", "emailAddress": BOB}
    alice.permissions().create(fileId=folder, body=body, sendNotificationEmail=False).execute()
    bob.files().update(fileId=file, body={"name": "renamed"}).execute()
    assert refusal(bob.files().delete(fileId=file)) == (403, "insufficientFilePermissions")
    alice.files().delete(fileId=folder).execute()
    assert refusal(alice.files().get(fileId=file)) == (404, "notFound")


def test_names_may_repeat_and_ids_may_not(alice: Any) -> None:
    folder = make_folder(alice, "outbox")
    (id,) = alice.files().generateIds(count=1).execute()["ids"]
    put(alice, folder, "twin", b"1", id=id)
    put(alice, folder, "twin", b"2")
    assert names(alice, f"'{folder}' in parents and trashed = false") == ["twin", "twin"]
    again = alice.files().create(body={"id": id, "name": "third"})
    assert refusal(again) == (409, "fileIdInUse")
    assert refusal(alice.files().create(body={"id": "made-up", "name": "x"}))[0] == 400


def test_a_listing_of_one_folder_is_right_at_once_and_a_search_lags(
    emulator: Emulator, clock: Clock, alice: Any, bob: Any
) -> None:
    emulator.settings(lag=120.0, feed_lag=30.0)
    position = bob.changes().getStartPageToken().execute()["startPageToken"]
    folder = make_folder(alice, "outbox", reader=BOB)
    put(alice, folder, "note", b"hello")
    shared = f"sharedWithMe and mimeType = '{FOLDER}' and trashed = false"
    assert names(bob, f"'{folder}' in parents") == ["note"]
    assert names(bob, f"'{folder}' in parents and name = 'note'") == []
    assert names(bob, shared) == []
    assert bob.changes().list(pageToken=position).execute()["changes"] == []
    clock.now += 31
    changes = (
        bob.changes().list(pageToken=position, fields="changes(file(name,parents))").execute()["changes"]
    )
    assert {"file": {"name": "note", "parents": [folder]}} in changes
    clock.now += 121
    assert names(bob, shared) == ["outbox"]
    assert names(bob, f"'{folder}' in parents and name = 'note'") == ["note"]


def test_properties_names_and_owners_are_found_with_quotes_in_them(alice: Any, bob: Any) -> None:
    body = {"name": "d'Arc's \\ box", "mimeType": FOLDER, "properties": {"kind": "out'box"}}
    alice.files().create(body=body).execute()
    assert names(alice, r"name = 'd\'Arc\'s \\ box'") == ["d'Arc's \\ box"]
    assert names(alice, r"properties has { key='kind' and value='out\'box' }") == ["d'Arc's \\ box"]
    assert names(alice, f"'{ALICE}' in owners and 'me' in owners") == ["d'Arc's \\ box"]
    assert names(bob, f"'{ALICE}' in owners") == []


@pytest.mark.parametrize(
    "q",
    [
        "name contains 'x'",
        "'a' in parents or 'b' in parents",
        "fullText = 'x'",
        "name = 'it's'",
        "trashed",
        "modifiedTime > '2026-01-01'",
        "name = 'x' and",
    ],
)
def test_a_query_that_we_do_not_use_is_refused(alice: Any, q: str) -> None:
    assert refusal(alice.files().list(q=q))[0] == 400


def test_long_listings_come_in_pages_and_a_page_token_belongs_to_its_query(alice: Any) -> None:
    folder = make_folder(alice, "outbox")
    for number in range(7):
        put(alice, folder, f"n{number}", b"x")
    q, found, token = f"'{folder}' in parents", [], None
    while True:
        answer = alice.files().list(q=q, pageSize=3, pageToken=token).execute()
        found += [file["name"] for file in answer["files"]]
        assert len(answer["files"]) <= 3
        token = answer.get("nextPageToken")
        if token is None:
            break
    assert sorted(found) == [f"n{number}" for number in range(7)]
    assert refusal(alice.files().list(q="trashed = false", pageToken="3~99"))[0] == 400


def raw(emulator: Emulator, verb: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(emulator.endpoint).netloc, timeout=10)
    headers = {"Authorization": f"Bearer {emulator.token(ALICE)}", "Content-Type": "application/json"}
    connection.request(verb, path, body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"null")


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("GET", "/drive/v3/files?madeUp=1", None, 400),
        ("GET", "/drive/v3/files?pageSize=5000", None, 400),
        ("GET", "/drive/v3/files?fields=files(id,colour)", None, 400),
        ("GET", "/drive/v3/files?fields=files(id", None, 400),
        ("GET", "/drive/v3/files?supportsAllDrives=maybe", None, 400),
        ("GET", "/drive/v3/about", None, 400),
        ("GET", "/drive/v3/changes", None, 400),
        ("POST", "/drive/v3/files", b'{"nmae": "x"}', 400),
        ("POST", "/drive/v3/files", b'{"name": 7}', 400),
        ("POST", "/drive/v3/files", b'{"md5Checksum": "x"}', 403),
        ("POST", "/drive/v3/files", b"{", 400),
        ("GET", "/drive/v3/nothing", None, 404),
        ("POST", "/drive/v3/files/x/copy", b"{}", 501),
    ],
)
def test_what_google_would_not_know_is_refused_and_recorded(
    emulator: Emulator, verb: str, path: str, body: bytes | None, status: int
) -> None:
    assert raw(emulator, verb, path, body)[0] == status
    assert [call.status for call in emulator.calls()] == [status]


def test_fields_choose_what_is_answered(emulator: Emulator, alice: Any) -> None:
    folder = make_folder(alice, "outbox", reader=BOB)
    answer = alice.files().get(fileId=folder, fields="name,owners/emailAddress,permissions(role)").execute()
    assert answer == {
        "name": "outbox",
        "owners": [{"emailAddress": ALICE}],
        "permissions": [{"role": "owner"}, {"role": "reader"}],
    }
    assert set(alice.files().get(fileId=folder).execute()) == {"kind", "id", "name", "mimeType"}


def test_content_is_updated_under_the_same_id_and_read_in_ranges(alice: Any) -> None:
    folder = make_folder(alice, "outbox")
    file = put(alice, folder, "note", b"0123456789")
    assert (file["size"], file["md5Checksum"]) == ("10", "781e5e245d69b566979b86e28d23f2c7")
    media = MediaInMemoryUpload(b"abcdefghij")
    alice.files().update(fileId=file["id"], media_body=media, body={"name": "new"}).execute()
    request = alice.files().get_media(fileId=file["id"])
    response, content = request.http.request(request.uri, headers={"Range": "bytes=2-4"})
    assert (response.status, content, response["content-range"]) == (206, b"cde", "bytes 2-4/10")
    assert request.http.request(request.uri, headers={"Range": "bytes=10-"})[0].status == 416
    out = io.BytesIO()
    download, done = MediaIoBaseDownload(out, alice.files().get_media(fileId=file["id"]), chunksize=3), False
    while not done:
        _, done = download.next_chunk()
    assert out.getvalue() == b"abcdefghij"


def test_a_resumable_upload_goes_on_after_cuts_and_unavailability(emulator: Emulator, alice: Any) -> None:
    piece = 256 * 1024
    data = bytes(range(256)) * (5 * piece // 256) + b"end"
    emulator.script("upload.chunk", Fault("503"), skip=1)
    emulator.script("upload.chunk", Fault("drop", bytes=piece + 1000), skip=2)
    emulator.script("upload.chunk", Fault("drop", after=True), skip=3)
    media = MediaIoBaseUpload(
        io.BytesIO(data), "application/octet-stream", chunksize=2 * piece, resumable=True
    )
    request = alice.files().create(body={"name": "big"}, media_body=media, fields="id,size")
    answer, tries = None, 0
    while answer is None and tries < 10:
        tries += 1
        try:
            _, answer = request.next_chunk()
        except (HttpError, OSError, http.client.HTTPException):
            continue
    assert answer is not None and answer["size"] == str(len(data))
    assert alice.files().get_media(fileId=answer["id"]).execute() == data
    ranges = emulator.calls(method="upload.status")
    assert ranges and all(call.status in (200, 308) for call in ranges)


def test_chunks_must_follow_each_other_in_whole_pieces(emulator: Emulator, alice: Any) -> None:
    media = MediaInMemoryUpload(b"x" * 600_000, resumable=True)
    request = alice.files().create(body={"name": "big"}, media_body=media)
    headers = {"X-Upload-Content-Length": "600000", "Content-Type": "application/json"}
    started, _ = request.http.request(request.uri, "POST", body=request.body, headers=headers)
    send = request.http.request
    where = started["location"]
    assert send(where, "PUT", b"x" * 100, {"Content-Range": "bytes 0-99/600000"})[0].status == 400
    assert send(where, "PUT", b"x" * 262144, {"Content-Range": "bytes 262144-524287/600000"})[0].status == 400
    first = send(where, "PUT", b"x" * 262144, {"Content-Range": "bytes 0-262143/600000"})[0]
    assert (first.status, first["range"]) == (308, "bytes=0-262143")
    emulator.script("upload.status", Fault("session"))
    assert send(where, "PUT", b"", {"Content-Range": "bytes */600000"})[0].status == 404


def test_five_megabytes_are_the_limit_of_one_request(alice: Any) -> None:
    folder = make_folder(alice, "outbox")
    assert put(alice, folder, "full", b"x" * 5_000_000)["size"] == "5000000"
    with pytest.raises(HttpError, match="at most 5000000 bytes"):
        put(alice, folder, "over", b"x" * 5_000_001)


def test_a_full_drive_refuses_and_says_how_full_it_is(emulator: Emulator, alice: Any) -> None:
    emulator.account(ALICE, limit=1000)
    folder = make_folder(alice, "outbox")
    put(alice, folder, "one", b"x" * 900)
    media = MediaInMemoryUpload(b"x" * 200)
    call = alice.files().create(body={"name": "two", "parents": [folder]}, media_body=media)
    assert refusal(call) == (403, "storageQuotaExceeded")
    quota = alice.about().get(fields="storageQuota,user(emailAddress,me)").execute()
    assert quota["storageQuota"]["usage"] == "900" and quota["user"] == {"emailAddress": ALICE, "me": True}


def test_a_failure_may_have_happened_all_the_same(emulator: Emulator, alice: Any) -> None:
    folder = make_folder(alice, "outbox")
    one, two = alice.files().generateIds(count=2).execute()["ids"]
    emulator.script("files.create", Fault("userRateLimitExceeded", after=True))
    body = {"id": one, "name": "one", "parents": [folder]}
    assert refusal(alice.files().create(body=body)) == (403, "userRateLimitExceeded")
    assert refusal(alice.files().create(body=body)) == (409, "fileIdInUse")
    emulator.script("files.create", Fault("503", after=False))
    body = {"id": two, "name": "two", "parents": [folder]}
    assert refusal(alice.files().create(body=body))[0] == 503
    alice.files().create(body=body).execute()


def test_a_dropped_connection_is_sent_again_by_the_http_library(emulator: Emulator, alice: Any) -> None:
    (id,) = alice.files().generateIds(count=1).execute()["ids"]
    emulator.script("files.create", Fault("drop", after=True))
    assert refusal(alice.files().create(body={"id": id, "name": "one"})) == (409, "fileIdInUse")
    assert [call.status for call in emulator.calls(method="files.create")] == [0, 409]


def test_the_same_seed_fails_in_the_same_places() -> None:
    def history() -> list[int]:
        with start(seed=7) as emulator:
            emulator.chaos(0.5, kinds=("500", "503", "userRateLimitExceeded"))
            for _ in range(30):
                raw(emulator, "GET", "/drive/v3/files")
            return [call.status for call in emulator.calls()]

    first = history()
    assert first == history()
    assert {200, 500, 503, 403} == set(first)


def test_units_are_counted_and_limited_per_account(emulator: Emulator, alice: Any, bob: Any) -> None:
    emulator.settings(units_per_minute=210)
    alice.files().list().execute()
    alice.files().list().execute()
    assert refusal(alice.files().list()) == (403, "userRateLimitExceeded")
    bob.files().list().execute()
    assert sum(call.units for call in emulator.calls(who=ALICE) if call.status == 200) == 200


def test_tokens_expire_are_refreshed_and_are_revoked(emulator: Emulator) -> None:
    info = emulator.authorized_user(ALICE)
    drive = client(emulator, ALICE, info["token"])
    drive.files().list().execute()
    emulator.expire(info["token"])
    names = ("token", "refresh_token", "token_uri", "client_id", "client_secret")
    credentials = Credentials(**{name: info[name] for name in names})
    assert raw_list(emulator, info["token"]) == 401
    from google.auth.exceptions import RefreshError
    from google.auth.transport.requests import Request

    credentials.refresh(Request())
    assert raw_list(emulator, credentials.token) == 200
    emulator.revoke(ALICE)
    assert raw_list(emulator, credentials.token) == 401
    with pytest.raises(RefreshError, match="invalid_grant"):
        credentials.refresh(Request())


def raw_list(emulator: Emulator, token: str) -> int:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(emulator.endpoint).netloc, timeout=10)
    connection.request("GET", "/drive/v3/files", headers={"Authorization": f"Bearer {token}"})
    return connection.getresponse().status


def test_a_token_of_a_lesser_scope_and_a_disabled_api_are_refused(emulator: Emulator, alice: Any) -> None:
    lesser = client(emulator, ALICE, emulator.token(ALICE, "drive.file"))
    assert refusal(lesser.files().list()) == (403, "insufficientPermissions")
    emulator.settings(api_disabled=True)
    assert refusal(alice.files().list()) == (403, "accessNotConfigured")


def test_sharing_with_somebody_whom_google_does_not_know_is_refused() -> None:
    with start([ALICE, BOB]) as emulator:
        alice = client(emulator, ALICE)
        folder = make_folder(alice, "outbox", reader=BOB)
        body = {"type": "user", "role": "reader", "emailAddress": "nobody@nowhere.example"}
        call = alice.permissions().create(fileId=folder, body=body, sendNotificationEmail=False)
        assert refusal(call) == (400, "invalidSharingRequest")
        emulator.account(ALICE, sharing_refused=True)
        body = {"type": "user", "role": "reader", "emailAddress": BOB}
        assert refusal(alice.permissions().create(fileId=folder, body=body)) == (403, "domainPolicy")
        listed = alice.permissions().list(fileId=folder, fields="permissions(id,emailAddress)").execute()
        assert {one["emailAddress"] for one in listed["permissions"]} == {ALICE, BOB}


def test_unsharing_takes_a_folder_away_and_the_feed_says_so(alice: Any, bob: Any) -> None:
    folder = make_folder(alice, "outbox", reader=BOB)
    position = bob.changes().getStartPageToken().execute()["startPageToken"]
    permissions = (
        alice.permissions().list(fileId=folder, fields="permissions(id,role)").execute()["permissions"]
    )
    number = next(one["id"] for one in permissions if one["role"] == "reader")
    alice.permissions().delete(fileId=folder, permissionId=number).execute()
    assert refusal(bob.files().get(fileId=folder)) == (404, "notFound")
    (change,) = bob.changes().list(pageToken=position).execute()["changes"]
    assert (change["fileId"], change["removed"]) == (folder, True)


def test_it_is_steered_from_outside(emulator: Emulator, alice: Any) -> None:
    wish = {"script": {"call": "files.list", "fault": {"kind": "500"}}, "settings": {"lag": 3.0}}
    assert raw(emulator, "POST", "/emulator/faults", json.dumps(wish).encode())[0] == 200
    assert refusal(alice.files().list())[0] == 500
    _, answer = raw(emulator, "GET", "/emulator/calls")
    assert answer["calls"][-1]["method"] == "files.list" and answer["calls"][-1]["fault"] == "500"
