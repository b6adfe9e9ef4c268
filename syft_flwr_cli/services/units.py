"""Unit files: how the machine starts a node by itself, as text for systemd, launchd, cron, Slurm, or SyftBox."""

import shlex
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from syft_flwr_cli.errors import UsageError

__all__ = ["KINDS", "make_unit"]


def make_unit(kind: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """The file of ``kind`` that runs ``command``, a node without ``--once``.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    command : sequence of str
        The program, with an absolute path, and its arguments.
    environment : mapping
        What the command needs of the environment.

    Raises
    ------
    UsageError
        If there is no such kind.
    """
    make = KINDS.get(kind)
    if make is None:
        raise UsageError(f"There is no unit of kind {kind[:40]!r}.", hint=f"Kinds: {', '.join(KINDS)}.")
    return make(command, environment)


def _systemd(command: Sequence[str], environment: Mapping[str, str]) -> str:
    # systemd expands % and $ and reads quotes much like a shell.
    def quoted(text: str) -> str:
        plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
        return f'"{plain}"'

    variables = "".join(f"Environment={quoted(f'{key}={value}')}\n" for key, value in environment.items())
    return (
        "# ~/.config/systemd/user/syft-flwr-node.service\n"
        "# then: systemctl --user enable --now syft-flwr-node; loginctl enable-linger\n"
        "[Unit]\nDescription=syft-flwr node\nAfter=network-online.target\n\n"
        f"[Service]\n{variables}ExecStart={' '.join(map(quoted, command))}\n"
        "Restart=on-failure\nRestartSec=60\nRestartPreventExitStatus=2 12 20\nKillSignal=SIGTERM\n\n"
        "[Install]\nWantedBy=default.target\n"
    )


def _launchd(command: Sequence[str], environment: Mapping[str, str]) -> str:
    words = "".join(f"    <string>{escape(word)}</string>\n" for word in command)
    variables = "".join(
        f"    <key>{escape(key)}</key><string>{escape(value)}</string>\n"
        for key, value in environment.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
        "<!-- ~/Library/LaunchAgents/org.syft-flwr.node.plist, "
        "then: launchctl load ~/Library/LaunchAgents/org.syft-flwr.node.plist -->\n"
        '<plist version="1.0"><dict>\n'
        "  <key>Label</key><string>org.syft-flwr.node</string>\n"
        f"  <key>ProgramArguments</key><array>\n{words}  </array>\n"
        f"  <key>EnvironmentVariables</key><dict>\n{variables}  </dict>\n"
        "  <key>RunAtLoad</key><true/>\n  <key>KeepAlive</key><true/>\n</dict></plist>\n"
    )


def _cron(command: Sequence[str], environment: Mapping[str, str]) -> str:
    # cron takes an unescaped % for the end of the line, whatever the quotes; a lock would be one too many: --once
    # finds the app busy if the one before still works.
    line = shlex.join([*(f"{key}={value}" for key, value in environment.items()), *command, "--once"])
    return f"# crontab -e, then this line: every 10 minutes\n*/10 * * * * env {line.replace('%', chr(92) + '%')}\n"


def _sbatch(command: Sequence[str], environment: Mapping[str, str]) -> str:
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items())
    return (
        "#!/bin/bash\n# sbatch node.sbatch: works off what is there, and goes into the queue again\n"
        "#SBATCH --job-name=syft-flwr-node\n#SBATCH --cpus-per-task=2\n#SBATCH --mem=8G\n#SBATCH --time=04:00:00\n"
        f"{exports}{shlex.join([*command, '--once'])}\n"
        'code=$?\ncase "$code" in\n  0|19) sbatch --begin=now+10minutes "$0" ;;\n  *) exit "$code" ;;\nesac\n'
    )


def _syftbox(command: Sequence[str], environment: Mapping[str, str]) -> str:
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items())
    return (
        "#!/bin/sh\n# Save as run.sh in a folder of SyftBox's apps; the daemon starts it.\n"
        f"{exports}exec {shlex.join(command)}\n"
    )


KINDS = {
    "systemd": _systemd,
    "launchd": _launchd,
    "cron": _cron,
    "sbatch": _sbatch,
    "syftbox": _syftbox,
}
"""What can start a node, by name."""
