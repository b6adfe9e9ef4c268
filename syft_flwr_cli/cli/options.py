"""The options that several commands share, said once."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Datasites", "Email", "Json", "ProjectPath", "Root", "SyftboxConfig", "TransportName"]

ProjectPath = Annotated[Path, typer.Argument(help="The project's folder.", show_default="this folder")]
Email = Annotated[
    str | None,
    typer.Option("--email", help="Who you are (also SYFTBOX_EMAIL).", metavar="E", show_default=False),
]
Datasites = Annotated[
    str | None,
    typer.Option("--datasites", help="The data owners, by e-mail.", metavar="E,E", show_default=False),
]
TransportName = Annotated[
    str | None,
    typer.Option("--transport", help="local, syftbox or gdrive.", metavar="T", show_default=False),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root", help="The shared folder of the local transport.", metavar="DIR", show_default=False
    ),
]
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
