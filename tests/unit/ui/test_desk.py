"""The desk in process: every page, every action, and who is turned away."""

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk_scene import CLIENT, DO, DS, HOST, ORIGIN, TOKEN, Scene

from syft_flwr_cli.catalogue.projects import read_decision
from syft_flwr_cli.services.federation import record_store
from syft_flwr_cli.services.owner_app import approved_projects
from syft_flwr_cli.services.pausing import paused_since

SIGN_IN = f"/?token={TOKEN}"


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name in ("SYFTBOX_EMAIL", "DATA_DIR", "SYFT_FLWR_HOME"):
        monkeypatch.delenv(name, raising=False)
    made = Scene(tmp_path)
    yield made
    made.node.close()


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/keys", "/evidence", "/style.css", "/desk.js", "/events?page=/"]
)
def test_nobody_gets_anything_without_the_start_token(scene: Scene, path: str) -> None:
    answer = scene.browser(admitted=False).client.get(path)
    assert answer.status_code == 403
    assert DO not in answer.text


def test_a_wrong_token_is_refused_and_the_right_one_becomes_a_strict_cookie(scene: Scene) -> None:
    client = scene.browser(admitted=False).client
    assert client.get("/?token=guess").status_code == 403
    answer = client.get(SIGN_IN)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert answer.headers["location"] == "/" and TOKEN not in cookie


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": f"evil.example@{HOST}"},
        {"Host": "127.0.0.1:9999"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_elsewhere_reads_nothing(scene: Scene, headers: dict[str, str]) -> None:
    assert scene.browser().client.get("/", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}, {"Origin": "http://evil.example"}])
def test_a_page_elsewhere_posts_nothing(scene: Scene, headers: dict[str, str]) -> None:
    answer = scene.browser().client.post("/node/pause", data={"token": "x"}, headers=headers)
    assert answer.status_code == 403
    assert paused_since(scene.home, DO) is None


def test_a_form_without_its_own_token_does_nothing(scene: Scene) -> None:
    browser = scene.browser()
    page = browser.get("/")
    other = page.split('action="/join"><input type="hidden" name="token" value="')[1].split('"')[0]
    for token in ("", "x", other):
        answer = browser.client.post("/node/pause", data={"token": token}, headers={"Origin": ORIGIN})
        assert answer.status_code == 403
    assert paused_since(scene.home, DO) is None


def test_large_forms_foreign_forms_and_long_addresses_are_refused(scene: Scene) -> None:
    client = scene.browser().client
    origin = {"Origin": ORIGIN}
    assert client.post("/join", data={"aggregator": "x" * 70_000}, headers=origin).status_code == 413
    assert client.post("/join", json={"aggregator": "x"}, headers=origin).status_code == 413
    many = {f"f{n}": "" for n in range(100)}
    assert client.post("/join", data=many, headers=origin).status_code == 413
    assert client.get("/?x=" + "y" * 9000).status_code == 414


def test_every_answer_says_what_a_browser_may_do_with_it(scene: Scene) -> None:
    for answer in (scene.browser().client.get("/"), scene.browser(admitted=False).client.get("/")):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/nothing", "/project/x", f"/project/{'0' * 64}", "/report", "/left?app=x&run=y"]
)
def test_what_is_not_there_is_a_page_that_says_so(scene: Scene, path: str) -> None:
    assert "Go back" in scene.browser().get(path, 404)


def test_an_owner_joins_and_sees_who_asks(scene: Scene) -> None:
    scene.offer()
    page = scene.browser().submit("/", "/join", aggregator=DS, root=str(scene.root))
    assert "1 offered by" in page and "study" in page and "your decision" in page


def test_joining_somebody_who_offers_nothing_says_what_to_do(scene: Scene) -> None:
    browser = scene.browser()
    token = (
        browser.get("/").split('action="/join"><input type="hidden" name="token" value="')[1].split('"')[0]
    )
    fields = {"token": token, "aggregator": "nobody", "root": ""}
    answer = browser.client.post("/join", data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 422 and "Go back" in answer.text


def test_what_would_run_is_shown_with_its_code(scene: Scene) -> None:
    digest = scene.offer("Please take part.")
    browser = scene.browser()
    page = browser.get(f"/project/{digest}")
    for words in (DS, "Please take part.", digest, "patients.csv", "asks for the data set", "read all of it"):
        assert words in page
    file = browser.get(f"/project/{digest}/file?path=study%2Fclient_app.py")
    assert '<span class="k">def</span>' in file and 'id="L12"' in file
    browser.get(f"/project/{digest}/file?path=..%2F..%2Fidentity.json", 404)


def test_approve_then_revoke_and_the_aggregator_is_told_both(scene: Scene) -> None:
    digest = scene.offer()
    browser = scene.browser()
    place = f"/project/{digest}"
    page = browser.submit(place, f"{place}/approve", use="folder", folder=str(scene.data), until="30d")
    assert "You approved exactly these files" in page and ", until 20" in page
    assert str(scene.data) in page
    sent = record_store(scene.home, DO).sent_to(DS, "decision", "ds@lab.example_study_1700000000")
    assert sent is not None and read_decision(sent.record.content).choice == "approve"
    assert "Revoke now" in page
    page = browser.submit(place, f"{place}/reject")
    assert "You rejected exactly these files" in page
    sent = record_store(scene.home, DO).sent_to(DS, "decision", "ds@lab.example_study_1700000000")
    assert sent is not None and read_decision(sent.record.content).choice == "reject"


def test_data_that_is_not_there_decides_nothing(scene: Scene) -> None:
    digest = scene.offer()
    browser = scene.browser()
    place = f"/project/{digest}"
    token = browser.get(place).split(f'action="{place}/approve"><input type="hidden" name="token" value="')[1]
    fields = {"token": token.split('"')[0], "use": "folder", "folder": str(scene.place / "absent")}
    answer = browser.client.post(f"{place}/approve", data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 422 and "There is no" in answer.text
    assert "You have not decided" in browser.get(place)


def test_a_new_version_is_shown_as_the_difference_to_the_approved_one(scene: Scene) -> None:
    first = scene.offer()
    browser = scene.browser()
    browser.submit(f"/project/{first}", f"/project/{first}/approve", use="none")
    scene.write("study/client_app.py", CLIENT + "import socket\n")
    second = scene.offer()
    page = browser.get(f"/project/{second}")
    assert '<span class="d added">+import socket' in page
    assert "reaches for the network" in page and "changed" in page
    browser.get(f"/project/{first}", 404)


def test_an_approved_version_that_a_newer_offer_replaced_can_be_revoked(scene: Scene) -> None:
    first = scene.offer()
    browser = scene.browser()
    browser.submit(f"/project/{first}", f"/project/{first}/approve", use="none")
    scene.write("study/client_app.py", CLIENT + "# another\n")
    second = scene.offer()
    browser.submit(f"/project/{second}", f"/project/{second}/reject")
    assert [project.version for project in approved_projects(scene.home, DO)] == ["1.0.0"]
    assert "runs here until you approve" in browser.get(f"/project/{second}")
    assert "not offered any more" in browser.get("/")
    page = browser.submit("/", f"/project/{first}/revoke")
    assert "Revoked: these files do not run here any more" in page and "not offered any more" not in page
    assert approved_projects(scene.home, DO) == []
    assert "Revoke the other version" not in browser.get(f"/project/{second}")


def test_six_words_are_compared_by_ticking_a_box(scene: Scene) -> None:
    scene.offer()
    browser = scene.browser()
    assert "nobody has compared it yet" in browser.get("/keys")
    page = browser.submit("/keys", "/keys/compare", agree="yes")
    assert "is noted as compared" in page and "nobody has compared it yet" not in page


def test_the_node_is_paused_for_whichever_process_is_the_node(scene: Scene) -> None:
    browser = scene.browser()
    assert "not started" in browser.get("/")
    browser.submit("/", "/node/resume")
    assert "at work" in browser.get("/")
    page = browser.submit("/", "/node/pause")
    assert "Paused since" in page and not scene.node.running
    assert paused_since(scene.home, DO) is not None


def test_evidence_is_one_file_that_verifies(scene: Scene, tmp_path: Path) -> None:
    from syft_flwr_cli.services.crate import verify_crate

    digest = scene.offer()
    browser = scene.browser()
    place = f"/project/{digest}"
    browser.submit(place, f"{place}/approve", use="none")
    token = browser.get("/evidence").split('name="token" value="')[1].split('"')[0]
    fields = {"token": token, "app": ""}
    answer = browser.client.post("/evidence", data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    assert zipfile.is_zipfile(io.BytesIO(answer.content))
    file = tmp_path / "evidence.zip"
    file.write_bytes(answer.content)
    assert verify_crate(file).decisions == 1


@pytest.mark.slow
def test_a_rehearsal_shows_what_would_leave(scene: Scene) -> None:
    digest = scene.offer()
    browser = scene.browser()
    place = f"/project/{digest}"
    page = browser.submit(place, f"{place}/rehearse", use="folder", folder=str(scene.data))
    end = time.monotonic() + 120
    while "Running since" in page:
        assert time.monotonic() < end
        time.sleep(0.2)
        page = browser.get(f"{place}/rehearsal")
    assert "metrics/rows" in page and "patients.csv" in page
    assert "You have not decided" in browser.get(place)


def test_after_an_approval_the_node_is_started_where_one_is(scene: Scene) -> None:
    digest = scene.offer()
    browser = scene.browser()
    place = f"/project/{digest}"
    assert "Start your node" not in browser.get(place)
    page = browser.submit(place, f"{place}/approve", use="none")
    assert "Your node is not started, so nothing runs yet" in page
    assert "Your node is at work" in browser.submit(place, "/node/resume")
    assert "Your node is not started" not in browser.get(place)


def test_the_decision_keeps_the_data_that_were_rehearsed_with(scene: Scene) -> None:
    digest = scene.offer()
    browser = scene.browser()
    place = f"/project/{digest}"
    browser.submit(place, f"{place}/rehearse", use="folder", folder=str(scene.data))
    form = browser.get(place).split(f'action="{place}/approve"')[1]
    assert f'name="folder" value="{scene.data}"' in form


def test_a_mistyped_folder_is_answered_in_the_words_of_the_page(scene: Scene) -> None:
    digest = scene.offer()
    browser = scene.browser()
    place = f"/project/{digest}"
    token = browser.get(place).split(f'action="{place}/rehearse"><input type="hidden" name="token" value="')[
        1
    ]
    fields = {"token": token.split('"')[0], "use": "folder", "folder": str(scene.place / "absent")}
    answer = browser.client.post(f"{place}/rehearse", data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 422 and "--data" not in answer.text
