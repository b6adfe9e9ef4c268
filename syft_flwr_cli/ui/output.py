"""What the command line says: notes and errors on stderr, results on stdout, one JSON document if asked.

With ``--json`` exactly one document ``{"schema_version", "status", "data"}`` goes to stdout and
everything else to stderr. NO_COLOR and pipes are respected.
"""

import json
import math
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from syft_flwr_cli.protocol.printable import visible

__all__ = [
    "EscapingConsole",
    "debugging",
    "emit_json",
    "err",
    "fail",
    "folded",
    "note",
    "out",
    "usage_problem",
]

SCHEMA_VERSION = 1


def debugging() -> bool:
    """Whether tracebacks are wanted: ``--debug``, or SYFT_FLWR_DEBUG in the environment."""
    return os.environ.get("SYFT_FLWR_DEBUG", "").lower() not in ("", "0", "false")


class EscapingConsole(Console):
    """A console on which nothing that somebody else has named or written can move the cursor, hide or reorder text.

    What rich itself makes (colours, the cursor of a live view) passes; every text goes through `visible`.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does it, with the text of each segment made visible."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible(segment.text, keep="\n\t"), segment.style)


def out() -> Console:
    """The console of results (stdout)."""
    return EscapingConsole(highlight=False, soft_wrap=True)


def err() -> Console:
    """The console of everything else (stderr)."""
    return EscapingConsole(stderr=True, highlight=False, soft_wrap=True)


def folded(console: Console, text: str, indent: int) -> str:
    """``text`` broken between words where the terminal ends, further lines indented; as it is where there is none."""
    if not console.is_terminal or len(text) <= console.width:
        return text
    room = max(indent + 20, console.width)
    return "\n".join(
        textwrap.wrap(
            text,
            room,
            subsequent_indent=" " * indent,
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def note(text: str, style: str = "") -> None:
    """Say something to the person, on stderr; on a terminal wrapped between words, but for what is to be typed."""
    console = err()
    wraps = console.is_terminal and "syft-flwr " not in text
    console.print(text, style=style, markup=False, soft_wrap=not wraps)


def emit_json(data: Any, status: str = "ok") -> None:
    """Print the one JSON document of a command."""
    document = {"schema_version": SCHEMA_VERSION, "status": status, "data": data}
    try:
        text = json.dumps(document, indent=2, allow_nan=False, default=str)
    except ValueError:  # an app may report a number that JSON has no word for
        text = json.dumps(_finite(document), indent=2, allow_nan=False, default=str)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    """``value`` with null for what is no finite number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def fail(what: str, hint: str, exit_code: int, *, as_json: bool) -> None:
    """Say what went wrong and what to do; in JSON too if asked."""
    if debugging() and sys.exc_info()[0] is not None:
        sys.stderr.write(visible(traceback.format_exc(), keep="\n\t"))
    note(f"error: {what}", style="bold red")
    if hint:
        note(f"hint: {hint}")
    if as_json:
        emit_json({"error": what, "hint": hint, "exit_code": exit_code}, status="error")


def usage_problem(error: Exception, *, as_json: bool) -> int | None:
    """Render an error of the option parser and return its exit code; None if it is no such error."""
    if not hasattr(error, "format_message") or not hasattr(error, "exit_code"):
        return None
    context = getattr(error, "ctx", None)
    hint = f"See '{context.command_path} --help'." if context is not None else "See 'syft-flwr --help'."
    exit_code = int(error.exit_code)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        err().print(error.format_message(), markup=False)
        return exit_code
    # Both typer and click say what may have been meant.
    message = re.sub(
        r"( Did you mean [^?]*\?)(\1| \(Did you mean [^?]*\?\))+", r"\1", str(error.format_message())
    )
    fail(message, hint, exit_code, as_json=as_json)
    return exit_code
