"""The door to Google Drive as a transport, light until it is opened.

The transport itself (`gdrive_transport`) and its parts need the extra ``gdrive``, which is imported when
`open_gdrive` is called. With SYFT_FLWR_DRIVE_ENDPOINT set, another server than Google's is asked: the
emulator that comes with this package, where everybody is believed to be who they say.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.transports.base import CallCosts
from syft_flwr_cli.transports.gdrive.journal import read_calls
from syft_flwr_cli.transports.gdrive.tuning import EMULATED, GOOGLE, Tuning

if TYPE_CHECKING:
    from syft_flwr_cli.transports.gdrive.transport import DriveTransport

__all__ = ["ENDPOINT", "CallCosts", "Tuning", "open_gdrive", "read_calls"]

ENDPOINT = "SYFT_FLWR_DRIVE_ENDPOINT"
"""The environment variable that names another server than Google's."""


def open_gdrive(
    *,
    email: str,
    state_dir: Path,
    poll_interval: float = 3.0,
    endpoint: str | None = None,
    token: str | None = None,
    token_file: Path | None = None,
    tuning: Tuning | None = None,
    sign: Callable[[bytes], bytes] | None = None,
    check: Callable[[str, bytes, bytes], bool | None] | None = None,
) -> "DriveTransport":
    """Open one participant's view of Google Drive.

    Parameters
    ----------
    email : str
        The participant; its Google account's address.
    state_dir : Path
        Where the transport keeps what must survive a restart; a directory ``gdrive`` in it.
    poll_interval : float
        Looks are made every ``poll_interval * 2/3`` to ``poll_interval * 5`` seconds: 2 to 15 for 3.
    endpoint : str, optional
        Another server than Google's; without it, what SYFT_FLWR_DRIVE_ENDPOINT says.
    token, token_file : optional
        A ready access token, or the file of a login; without them, the login of ``syft-flwr login``. At
        another server than Google's a login is used that this server has given, or else the emulator's token.
    tuning : Tuning, optional
        How fast and how patient.
    sign, check : callables, optional
        Sign and check the invitations to folders; see `DriveTransport`.

    Raises
    ------
    TransportError
        If there is no login, or the extra is not installed.
    """
    try:
        from syft_flwr_cli.transports.gdrive.auth import (
            fixed_credentials,
            is_login_of,
            load_login,
            login_file,
        )
        from syft_flwr_cli.transports.gdrive.client import DriveClient
        from syft_flwr_cli.transports.gdrive.transport import DriveTransport
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("syft_flwr_cli"):
            raise
        raise TransportError(
            f"Google Drive needs packages that are not installed ({error.name}).",
            hint="Type: pip install 'syft-flwr-cli[gdrive]'",
        ) from error
    email = check_email(email)
    endpoint = endpoint or os.environ.get(ENDPOINT) or None
    credentials: Any
    if token is not None:
        credentials = fixed_credentials(token)
    elif token_file is None and endpoint is not None and not is_login_of(login_file(email), endpoint):
        # A login at Google is Google's; it is not shown to another server.
        credentials = fixed_credentials(f"emulator:{email}")
    else:
        credentials = load_login(token_file or login_file(email))
    if tuning is None:
        tuning = GOOGLE if endpoint is None else EMULATED
    client = DriveClient(email, credentials, endpoint, tuning)
    floor, ceiling = poll_interval * 2 / 3, poll_interval * 5
    return DriveTransport(client, state_dir / "gdrive", floor=floor, ceiling=ceiling, sign=sign, check=check)
