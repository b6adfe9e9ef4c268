"""What apps and programs of the original ask for: their data, who is who, and messages by hand."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syft_flwr_cli.app_environment import DATA_VARIABLE, get_data_dir
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol import names

if TYPE_CHECKING:
    from flwr.app import Error, Message, RecordDict
    from flwr.app.metadata import Metadata

__all__ = [
    "EMAIL_REGEX",
    "check_reply_to_field",
    "create_flwr_message",
    "get_syftbox_dataset_path",
    "is_valid_datasite",
    "run_syft_flwr",
    "str_to_int",
]

EMAIL_REGEX = re.compile(r"[^@\s/\\]+@[^@\s/\\]+\.[^@\s/\\.]+\Z")
"""Roughly what an e-mail looks like; `is_valid_datasite` knows exactly."""


def run_syft_flwr() -> bool:
    """Whether this process has a data owner's data: true exactly where ``DATA_DIR`` is set."""
    return bool(os.environ.get(DATA_VARIABLE, "").strip())


def get_syftbox_dataset_path() -> Path:
    """The data owner's data, from ``DATA_DIR``. Raises `UsageError` if it is not set or not there."""
    return get_data_dir()


def is_valid_datasite(datasite: str) -> bool:
    """Whether a text is an e-mail that may name a participant."""
    try:
        names.check_email(datasite)
    except UsageError:
        return False
    return True


def str_to_int(input_string: str) -> int:
    """The node id of a data owner's e-mail; another number than the original's, whose ids had 32 bits."""
    return names.node_id(names.check_email(input_string))


def create_flwr_message(
    content: "RecordDict | None",
    message_type: str,
    dst_node_id: int,
    group_id: str,
    ttl: float | None = None,
    error: "Error | None" = None,
    reply_to: "Message | None" = None,
) -> "Message":
    """A message of this run, or a reply; Flower's `Message` does the same."""
    from flwr.app import Message

    if reply_to is not None:
        said: Any = error if error is not None else content
        return Message(said, reply_to=reply_to)
    if content is None:
        raise UsageError("A message that is no reply needs a content.", hint="Give a RecordDict.")
    return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)


def check_reply_to_field(metadata: "Metadata") -> bool:
    """Whether a message is a reply."""
    return metadata.reply_to_message_id != ""
