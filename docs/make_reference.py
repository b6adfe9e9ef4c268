"""Writes the reference pages that are made from the code: ``make docs-reference``; a test compares what is committed.

Run with ``--check`` it writes nothing and names the pages that are not current (exit code 1).
"""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import typer.main

from syft_flwr_cli.cli.main import load
from syft_flwr_cli.consent.policy import Policy
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.project.own_settings import REMEMBERED
from syft_flwr_cli.project.settings import VARIABLES
from syft_flwr_cli.transports.registry import all_specs
from syft_flwr_cli.ui.documents import DOCUMENTS
from syft_flwr_cli.ui.schemas import folder, reference_page, schema_of

DOCS = Path(__file__).parent
MADE = "<!-- made from the code by docs/make_reference.py (make docs-reference); a test compares them -->"


def pages() -> dict[Path, str]:
    """Every file that is made from the code, with its text."""
    made = {
        DOCS / "json-documents.md": reference_page(),
        DOCS / "reference" / "commands.md": commands_page(),
        DOCS / "reference" / "configuration.md": configuration_page(),
        DOCS / "reference" / "environment.md": environment_page(),
    }
    for name in DOCUMENTS:
        text = json.dumps(schema_of(name), indent=2, sort_keys=True) + "\n"
        file = folder() / f"{name.replace(' ', '-')}.json"
        # A schema is compared by value: how its file is laid out is no part of it.
        if file.is_file() and json.loads(file.read_text()) == json.loads(text):
            text = file.read_text()
        made[file] = text
    return made


def commands(group: Any, above: str = "") -> dict[str, Any]:
    """Every command by its words, in the order of ``--help``."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        path = f"{above} {name}".strip()
        found.update(commands(command, path) if hasattr(command, "commands") else {path: command})
    return found


def commands_page() -> str:
    """docs/reference/commands.md."""
    lines = ["# Commands", "", MADE, "", "`syft-flwr COMMAND --help` prints the same. Exit codes are in"]
    lines += [
        "[exit-codes.md](../exit-codes.md), the documents of `--json` in [json-documents.md](../json-documents.md)."
    ]
    for name, command in commands(typer.main.get_command(load())).items():
        if command.hidden:
            continue
        shown = [one for one in command.params if not getattr(one, "hidden", False)]
        words = " ".join(_argument(one) for one in shown if one.param_type_name == "argument")
        options = [one for one in shown if one.param_type_name == "option"]
        usage = " ".join(filter(None, ["syft-flwr", name, words, "[OPTIONS]" if options else ""]))
        lines += ["", f"## {name}", "", "```text", usage, "```", ""]
        lines += [_prose(command.help), ""] if command.help else []
        if command.epilog:
            lines += [_prose(command.epilog), ""]
        if shown:
            lines += ["| argument or option | meaning |", "|---|---|"]
            lines += [f"| {_names(one)} | {_meaning(one)} |" for one in shown]
    return "\n".join(lines).rstrip() + "\n"


def _argument(parameter: Any) -> str:
    name = parameter.human_readable_name.upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_argument(parameter)}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    shown = str(parameter.metavar or parameter.type.name.upper()).replace("|", "\\|")
    value = "" if parameter.is_flag else f" `{shown}`"
    return names + value


def _meaning(parameter: Any) -> str:
    text = _cell(getattr(parameter, "help", None) or "")
    shown = parameter.show_default
    default = shown if isinstance(shown, str) else parameter.default if shown else None
    if parameter.required:
        return f"{text} Required.".strip()
    plain = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    return f"{text} Default: {_cell(str(default))}.".strip() if plain else text


def _prose(text: str) -> str:
    """A help text for Markdown: what looks like markup stays as it is typed."""
    return re.sub(r"([<>_*|])", r"\\\1", inspect.cleandoc(text))


def _cell(text: str) -> str:
    return _prose(" ".join(text.split()))


def environment_page() -> str:
    """docs/reference/environment.md."""
    lines = [
        "# Environment variables",
        "",
        MADE,
        "",
        "A variable that is set to nothing counts as not set. A flag comes before",
    ]
    lines += [
        "the variable, the variable before `settings.toml`. `syft-flwr help environment` prints the first table.",
        "",
    ]
    lines += ["| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(meaning)} |" for name, meaning in VARIABLES.items()]
    lines += [
        "",
        "Those that only a transport reads:",
        "",
        "| transport | variable | flag | key in settings.toml |",
        "|---|---|---|---|",
    ]
    for name, spec in sorted(all_specs().items()):
        lines += [
            f"| {name} | `{one.variable}` | {f'`{one.flag}`' if one.flag else ''} | `{one.key}` |"
            for one in spec.options
        ]
    return "\n".join(lines) + "\n"


PROJECT_KEYS = {
    "app_name": "the name of the app, which no two projects share; `bootstrap` makes it",
    "aggregator": "the e-mail of who runs the ServerApp",
    "datasites": "the e-mails of the data owners",
    "transport": "the transport of all participants, unless one says otherwise",
    "timeout": "how long an answer may take, such as `30m` or a number of seconds",
    "enough": "how many answers a round needs, a number or a share such as `80%`; fewer end the run",
    "grace": "how long the others are waited for once enough have answered; without it, all are waited for",
    "retention": "how long what is over is kept (default: 7 days)",
    "fingerprints": "a table: e-mail to the fingerprint (64 hexadecimal digits) that is expected of it; any other key is refused",
}
"""What stands under [tool.syft_flwr]; the fields of `Project` with these names hold it."""

SETTINGS_KEYS = {
    "email": "who you are",
    "root": "the shared folder of the local transport",
    "data": "the data that the app gets as `DATA_DIR`",
    "data_use": "remembered by the commands: what kind of data was named",
    "syftbox_config": "SyftBox's config.json",
    "transport": "the transport",
}
"""What the commands remember in settings.toml."""

HAND_KEYS = {
    "timeout, enough, grace, retention": "as in the project, before it",
    "default_timeout": "how long an answer may take where nothing else says it",
    "poll_interval": "seconds between two looks at the store (default: 3)",
    "encryption": "false signs messages without sealing them, for debugging (default: true)",
}
"""What a person may add there."""


def configuration_page() -> str:
    """docs/reference/configuration.md; the test says when a key here is none of the code."""
    lines = ["# Configuration", "", MADE, "", "## The project: `[tool.syft_flwr]` in pyproject.toml", ""]
    lines += [
        "Written by `syft-flwr init` and `syft-flwr bootstrap`. Nothing that differs between machines stands here.",
        "",
    ]
    lines += [
        "| key | meaning |",
        "|---|---|",
        *(f"| `{key}` | {text} |" for key, text in PROJECT_KEYS.items()),
    ]
    lines += [
        "",
        "The table `[tool.syft_flwr.dataset]` asks for a data set: [first-federation.md](../first-federation.md#data-sets).",
    ]
    lines += [
        "",
        "## This machine: settings.toml in `SYFT_FLWR_HOME`",
        "",
        "Looked up from the narrowest table to the widest:",
    ]
    lines += ['`[apps."APP"."EMAIL"]`, `[apps."APP"]`, `[default]`. The commands remember these there:', ""]
    lines += [
        "| key | meaning |",
        "|---|---|",
        *(f"| `{key}` | {text} |" for key, text in SETTINGS_KEYS.items()),
    ]
    lines += ["", "You can add these by hand:", "", "| key | meaning |", "|---|---|"]
    lines += [
        f"| {', '.join(f'`{one}`' for one in key.split(', '))} | {text} |" for key, text in HAND_KEYS.items()
    ]
    lines += [
        "",
        "Options of a transport stand there too, by the key that [environment.md](environment.md) gives.",
    ]
    lines += ["", "## A data owner's rules: `[tool.syft_flwr.policy]`", ""]
    lines += [
        "In `settings.toml` for everybody on the machine, in `participants/EMAIL/policy.toml` for one participant; never in a"
    ]
    lines += [
        "project. A key that is not understood is an error. With examples: [consent-and-audit.md](../consent-and-audit.md)",
        "and [cage.md](../cage.md).",
        "",
    ]
    lines += ["| key | meaning |", "|---|---|", *(f"| `{key}` | {text} |" for key, text in _policy().items())]
    return "\n".join(lines) + "\n"


def _policy() -> dict[str, str]:
    """The keys of a policy and their meaning, out of the documentation of the class."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.getdoc(Policy).split("----------", 1)[1].strip().splitlines():
        if not line.startswith(" "):
            names = [name.strip() for name in line.split(" : ")[0].split(",")]
            continue
        for name in names:
            found[name] = f"{found.get(name, '')} {line.strip()}".strip().replace("``", "`")
    return found


def unknown_keys() -> set[str]:
    """Keys of these pages that the code does not have, and keys of the code that the pages do not have."""
    wrong = set(SETTINGS_KEYS) ^ set(REMEMBERED)
    wrong |= set(PROJECT_KEYS) - set(Project.__dataclass_fields__)
    return wrong | (set(_policy()) ^ set(Policy.__dataclass_fields__))


def main(check: bool) -> int:
    """Write the pages, or with ``check`` only name those that differ."""
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        print(("not current: " if check else "wrote ") + str(path))
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(pages()[path])
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
