"""Which places of an app's code somebody should look at before approving it.

Reads the Python files of a manifest without running them and lists where they ask for the data set, open
files, reach for the network, start programs, run code that is not in the files, or look into the
environment; and the files that cannot be read this way. It finds what is written plainly, and promises no
more: code that wants to hide something can. It is a reading aid, not a check.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from syft_flwr_cli.consent.manifest import Manifest

__all__ = ["KINDS", "Finding", "Kind", "source_lines", "survey"]

Kind = Literal["data", "files", "network", "programs", "code", "environment", "opaque"]

KINDS: dict[Kind, str] = {
    "data": "asks for the data set",
    "files": "opens, writes or removes files",
    "network": "reaches for the network",
    "programs": "starts programs",
    "code": "runs code that is not in the files",
    "environment": "looks into the environment",
    "opaque": "cannot be read as Python source",
}
"""What a finding means, in the order in which they are shown."""

MAX_SOURCE = 4 * 1024 * 1024
MAX_EXCERPT = 100
_HEAD = 64 * 1024

_IMPORTS: dict[str, Kind] = {
    **dict.fromkeys(("socket", "ssl", "socketserver", "asyncio", "http", "urllib", "xmlrpc"), "network"),
    **dict.fromkeys(("ftplib", "smtplib", "poplib", "imaplib", "telnetlib", "paramiko"), "network"),
    **dict.fromkeys(("urllib3", "requests", "httpx", "aiohttp", "websockets", "grpc"), "network"),
    **dict.fromkeys(("boto3", "wandb", "mlflow", "huggingface_hub"), "network"),
    **dict.fromkeys(("subprocess", "pty", "multiprocessing", "concurrent"), "programs"),
    **dict.fromkeys(("importlib", "runpy", "code", "codeop", "ctypes", "cffi"), "code"),
    **dict.fromkeys(("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"), "code"),
}
_CALLS: dict[str, Kind] = {
    **dict.fromkeys(("get_data_dir", "load_syftbox_dataset"), "data"),
    **dict.fromkeys(("open", "fdopen", "memmap", "fromfile", "tofile", "loadtxt", "savetxt"), "files"),
    **dict.fromkeys(("read_text", "read_bytes", "write_text", "write_bytes", "unlink", "rmtree"), "files"),
    **dict.fromkeys(("iterdir", "glob", "rglob", "listdir", "scandir", "walk", "symlink_to"), "files"),
    **dict.fromkeys(("read_csv", "read_parquet", "read_excel", "to_csv", "to_parquet"), "files"),
    **dict.fromkeys(("system", "popen", "Popen", "execv", "execve", "spawnv", "fork"), "programs"),
    **dict.fromkeys(("eval", "exec", "compile", "__import__", "import_module"), "code"),
    **dict.fromkeys(("getenv", "putenv"), "environment"),
}
_METHODS_THAT_ARE_HARMLESS = frozenset({"eval", "compile", "exec"})  # model.eval(), re.compile()
_OPAQUE = (".so", ".pyd", ".dll", ".dylib", ".exe", ".whl", ".egg", ".zip", ".tar", ".gz", ".pkl", ".pickle")


@dataclass(frozen=True, slots=True)
class Finding:
    """A place to look at: ``line`` from 1 (0: the file as a whole), ``text`` what stands there."""

    kind: Kind
    path: str
    line: int
    text: str


def survey(manifest: Manifest, root: Path) -> list[Finding]:
    """The places worth a look in the files of ``manifest`` below ``root``, by kind, file and line."""
    found: set[Finding] = set()
    for entry in manifest.entries:
        if entry.path.endswith((".py", ".pyw", ".pth")):
            found.update(_in_file(entry.path, root / entry.path, entry.size))
        elif entry.path.lower().endswith(_OPAQUE) or _is_binary(root / entry.path):
            found.add(Finding("opaque", entry.path, 0, f"{entry.size} bytes"))
    order = list(KINDS)
    return sorted(found, key=lambda finding: (order.index(finding.kind), finding.path, finding.line))


def _is_binary(place: Path) -> bool:
    """Whether a file begins as no text does, whatever it is called: a library, a pickle, weights."""
    try:
        with place.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return True
    # A character may be cut at the end.
    return b"\0" in head or "\ufffd" in head.decode("utf-8", "replace")[:-3]


def _in_file(path: str, place: Path, size: int) -> Iterator[Finding]:
    try:
        if size > MAX_SOURCE:
            raise ValueError(f"{size} bytes")
        source = place.read_bytes().decode("utf-8")
        tree = ast.parse(source)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        yield Finding("opaque", path, 0, str(error)[:MAX_EXCERPT])
        return
    lines = source_lines(source)
    for node in ast.walk(tree):
        for kind in _kinds(node):
            line = getattr(node, "lineno", 0)
            text = lines[line - 1] if 0 < line <= len(lines) else ""
            yield Finding(kind, path, line, _excerpt(text, getattr(node, "col_offset", 0)))


def source_lines(source: str) -> list[str]:
    """The lines of a source as Python counts them: a carriage return ends one, too."""
    return re.split("\r\n|\r|\n", source)


def _excerpt(line: str, column: int) -> str:
    """A line in which something stands at ``column`` (in bytes of UTF-8), so that this is in what is shown."""
    before = line.encode()[:column].decode(errors="replace")
    text, rest = before.lstrip(), line[len(before) :].rstrip()
    if len(text) > MAX_EXCERPT // 2:
        text = "… " + " ".join(text.split())[-MAX_EXCERPT // 4 :]
    return f"{text}{rest}"[:MAX_EXCERPT]


def _kinds(node: ast.AST) -> Iterator[Kind]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""] if node.level == 0 else []
    else:
        names = []
    for name in names:
        if kind := _IMPORTS.get(name.partition(".")[0]):
            yield kind
    if isinstance(node, ast.Call):
        yield from _call(node.func)
    if isinstance(node, ast.Attribute) and node.attr == "environ":
        yield "environment"
    if isinstance(node, ast.Constant) and node.value == "DATA_DIR":
        yield "data"


def _call(function: ast.expr) -> Iterator[Kind]:
    if isinstance(function, ast.Name) and (kind := _CALLS.get(function.id)):
        yield kind
    if (
        isinstance(function, ast.Attribute)
        and function.attr not in _METHODS_THAT_ARE_HARMLESS
        and (kind := _CALLS.get(function.attr))
    ):
        yield kind
