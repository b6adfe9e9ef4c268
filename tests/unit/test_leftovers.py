"""What sync clients leave behind is known by its name; what the product writes never is taken for it."""

import pytest

from syft_flwr_cli.transports.folder.sync_artifacts import (
    is_conflict,
    is_leftover,
    is_rejected,
    original_name,
)

MINE = "0b57dd1c-6a1c-8f3e-9d52-0f3c1f6b2a77"


@pytest.mark.parametrize(
    "name",
    [
        f".{MINE}.request.0badcafe.tmp",
        f"{MINE}.request.tmp",
        f"{MINE}.request.part",
        f"{MINE}.request~",
        f"~{MINE}.request",
        ".DS_Store",
        ".syncthing.one.request.tmp",
        f"{MINE}.conflict.20241212153045",
        f"{MINE}.request.conflict.20241212153045",
        f"{MINE}.conflict.request",
        f"{MINE}.request.syftconflict",
        f"{MINE}.rejected.20241212153045",
        f"{MINE}.rejected.request",
        f"{MINE}.request.syftrejected",
        f"{MINE} (Alice's conflicted copy 2024-12-12).request",
        f"{MINE} (conflicted copy 2024-12-12 153045).request",
        f"{MINE}.sync-conflict-20241212-153045-ABCDEFG.request",
        f"{MINE}_conflict-20241212-153045.request",
    ],
)
def test_leftovers_are_recognised(name: str) -> None:
    assert is_leftover(name)


@pytest.mark.parametrize(
    "name",
    [f"{MINE}.request", f"{MINE}.response", f"{MINE}.payload", "identity.json", "conflict", "rejected"],
)
def test_what_the_product_writes_is_none(name: str) -> None:
    assert not is_leftover(name)


def test_a_conflict_is_told_from_a_rejection() -> None:
    assert is_conflict(f"{MINE}.request.conflict.20241212153045")
    assert not is_conflict(f"{MINE}.request.rejected.20241212153045")
    assert is_rejected(f"{MINE}.request.rejected.20241212153045")
    assert not is_rejected(f"{MINE}.request.conflict.20241212153045")


@pytest.mark.parametrize(
    ("marker", "original"),
    [
        ("one.request.rejected.20241212153045", "one.request"),
        ("one.conflict.20241212153045.request", "one.request"),
        ("one.rejected.request", "one.request"),
        ("one.request.syftrejected", "one.request"),
        ("one.request", "one.request"),
    ],
)
def test_the_file_that_a_marker_is_about_is_named(marker: str, original: str) -> None:
    assert original_name(marker) == original
