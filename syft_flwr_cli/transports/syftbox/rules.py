"""SyftBox's permission files: who may read what lies in a folder (SyftBox, docs/acl-system.md). Pure."""

import json
from collections.abc import Collection
from contextlib import suppress

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.strict_json import loads

__all__ = ["RULES_FILE", "readers_in", "rules"]

RULES_FILE = "syft.pub.yaml"
"""The file in which a folder says who may do what in it."""


def rules(readers: Collection[str]) -> bytes:
    """The ``syft.pub.yaml`` that lets exactly ``readers`` read what lies in its folder, however deep.

    Terminal, so that no rule above or below it has a say. The owner may always do everything.
    """
    listed = ", ".join(json.dumps(reader) for reader in sorted({names.check_email(r) for r in readers}))
    return (
        "terminal: true\n"
        "rules:\n"
        '  - pattern: "**"\n'
        "    access:\n"
        "      admin: []\n"
        f"      read: [{listed}]\n"
        "      write: []\n"
    ).encode()


def readers_in(document: bytes) -> list[str]:
    """Whom a document made by `rules` lets read; nobody if it is none."""
    for line in document.decode(errors="replace").splitlines():
        if line.strip().startswith("read:"):
            with suppress(ValueError, UsageError):
                return [names.check_email(str(reader)) for reader in loads(line.split(":", 1)[1])]
    return []
