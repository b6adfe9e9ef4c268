"""The options that several commands share, said once."""

from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli import completing

__all__ = [
    "AllowEnv",
    "AllowNet",
    "AllowPath",
    "CreateRoot",
    "Datasites",
    "Email",
    "Gpu",
    "Json",
    "LogFile",
    "MetricsFile",
    "ProjectPath",
    "Quiet",
    "Root",
    "RunConfig",
    "Sandbox",
    "SyftboxConfig",
    "TransportName",
    "Until",
    "Wheels",
]

ProjectPath = Annotated[
    Path,
    typer.Argument(
        help="The project's folder.", show_default="this folder", autocompletion=completing.projects
    ),
]
Email = Annotated[
    str | None,
    typer.Option(
        "--email",
        help="Who you are (also SYFTBOX_EMAIL).",
        metavar="E",
        show_default=False,
        autocompletion=completing.participants,
    ),
]
Datasites = Annotated[
    str | None,
    typer.Option("--datasites", help="The data owners, by e-mail.", metavar="E,E", show_default=False),
]
TransportName = Annotated[
    str | None,
    typer.Option(
        "--transport",
        help="local, syftbox, gdrive or object-store.",
        metavar="T",
        show_default=False,
        autocompletion=completing.transports,
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root", help="The shared folder of the local transport.", metavar="DIR", show_default=False
    ),
]
CreateRoot = Annotated[bool, typer.Option("--create-root", help="Make the shared folder if it is not there.")]
SyftboxConfig = Annotated[
    Path | None,
    typer.Option(
        "--syftbox-config",
        help="SyftBox's config.json (also SYFTBOX_CLIENT_CONFIG_PATH).",
        metavar="FILE",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; all else on stderr.")]
Sandbox = Annotated[
    str,
    typer.Option(
        "--sandbox",
        help="What the app runs in: auto (the strongest that works), bwrap, landlock, macos or none.",
        metavar="KIND",
        envvar="SYFT_FLWR_SANDBOX",
        show_envvar=False,
    ),
]
Gpu = Annotated[bool, typer.Option("--gpu", help="Let the app use this machine's GPUs.")]
AllowNet = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-net",
        help="With --approve: let the app connect there; may be repeated.",
        metavar="HOST:PORT",
        show_default=False,
    ),
]
AllowEnv = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-env",
        help="With --approve: let the app see this variable.",
        metavar="NAME",
        show_default=False,
    ),
]
AllowPath = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-path",
        help="With --approve: let the app read and execute what lies there.",
        metavar="PATH",
        show_default=False,
    ),
]

Wheels = Annotated[
    Path | None,
    typer.Option(
        "--wheels",
        help="A folder with wheels of the locked packages, where there is no index.",
        metavar="DIR",
        show_default=False,
    ),
]

Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        help="When the approval ends: a day such as 2026-12-31 (to its end, UTC), or a span such as 30d.",
        metavar="WHEN",
        show_default="never",
    ),
]

RunConfig = Annotated[
    list[str] | None,
    typer.Option(
        "--run-config",
        help="Overrides, as \"k=v k2='s'\" (may be repeated), or one TOML file.",
        metavar="K=V|FILE",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what needs attention; no live view.")]
LogFile = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        help="Append everything that happens to this file, too.",
        metavar="FILE",
        show_default=False,
    ),
]
MetricsFile = Annotated[
    Path | None,
    typer.Option(
        "--metrics-file",
        help="Keep a text file for Prometheus current: last seen, queue, failures, space.",
        metavar="FILE",
        show_default=False,
    ),
]
