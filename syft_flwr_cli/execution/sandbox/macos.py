"""A profile for macOS's ``sandbox-exec``: files, network, signals and programs. Written, not tested there.

Limits are those of single processes; there is no watch over the whole tree.
"""

from collections.abc import Iterable, Sequence

from syft_flwr_cli.execution.sandbox.spec import SandboxSpec

__all__ = ["arguments", "profile"]

_SYSTEM = ("/usr/lib", "/System/Library", "/Library/Frameworks", "/private/var/db/timezone", "/dev")


def arguments(spec: SandboxSpec, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` with what ``spec`` allows."""
    return ["/usr/bin/sandbox-exec", "-p", profile(spec), *command]


def profile(spec: SandboxSpec) -> str:
    """The rules, in the language of sandbox-exec; the last rule that fits decides."""
    results = (spec.results,) if spec.results is not None else ()
    programs = (*spec.programs, *spec.grants.paths)
    lines = ["(version 1)", "(deny default)", "(allow process-fork)", "(allow signal (target same-sandbox))"]
    lines += ["(allow sysctl-read)", '(allow mach-lookup (global-name "com.apple.system.logger"))']
    lines += ['(allow file-read-metadata (literal "/"))', "(allow ipc-posix-sem)"]
    lines += _rules("file-read*", (*_SYSTEM, *programs, *spec.readable))
    lines += _rules("process-exec", programs)
    lines += _rules("file-read* file-write*", (spec.scratch, *spec.writable, *results))
    lines += _rules("file-write-data", ("/dev/null", "/dev/zero"))
    if spec.network == "open":
        lines.append("(allow network*)")
    elif spec.network == "granted":
        lines += [f'(allow network-outbound (remote tcp "*:{grant.port}"))' for grant in spec.grants.network]
    return "\n".join(lines) + "\n"


def _rules(what: str, paths: Iterable[str]) -> list[str]:
    return [f"(allow {what} (subpath {_quoted(path)}))" for path in paths]


def _quoted(path: str) -> str:
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
