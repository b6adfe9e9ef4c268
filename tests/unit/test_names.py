"""Names: what may become a path, and that nothing else does."""

import uuid

import pytest

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import (
    app_folder,
    app_name,
    check_app_name,
    check_component,
    check_email,
    check_message_id,
    direct_payload_path,
    message_id,
    node_id,
    payload_path,
    request_path,
    response_path,
)

ALICE, BOB = "alice@lab.example", "bob@clinic.example"
APP = "alice@lab.example_study_1750000000"
MID = "0b8c5d7e-3c1f-8a2b-9d4e-5f6a7b8c9d0e"


def test_emails_are_lower_cased() -> None:
    assert check_email(" Alice@Lab.Example ") == ALICE
    assert check_email("o'neil+study_1@x-y.example") == "o'neil+study_1@x-y.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "@lab.example",
        "alice@",
        "a/b@lab.example",
        "a\\b@lab.example",
        "a..b@lab.example",
        "../../root@lab.example",
        ".hidden@lab.example",
        "alice@lab.example/..",
        "alice@lab..example",
        "alice@.lab",
        "al ice@lab.example",
        "alice@lab.example.",
        "alice\n@lab.example",
        "alice\0@lab.example",
        "alice@lab.example\u202e",
        "\u0430lice@lab.example",
        "a:b@lab.example",
        "a*b@lab.example",
        "a" * 90 + "@lab.example",
    ],
)
def test_what_is_no_plain_email_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_email(text)
    assert refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        ".git",
        "a..b",
        "a\0b",
        "a\nb",
        "a\tb",
        "trailing.",
        "trailing ",
        " leading",
        "é",
        "x" * 201,
    ],
)
def test_what_could_leave_or_hide_in_a_folder_is_no_component(text: str) -> None:
    with pytest.raises(UsageError):
        check_component(text)
    with pytest.raises(UsageError):
        check_app_name(text)


@pytest.mark.parametrize(
    "text",
    ["", "x", MID.upper(), MID.replace("-", ""), "{" + MID + "}", f"urn:uuid:{MID}", MID + "\n", "../" + MID],
)
def test_a_message_id_has_exactly_one_form(text: str) -> None:
    assert check_message_id(MID) == MID
    with pytest.raises(UsageError):
        check_message_id(text)


def test_paths_follow_the_folder_rule() -> None:
    to_bob = f"syft_outbox_inbox_{ALICE}_to_{BOB}/{APP}"
    assert app_folder(ALICE, BOB, APP) == to_bob
    assert request_path(ALICE, BOB, APP, MID) == f"{to_bob}/rpc/messages/{MID}.request"
    assert response_path(BOB, ALICE, APP, MID) == (
        f"syft_outbox_inbox_{BOB}_to_{ALICE}/{APP}/rpc/messages/{MID}.response"
    )
    assert direct_payload_path(ALICE, BOB, APP, MID) == f"{to_bob}/rpc/messages/{MID}.payload"
    assert payload_path(ALICE, APP, MID) == f"syft_outbox_inbox_{ALICE}_to_all/{APP}/payloads/{MID}.payload"


def test_an_app_is_named_after_its_aggregator_project_and_time() -> None:
    assert app_name(ALICE, "My  study!", 1750000000) == f"{ALICE}_My-study_1750000000"
    assert app_name(ALICE, "../..", 1) == f"{ALICE}_app_1"
    assert app_name(ALICE, "study..v2", 1) == f"{ALICE}_study.v2_1"


def test_a_message_id_is_derived_from_what_makes_the_message() -> None:
    first = message_id("7", BOB, 0, bytes(32))
    assert first == message_id("7", BOB.upper(), 0, bytes(32))
    others = [
        message_id("8", BOB, 0, bytes(32)),
        message_id("7", ALICE, 0, bytes(32)),
        message_id("7", BOB, 1, bytes(32)),
        message_id("7", BOB, 0, b"\1" * 32),
    ]
    assert len({first, *others}) == 5
    parsed = uuid.UUID(check_message_id(first))
    assert (parsed.version, parsed.variant) == (8, uuid.RFC_4122)


def test_message_and_node_ids_are_frozen() -> None:
    assert message_id("7", BOB, 0, bytes(32)) == "87fbaca0-29eb-875a-a178-a328bf32c3b4"
    assert node_id(ALICE) == 5132237819022366352


def test_node_ids_fit_what_flower_demands() -> None:
    ids = [node_id(f"owner{number}@lab.example") for number in range(2000)]
    assert len(set(ids)) == 2000
    assert all(1 < one < 1 << 63 for one in ids)
    assert node_id(ALICE) == node_id(" ALICE@lab.example")
