"""The service as one process: its settings resolved, its socket opened, its lock held, its HTTP server run.

It listens on loopback only, unless it is told twice otherwise, and then only with TLS.
"""

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from syft_flwr_cli.aggregator.run_folder import results_dir
from syft_flwr_cli.aggregator.service.store import ServiceStore, TokenRecord
from syft_flwr_cli.errors import BusyError, UsageError
from syft_flwr_cli.project.config import check_participants, split_emails
from syft_flwr_cli.project.settings import Settings, remember, resolve
from syft_flwr_cli.services.certificate import make_certificate
from syft_flwr_cli.services.current_participant import current_participant
from syft_flwr_cli.services.federation import open_federation
from syft_flwr_cli.services.flwr_connection import flwr_home, write_connection
from syft_flwr_cli.services.run_actions import ServiceSetup
from syft_flwr_cli.services.run_service import RunService
from syft_flwr_cli.storage.locks import FileLock
from syft_flwr_cli.storage.paths import app_dir, home, make_private_dir, participant_dir

if TYPE_CHECKING:
    from syft_flwr_cli.services.bounded_http import BoundedListener

__all__ = [
    "OpenService",
    "Place",
    "add_token",
    "open_service",
    "serve",
    "tokens",
    "withdraw_token",
    "write_config",
]

T = TypeVar("T")

SERVICE_APP = "federation"
OPERATOR = "operator"
"""The user whose token ``--write-config`` writes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen.

    ``names`` are further names and addresses by which users reach it; with ``make_certificate`` the service makes its
    own certificate for them.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    beyond_loopback: bool = False
    names: tuple[str, ...] = ()
    make_certificate: bool = False


@dataclass(slots=True)
class OpenService:
    """A service that is ready to be served."""

    service: RunService
    socket: "BoundedListener"
    lock: FileLock
    address: str
    datasites: tuple[str, ...]
    place: Place
    home: Path
    email: str
    federations: Mapping[str, Sequence[str]]


def open_service(
    *,
    email: str | None,
    datasites: str | None,
    transport: str | None,
    root: Path | None,
    syftbox_config: Path | None,
    start_with: str | None,
    at_once: int,
    place: Place,
    federations: Sequence[str] = (),
) -> OpenService:
    """Open the service of an aggregator.

    Raises
    ------
    UsageError
        If a setting is missing, or the place to listen is not allowed.
    BusyError
        If another process serves for this aggregator already.
    """
    _check_place(place)
    here = home()
    me = current_participant(here, email)
    directory = make_private_dir(participant_dir(here, me) / "service")
    if place.make_certificate:
        made, key = make_certificate(directory, [*place.names, place.host, "localhost", "127.0.0.1"])
        place = replace(place, certificate=made, key=key)
    owners = _owners(directory, me, datasites)
    sets = _federations(directory, owners, federations)
    settings = resolve(
        None,
        home=here,
        role="aggregator",
        email=me,
        app_name=f"{me}_{SERVICE_APP}_0",
        aggregator=me,
        datasites=owners,
        transport=transport,
        root=root,
        syftbox_config=syftbox_config,
    )
    remember(here, settings.app_name, email=me, root=root)
    lock = FileLock(directory / "lock")
    if not lock.try_acquire("syft-flwr serve"):
        raise BusyError(
            f"Another process serves for {me} already.",
            hint="Stop it with Ctrl-C, or use it: flwr run . --stream",
        )
    from syft_flwr_cli.services.bounded_http import BACKLOG, BoundedListener

    listening = BoundedListener(socket.AF_INET6 if ":" in place.host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((place.host, place.port))
        listening.listen(BACKLOG)  # whoever calls before the server is up waits for it
    except OSError as error:
        listening.close()
        lock.release()
        raise UsageError(
            f"{place.host}:{place.port} cannot be listened on: {error.strerror}.",
            hint="Give another port with --port, or --port 0 for a free one.",
        ) from error
    address = f"{place.names[0] if place.names else place.host}:{listening.getsockname()[1]}"
    setup = ServiceSetup(
        home=here,
        email=me,
        datasites=owners,
        federations=sets,
        words=_words(settings, transport, root, syftbox_config),
        start_with=start_with,
        at_once=at_once,
        open_federation=lambda: open_federation(settings, here),
        results=lambda app, run: _results(here, me, app, run),
    )
    service = RunService(setup, directory)
    return OpenService(service, listening, lock, address, owners, place, here, me, sets)


def write_config(opened: OpenService) -> tuple[Path, Path]:
    """Tell ``flwr`` on this account where the service is, with a token of its operator."""
    token = opened.service.store.add_token(OPERATOR, True, time.time())
    # The one that is written last is flwr's default.
    for name in [*(name for name in opened.federations if name != "files"), "files"]:
        full = "" if name == "files" else f"@{opened.service.account}/{name}"
        written = write_connection(
            *(flwr_home(), name, opened.address, token, opened.place.certificate), federation=full
        )
    return written


def serve(opened: OpenService) -> None:
    """Serve until the process is asked to end (SIGINT, SIGTERM); the runs go on."""
    import uvicorn

    from syft_flwr_cli.flower.control_api.server import make_app
    from syft_flwr_cli.services.bounded_http import BACKLOG, BoundedHttp

    scheme = "http" if opened.place.certificate is None else "https"
    port = opened.address.rpartition(":")[2]
    hosts = {f"{name}:{port}".lower() for name in (*opened.place.names, opened.place.host, "localhost")}
    app = make_app(opened.service, hosts, f"{scheme}://{opened.address}")
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws="none",
        loop="asyncio",
        http=BoundedHttp.of(opened.socket),
        backlog=BACKLOG,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        ssl_certfile=opened.place.certificate,
        ssl_keyfile=opened.place.key,
    )
    server = uvicorn.Server(config)
    opened.service.start()
    try:
        server.run(sockets=[opened.socket])
    except KeyboardInterrupt:
        return
    finally:
        opened.service.close()
        opened.lock.release()


def add_token(email: str | None, user: str, is_admin: bool) -> str:
    """A new token for a user."""
    return _with_store(email, lambda store: store.add_token(user, is_admin, time.time()))


def withdraw_token(email: str | None, user: str) -> None:
    """End a user's token."""
    _with_store(email, lambda store: store.withdraw_token(user, time.time()))


def tokens(email: str | None) -> list[TokenRecord]:
    """Whose tokens there are."""
    return _with_store(email, lambda store: store.tokens())


def _with_store(email: str | None, action: Callable[[ServiceStore], T]) -> T:
    here = home()
    store = ServiceStore(
        make_private_dir(participant_dir(here, current_participant(here, email)) / "service")
    )
    try:
        return action(store)
    finally:
        store.close()


def _check_place(place: Place) -> None:
    try:
        inside = ipaddress.ip_address(place.host).is_loopback
    except ValueError:
        inside = place.host == "localhost"
    if (place.certificate is None) != (place.key is None):
        raise UsageError(
            "A certificate and its key belong together.", hint="Give both: --tls-certificate and --tls-key."
        )
    if place.make_certificate and place.certificate is not None:
        raise UsageError(
            "There is a certificate already.",
            hint="Leave --make-certificate out, or --tls-certificate and --tls-key.",
        )
    for file in (place.certificate, place.key):
        if file is not None and not file.is_file():
            raise UsageError(f"There is no file {file}.", hint="Or have one made: --make-certificate.")
    if not inside and not place.beyond_loopback:
        raise UsageError(
            f"{place.host} can be reached by other machines.",
            hint="Say so with --beyond-loopback, and add --make-certificate (or --tls-certificate and --tls-key).",
        )
    if not inside and place.certificate is None and not place.make_certificate:
        raise UsageError(
            "Beyond this machine the service speaks TLS only.",
            hint="Add --make-certificate, or use an SSH tunnel: ssh -L 9093:127.0.0.1:9093 HOST",
        )


def _owners(directory: Path, me: str, datasites: str | None) -> tuple[str, ...]:
    """The data owners that were given, or those of the last time."""
    kept = directory / "datasites"
    if datasites:
        _, owners = check_participants(me, split_emails(datasites))
        kept.write_text("\n".join(owners) + "\n")
        return owners
    if kept.exists():
        return tuple(kept.read_text().split())
    raise UsageError(
        "The data owners are not known.", hint="Give them once: --datasites do1@a.example,do2@b.example"
    )


def _federations(directory: Path, owners: Sequence[str], given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The sets of data owners that were given as ``NAME=E,E``, or those of the last time; ``files`` is all."""
    kept = directory / "federations"
    lines = list(given) or (kept.read_text().splitlines() if kept.exists() else [])
    found = {"files": tuple(owners)}
    for line in lines:
        name, _, emails = line.partition("=")
        members = tuple(dict.fromkeys(split_emails(emails)))
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name) or name in found:
            raise UsageError(
                f"{name[:80]!r} is no name for a federation, or is given twice.",
                hint="Write NAME=E,E, with a name of small letters, digits and dashes that is not 'files'.",
            )
        strangers = [email for email in members if email not in owners]
        if strangers or not members:
            raise UsageError(
                f"{', '.join(strangers) or 'Nobody'} in the federation {name} is no data owner here.",
                hint=f"Data owners are {', '.join(owners)}; name others with --datasites, too.",
            )
        found[name] = members
    if given:
        kept.write_text("".join(f"{line}\n" for line in given))
    return found


def _words(
    settings: Settings, transport: str | None, root: Path | None, syftbox_config: Path | None
) -> list[str]:
    words = ["--email", settings.email, "--transport", settings.transport]
    if settings.root is not None:
        words += ["--root", str(settings.root)]
    if syftbox_config is not None:
        words += ["--syftbox-config", str(syftbox_config.absolute())]
    return words


def _results(here: Path, me: str, app: str, run: str) -> Path | None:
    folder = results_dir(app_dir(here, me, app), str(int(run)))
    return folder if folder.is_dir() else None
