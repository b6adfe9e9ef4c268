"""What Drive says of a file decides neither where it goes nor how much of it is brought here."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from syft_flwr_cli.transports.gdrive.download import LONGEST_MESSAGE, ChangedError, Downloader, Remote
from syft_flwr_cli.transports.gdrive.upload import ONE_REQUEST


class Client:
    """Google Drive, as far as a download sees it; adds ``generous`` to every answer."""

    def __init__(self, content: bytes, *, generous: bytes = b"") -> None:
        self.content, self.generous, self.spans = content, generous, []
        self.meter = SimpleNamespace(received=lambda label, size: None)
        media = SimpleNamespace(uri="https://drive.example/file")
        self.api = SimpleNamespace(files=lambda: SimpleNamespace(get_media=lambda fileId: media))

    def persist(self, label: str, once: Callable[[], Any], doing: str) -> Any:
        return once()

    def send(self, label: str, uri: str, method: str, headers: dict[str, str]) -> tuple[Any, bytes]:
        span = headers.get("Range")
        if span is None:
            return SimpleNamespace(status=200), self.content
        self.spans.append(span)
        first, last = map(int, span.removeprefix("bytes=").split("-"))
        return SimpleNamespace(status=206), self.content[first : last + 1] + self.generous


def remote(content: bytes, **changes: Any) -> Remote:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    facts = {"id": "1a", "name": "x.payload", "size": len(content), "md5": md5, "created": 0.0, "version": 1}
    return Remote(**{**facts, **changes})


LARGE = bytes(range(256)) * (ONE_REQUEST // 256 + 8)


@pytest.mark.parametrize("where", ["id", "md5"])
def test_an_id_or_checksum_that_is_a_path_leads_nowhere(tmp_path: Path, where: str) -> None:
    spool = tmp_path / "home" / "spool"
    found = remote(LARGE, **{where: "../../../elsewhere/x"})
    downloader = Downloader(Client(LARGE), spool)  # type: ignore[arg-type]
    try:
        downloader.open(found, "test").close()
    except ChangedError:
        assert where == "md5"  # no content has that checksum
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    assert {path.name for path in (tmp_path / "home").iterdir()} == {"spool"}


def test_a_message_of_gigabytes_is_not_brought_here(tmp_path: Path) -> None:
    client = Client(b"x" * 1000)
    huge = remote(b"x", name="00000000-0000-8000-8000-000000000000.request", size=1 << 40)
    with Downloader(client, tmp_path).open(huge, "test") as stream:  # type: ignore[arg-type]
        assert stream.read() == b"x" * 1000
    assert client.spans == [f"bytes=0-{LONGEST_MESSAGE}"]
    assert list(tmp_path.iterdir()) == []


def test_a_copy_is_no_longer_than_its_listing_says(tmp_path: Path) -> None:
    client = Client(LARGE, generous=b"y" * 1000)
    with Downloader(client, tmp_path / "spool").open(remote(LARGE), "test") as stream:  # type: ignore[arg-type]
        assert len(stream.read()) <= len(LARGE)
