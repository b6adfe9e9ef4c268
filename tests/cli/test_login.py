"""``syft-flwr login``, against the emulator's sign-in page and token endpoint."""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_flwr_cli.errors import TransportError, TrustError
from syft_flwr_cli.testing.drive_emulator import Emulator, start
from syft_flwr_cli.transports.base import BytesContent
from syft_flwr_cli.transports.gdrive.auth import save_login
from syft_flwr_cli.transports.gdrive.open import Tuning, open_gdrive

ALICE, BOB = "alice@lab.example", "bob@clinic.example"

BROWSER = """
import sys, urllib.request
urllib.request.urlopen(sys.argv[1]).read()
"""


class Here:
    """A machine with a home, a client secret and an emulated Google."""

    def __init__(self, place: Path, emulator: Emulator) -> None:
        self.home = place / "home"
        self.secrets = place / "client_secret.json"
        self.secrets.write_text(json.dumps(emulator.client_secrets()))
        self.login = self.home / "participants" / ALICE / "google-login.json"
        browser = place / "browser.py"
        browser.write_text(BROWSER)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "SYFT_FLWR_HOME": str(self.home),
            "SYFT_FLWR_DRIVE_ENDPOINT": emulator.endpoint,
            "OAUTHLIB_INSECURE_TRANSPORT": "1",  # the emulator's token endpoint has no certificate
            "BROWSER": f"{sys.executable} {browser} %s &",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "syft_flwr_cli", "login", *words]
        return subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            text=True,
            capture_output=True,
            timeout=60,
        )

    def begin(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "syft_flwr_cli", "login", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with start() as running:
        yield running


@pytest.fixture
def here(tmp_path: Path, emulator: Emulator) -> Here:
    return Here(tmp_path, emulator)


def failed(answer: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert answer.returncode == code, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "error: " in answer.stderr and "hint: " in answer.stderr
    for word in words:
        assert word in answer.stderr


def test_a_browser_on_this_machine(here: Here) -> None:
    answer = here.type("--email", ALICE, "--client-secrets", str(here.secrets), "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["data"]["email"] == ALICE
    assert "scope 'drive'" in answer.stderr
    assert here.login.stat().st_mode & 0o777 == 0o600
    status = here.type("--status")
    assert status.returncode == 0 and f"{ALICE} is logged in" in status.stdout
    # The client is kept, so the next login needs no file.
    assert here.type("--email", BOB).returncode == 0


def test_an_address_pasted_from_another_machine(here: Here) -> None:
    running = here.begin("--email", ALICE, "--no-browser", "--client-secrets", str(here.secrets))
    assert running.stdin is not None and running.stderr is not None
    page = next(line.strip() for line in running.stderr if line.startswith("http://"))

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    with pytest.raises(urllib.request.HTTPError) as redirected:
        urllib.request.build_opener(Stay).open(page)
    running.stdin.write(redirected.value.headers["Location"] + "\n")
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert f"Logged in to Google Drive as {ALICE}" in out
    assert here.login.exists()


def test_a_wrong_address_is_explained(here: Here) -> None:
    running = here.begin("--email", ALICE, "--no-browser", "--client-secrets", str(here.secrets))
    _, err = running.communicate("http://localhost:8085/?code=1&state=another\n", timeout=60)
    assert running.returncode == 2
    assert re.search("error: That is not the address", err)
    answer = here.type("--email", ALICE, "--no-browser")
    failed(answer, 2, "no terminal", "--token-file")


def test_a_ready_login_is_checked_and_kept(here: Here, emulator: Emulator, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text(json.dumps(emulator.authorized_user(ALICE)))
    answer = here.type("--token-file", str(ready))
    assert answer.returncode == 0, answer.stderr
    assert here.login.exists()
    failed(here.type("--token-file", str(ready), "--email", BOB), 13, f"as {ALICE}, not as {BOB}")
    failed(here.type("--token-file", str(tmp_path / "none")), 2)


def test_who_leaves_the_box_unticked_is_told_which(here: Here, emulator: Emulator) -> None:
    emulator.settings(unticked=True)
    answer = here.type("--email", ALICE, "--client-secrets", str(here.secrets))
    failed(answer, 13, "tick the box")
    assert not here.login.exists()


def test_a_client_of_the_wrong_kind_is_explained(here: Here, tmp_path: Path) -> None:
    failed(here.type("--email", ALICE), 2, "docs/google-drive.md")
    web = tmp_path / "web.json"
    web.write_text('{"web": {}}')
    failed(here.type("--client-secrets", str(web)), 2, "Desktop app")


def test_status_and_logout(here: Here, emulator: Emulator, tmp_path: Path) -> None:
    failed(here.type("--status"), 13, "Nobody is logged in", "syft-flwr login")
    ready = tmp_path / "ready.json"
    ready.write_text(json.dumps(emulator.authorized_user(ALICE)))
    assert here.type("--token-file", str(ready)).returncode == 0
    answer = here.type("--logout", "--json")
    assert answer.returncode == 0 and json.loads(answer.stdout)["data"] == {"email": ALICE, "revoked": True}
    assert not here.login.exists()
    failed(here.type("--token-file", str(ready)), 13, "login")


def test_a_revoked_login_is_said_to_be_so(here: Here, emulator: Emulator, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text(json.dumps(emulator.authorized_user(ALICE)))
    assert here.type("--token-file", str(ready)).returncode == 0
    emulator.revoke(ALICE)
    failed(here.type("--status"), 13, "expired or was revoked", "seven days")


# -- the login in use


def logged_in(here: Here, emulator: Emulator) -> None:
    here.login.parent.mkdir(parents=True)
    here.login.write_text(json.dumps(emulator.authorized_user(ALICE)))
    here.login.chmod(0o600)


def publish(here: Here, emulator: Emulator, state: Path) -> None:
    tuning = Tuning(writes_per_second=1e6, backoff=0.01, patience=3.0)
    transport = open_gdrive(
        email=ALICE, state_dir=state, endpoint=emulator.endpoint, token_file=here.login, tuning=tuning
    )
    try:
        transport.publish("folder/app/file", BytesContent(b"hello"), [BOB])
    finally:
        transport.close()


def test_an_expired_token_is_refreshed_once_for_everybody(
    here: Here, emulator: Emulator, tmp_path: Path
) -> None:
    logged_in(here, emulator)
    emulator.expire(json.loads(here.login.read_text())["token"])
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            publish(here, emulator, tmp_path / f"state {number}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert emulator.refreshes() == 1
    kept = json.loads(here.login.read_text())
    assert kept["refresh_token"] and kept["expiry"]
    assert here.login.stat().st_mode & 0o777 == 0o600


def test_a_login_that_ends_during_a_run_is_taken_up_again(
    here: Here, emulator: Emulator, tmp_path: Path
) -> None:
    logged_in(here, emulator)
    tuning = Tuning(writes_per_second=1e6, backoff=0.01, patience=3.0)
    transport = open_gdrive(
        email=ALICE, state_dir=tmp_path, endpoint=emulator.endpoint, token_file=here.login, tuning=tuning
    )
    transport.publish("folder/app/one", BytesContent(b"hello"), [BOB])
    emulator.revoke(ALICE)
    with pytest.raises(TransportError, match="expired or was revoked") as caught:
        transport.publish("folder/app/two", BytesContent(b"hello"), [BOB])
    assert caught.value.exit_code == 13 and "syft-flwr login" in caught.value.hint
    emulator.restore(ALICE)
    here.login.write_text(json.dumps(emulator.authorized_user(ALICE)))
    transport.publish("folder/app/two", BytesContent(b"hello"), [BOB])
    transport.close()


def test_a_login_that_others_can_read_is_not_used(here: Here, emulator: Emulator, tmp_path: Path) -> None:
    logged_in(here, emulator)
    here.login.chmod(0o644)
    with pytest.raises(TrustError, match="can be read"):
        publish(here, emulator, tmp_path)


def test_without_a_login_there_is_no_google_drive(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(here.home))
    with pytest.raises(TransportError, match="no login") as caught:
        open_gdrive(email=ALICE, state_dir=tmp_path)
    assert "syft-flwr login" in caught.value.hint


def test_a_login_at_google_is_not_shown_to_another_server(
    here: Here, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(here.home))
    logged_in(here, emulator)
    login = json.loads(here.login.read_text())
    emulator.expire(login["token"])
    here.login.write_text(json.dumps({**login, "token_uri": "https://oauth2.googleapis.com/token"}))
    transport = open_gdrive(email=ALICE, state_dir=tmp_path, endpoint=emulator.endpoint)
    transport.publish("folder/app/file", BytesContent(b"hello"), [BOB])
    transport.close()
    assert emulator.refreshes() == 0
    assert {call.status for call in emulator.calls()} == {200}


class Machine:
    """What Google's library finds in a Colab notebook: credentials without anything to refresh them with."""

    scopes = None
    expiry = None

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.token = ""

    def refresh(self, request: object) -> None:
        self.token = self._emulator.authorized_user(ALICE)["token"]


def test_a_login_that_only_the_machine_can_renew_is_renewed_by_it(
    here: Here, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(emulator)
    machine.refresh(None)
    here.login.parent.mkdir(parents=True, mode=0o700)
    save_login(here.login, machine, ALICE)
    asked: list[object] = []
    monkeypatch.setattr("google.auth.default", lambda scopes: asked.append(scopes) or (machine, None))
    for number in range(2):
        publish(here, emulator, tmp_path / f"state {number}")
        assert len(asked) == number
        emulator.expire(json.loads(here.login.read_text())["token"])
    publish(here, emulator, tmp_path / "state 2")
    assert len(asked) == 2


def test_who_logs_in_again_with_the_right_scope_need_not_start_again(
    here: Here, emulator: Emulator, tmp_path: Path
) -> None:
    narrow = emulator.authorized_user(ALICE, "https://www.googleapis.com/auth/drive.file")
    login = tmp_path / "login.json"
    login.write_text(json.dumps(narrow))
    login.chmod(0o600)
    transport = open_gdrive(email=ALICE, state_dir=tmp_path, endpoint=emulator.endpoint, token_file=login)
    for _ in range(2):
        with pytest.raises(TransportError, match="does not allow"):
            transport.publish("folder/app/file", BytesContent(b"hello"), [BOB])
    login.write_text(json.dumps({**emulator.authorized_user(ALICE), "client_id": "another client"}))
    transport.publish("folder/app/file", BytesContent(b"hello"), [BOB])
    transport.close()
    assert len(emulator.files(ALICE)) == 1


def test_a_login_at_the_emulator_is_used_there(
    here: Here, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(here.home))
    logged_in(here, emulator)
    emulator.expire(json.loads(here.login.read_text())["token"])
    transport = open_gdrive(email=ALICE, state_dir=tmp_path, endpoint=emulator.endpoint)
    transport.publish("folder/app/file", BytesContent(b"hello"), [BOB])
    transport.close()
    assert emulator.refreshes() == 1
