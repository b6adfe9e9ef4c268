"""The shared store: there, writable, atomic, events arriving, clocks, mounts, what sync clients left behind."""

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import SyftFlwrError, TransportError
from syft_flwr_cli.project.settings import Settings
from syft_flwr_cli.services.doctor.finding import Finding, failed, fine, noticed
from syft_flwr_cli.transports.folder.sync_artifacts import is_conflict, is_rejected
from syft_flwr_cli.transports.registry import find_spec

__all__ = ["check_store"]

SYFTBOX_NEEDS = 5 << 30
"""Bytes below which SyftBox's daemon stops synchronising."""

EVENT_WAIT = 1.0
"""Seconds within which an event of a file that was just written arrives on a file system that has events."""

SKEW = 5.0
"""Seconds that this machine's clock and the store's may differ."""

_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "fuse", "9p", "davfs", "sshfs")


def check_store(settings: Settings) -> Iterator[Finding]:
    """The store that these settings name."""
    yield fine("transport", f"{settings.email} uses the transport {settings.transport}.")
    options = settings.transport_options
    if settings.transport == "gdrive":
        yield from _drive(settings)
        return
    if find_spec(settings.transport).name == "s3":
        yield from _bucket(settings)
        return
    if settings.transport == "syftbox":
        yield from _syftbox(options)
    documents = find_spec(settings.transport).public_documents(options)
    if documents is not None:
        yield from _folder(documents.root, documents.space(settings.email))


def _folder(root: Path, own: Path) -> Iterator[Finding]:
    try:
        if not root.is_dir():
            yield failed(
                "root",
                f"The shared folder {root} is not there.",
                f"Mount or synchronise it, or give another: --root DIR. To make it: mkdir -p {root}",
            )
            return
        next(root.iterdir(), None)
    except OSError as error:
        yield failed(
            "root",
            f"The shared folder {root} does not answer: {error.strerror}.",
            "Mount it again, and look again.",
        )
        return
    kind = _mount(root)
    if kind is not None and any(kind.startswith(name) for name in _NETWORK):
        yield noticed(
            "mount",
            f"{root} is a mount of kind {kind}: what others write may be seen late.",
            "See docs/transports.md for the mount options that matter, its directory cache first.",
        )
    place = own if own.is_dir() else root
    yield _written(place)
    yield from _leftovers(own)


def _written(place: Path) -> Finding:
    """Write a file as messages are written, and see whether an event of it arrives and what time the store gives it."""
    from syft_flwr_cli.transports.folder.fs_events import Events

    probe = place / f".doctor-{os.getpid()}"
    seen: list[float] = []
    events = Events()
    try:
        begun = time.monotonic()
        facts = place.stat()
        listening = events.listen(
            place, (facts.st_dev, facts.st_ino), lambda *_: seen.append(time.monotonic() - begun)
        )
        probe.with_suffix(".new").write_bytes(b"1")
        probe.with_suffix(".new").replace(probe)
        skew = probe.stat().st_mtime - time.time()
        deadline = time.monotonic() + EVENT_WAIT
        while listening and not seen and time.monotonic() < deadline:
            time.sleep(0.01)
    except OSError as error:
        return failed(
            "root",
            f"{place} cannot be written: {error.strerror}.",
            f"Ask its owner for access, or free some space (df {place}).",
        )
    finally:
        probe.unlink(missing_ok=True)
        probe.with_suffix(".new").unlink(missing_ok=True)
        events.close()
    if abs(skew) > SKEW:
        return failed(
            "clock",
            f"The clock of the store and this machine's differ by {abs(skew):.0f} s.",
            "Set both by NTP: messages carry times.",
        )
    if not seen:
        return noticed(
            "events",
            f"{place} can be written, but no event of it arrives: it is looked at every few seconds instead.",
            "Nothing need be done. SYFT_FLWR_POLL_INTERVAL sets how often it is looked at.",
        )
    return fine("root", f"{place} can be written, and events arrive after {seen[0] * 1000:.0f} ms.")


def _leftovers(own: Path) -> Iterator[Finding]:
    left = [
        Path(folder) / name
        for folder, _, names in os.walk(own)
        for name in names
        if is_conflict(name) or is_rejected(name)
    ]
    if left:
        yield noticed(
            "leftovers",
            f"A sync client left {len(left)} files aside, {left[0].name} among them.",
            "See what of it can go: syft-flwr clean",
        )


def _syftbox(options: Mapping[str, Any]) -> Iterator[Finding]:
    from syft_flwr_cli.transports.syftbox.config import read_config

    try:
        config = read_config(options.get("syftbox_config"))
    except SyftFlwrError as error:
        yield failed("syftbox", error.what, error.hint)
        return
    if not config.data_dir.is_dir():
        yield failed(
            "syftbox",
            f"SyftBox's folder {config.data_dir} is not there.",
            "Start SyftBox; it makes the folder.",
        )
        return
    free = shutil.disk_usage(config.data_dir).free
    if free < SYFTBOX_NEEDS:
        yield failed(
            "syftbox",
            f"Only {free / 1e9:.1f} GB are free at {config.data_dir}: below 5 GB SyftBox's daemon stops synchronising.",
            "Free some space there.",
        )
    if not _daemon_runs():
        yield noticed(
            "syftbox",
            "SyftBox's daemon does not seem to run here.",
            "Start it: syftbox (or the SyftBox app).",
        )


def _daemon_runs() -> bool:
    for entry in Path("/proc").glob("[0-9]*/comm"):
        try:
            if entry.read_text().strip().lower().startswith("syftbox"):
                return True
        except OSError:
            continue
    return not Path("/proc/self").exists()


def _bucket(settings: Settings) -> Iterator[Finding]:
    """Whether the bucket can be written, and whether it keeps its word about conditional writes."""
    try:
        from syft_flwr_cli.transports.object_store.open import store_at
        from syft_flwr_cli.transports.object_store.probe import ignored_conditions
    except ImportError:
        yield failed("bucket", "The package for object stores is missing.", "Type: pip install obstore")
        return
    try:
        store, url = store_at(str(settings.transport_options["bucket"]))
        lies = ignored_conditions(store, url, settings.email)
    except (SyftFlwrError, TransportError) as error:
        yield failed(
            "bucket", error.what, error.hint or "See docs/transports.md for addresses and credentials."
        )
        return
    if lies:
        yield noticed(
            "bucket",
            f"{url} can be written, and does not do what it says: {'; '.join(lies)}.",
            "Federations do not depend on it; other programs that share the bucket may. Tell its operator.",
        )
        return
    yield fine(
        "bucket", f"{url} can be written, and refuses conditional writes whose condition does not hold."
    )


def _drive(settings: Settings) -> Iterator[Finding]:
    try:
        from syft_flwr_cli.transports.gdrive.auth import load_login, login_file
    except ImportError:
        yield failed(
            "gdrive",
            "The packages for Google Drive are missing.",
            "Type: pip install 'syft-flwr-cli[gdrive]'",
        )
        return
    try:
        load_login(login_file(settings.email))
    except (SyftFlwrError, TransportError, FileNotFoundError) as error:
        what = error.what if isinstance(error, SyftFlwrError) else f"{settings.email} is not logged in."
        yield failed("gdrive", what, f"Type: syft-flwr login --email {settings.email}")
        return
    try:
        socket.getaddrinfo("www.googleapis.com", 443)
    except OSError:
        yield failed(
            "gdrive", "Google's servers cannot be found from here.", "Check the network and its proxy."
        )
        return
    yield fine("gdrive", f"{settings.email} is logged in.")


def _mount(place: Path) -> str | None:
    """The kind of file system, as the system's list of mounts has it; None if there is none."""
    best, kind = "", None
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return None
    where = str(place.resolve())
    for line in lines:
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ") if fields[1:] else ""
        if (where == point or where.startswith(f"{point.rstrip('/')}/")) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind
