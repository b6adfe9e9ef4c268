"""Checks documents of ``--json`` against their published schemas, wherever a test reads one."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from syft_flwr_cli.ui.schemas import command_of, folder


@cache
def validator(command: str) -> Any:
    """The validator of a command's document, from the schema as it is published."""
    return Draft202012Validator(json.loads((folder() / f"{command.replace(' ', '-')}.json").read_text()))


def check_document(words: Sequence[str], text: str) -> None:
    """Fail if what a command with these words printed is a document that its schema does not allow."""
    command = command_of(words)
    if "--json" not in words or not text.strip() or command is None:
        return
    problems = [
        f"{command} at {list(inner.absolute_path)}: {inner.message[:300]}"
        for error in validator(command).iter_errors(json.loads(text))
        for inner in (error.context or [error])
    ]
    assert not problems, "\n".join(problems)
