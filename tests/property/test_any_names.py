"""Names, for any text: whatever passes stays in its folder."""

from collections.abc import Callable
from pathlib import PurePosixPath, PureWindowsPath

from hypothesis import given, settings
from hypothesis import strategies as st

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import (
    app_name,
    check_app_name,
    check_component,
    check_email,
    check_message_id,
    message_id,
    node_id,
    payload_path,
    request_path,
)

NASTY = st.text(
    alphabet=st.one_of(st.sampled_from(list("./\\@_-: \0\n\r\t~$%")), st.characters()), max_size=60
)
PLAIN = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,19}", fullmatch=True)
EMAILS = st.builds(
    lambda name, host: f"{name}@{host}.example", PLAIN, st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True)
)
MID = "0b8c5d7e-3c1f-8a2b-9d4e-5f6a7b8c9d0e"


def accepted(check: Callable[[str], str], text: str) -> str | None:
    try:
        return check(text)
    except UsageError as error:
        assert error.what
        assert error.hint
        return None


def stays_put(component: str) -> bool:
    return (
        component == component.strip()
        and component.isascii()
        and component.isprintable()
        and not component.startswith(".")
        and not component.endswith(".")
        and PurePosixPath(component).parts == (component,)
        and PureWindowsPath(component).parts == (component,)
        and ".." not in component
    )


@settings(max_examples=500)
@given(text=NASTY | st.builds(lambda a, b: f"{a}@{b}", NASTY, NASTY))
def test_any_email_that_passes_is_canonical_and_stays_put(text: str) -> None:
    email = accepted(check_email, text)
    if email is not None:
        assert check_email(email) == email
        assert email == email.lower()
        assert stays_put(email)


@settings(max_examples=500)
@given(text=NASTY)
def test_any_component_that_passes_is_unchanged_and_stays_put(text: str) -> None:
    for check in (check_component, check_app_name):
        component = accepted(check, text)
        if component is not None:
            assert component == text
            assert stays_put(component)


@settings(max_examples=300)
@given(text=NASTY | st.text(alphabet="0123456789abcdefABCDEF-{}", max_size=40) | st.uuids().map(str))
def test_any_message_id_that_passes_has_its_one_form(text: str) -> None:
    found = accepted(check_message_id, text)
    if found is not None:
        assert found == text
        assert len(found) == 36
        assert stays_put(found)


@settings(max_examples=200)
@given(sender=EMAILS, recipient=EMAILS, project=NASTY, created=st.integers(0, 2**40))
def test_any_path_has_exactly_the_folders_of_the_rule(
    sender: str, recipient: str, project: str, created: int
) -> None:
    app = app_name(sender, project, created)
    path = PurePosixPath(request_path(sender, recipient, app, MID))
    assert path.parts == (
        f"syft_outbox_inbox_{sender.lower()}_to_{recipient.lower()}", app, "rpc", "messages", f"{MID}.request"
    )  # fmt: skip
    assert len(PurePosixPath(payload_path(sender, app, MID)).parts) == 4


@settings(max_examples=200)
@given(
    run=st.integers(0, 2**64 - 1).map(str),
    one=EMAILS,
    other=EMAILS,
    ordinal=st.integers(0, 2**32),
    digest=st.binary(min_size=32, max_size=32),
)
def test_any_two_recipients_get_ids_of_their_own(
    run: str, one: str, other: str, ordinal: int, digest: bytes
) -> None:
    first, second = message_id(run, one, ordinal, digest), message_id(run, other, ordinal, digest)
    assert check_message_id(first) == first
    assert (first == second) == (one.lower() == other.lower())
    assert (node_id(one) == node_id(other)) == (one.lower() == other.lower())
