"""``syft-flwr run-server``: run the project's ServerApp, or take up its unfinished run."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from syft_flwr_cli.cli.options import Datasites, Email, Json, ProjectPath, Root, SyftboxConfig, TransportName
from syft_flwr_cli.errors import (
    EXIT_INTERRUPTED,
    EXIT_MISSING_OWNERS,
    EXIT_OK,
    EXIT_UNEXPECTED,
    SyftFlwrError,
)
from syft_flwr_cli.home import home
from syft_flwr_cli.project.config import load_project, require_federated, split_emails
from syft_flwr_cli.project.settings import remember, resolve
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.narrate import Narrator

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        "run-server",
        epilog="Examples: syft-flwr run-server --root /shared --email ds@lab.example   ·   "
        'syft-flwr run-server study --run-config "num-server-rounds=5" --timeout 24h',
    )
    def run_server(
        project: ProjectPath = Path(),
        datasites: Datasites = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        run_config: Annotated[
            str | None, typer.Option(help="Overrides, as \"k=v k2='s'\".", metavar="K=V", show_default=False)
        ] = None,
        timeout: Annotated[
            str | None,
            typer.Option(
                help="How long an answer may take: 90s, 15m, 24h.", metavar="TIME", show_default=False
            ),
        ] = None,
        min_replies: Annotated[
            int | None, typer.Option(help="Fewer answers than this end the run.", show_default="1")
        ] = None,
        fresh: Annotated[
            bool, typer.Option("--fresh", help="Withdraw an unfinished run; begin anew.")
        ] = False,
        accept_divergence: Annotated[
            bool,
            typer.Option(
                "--accept-divergence", help="Go on live where the ServerApp does not repeat itself."
            ),
        ] = False,
        require_verified: Annotated[
            bool, typer.Option("--require-verified", help="Refuse peers whose key was never compared.")
        ] = False,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say every message.")] = False,
        as_json: Json = False,
    ) -> int:
        """Run the project's ServerApp; take up its unfinished run if there is one."""
        found = load_project(project)
        here = home()
        settings = resolve(
            found,
            environ=os.environ,
            home=here,
            role="aggregator",
            email=email,
            datasites=split_emails(datasites) if datasites else None,
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
            timeout=timeout,
            min_replies=min_replies,
        )
        if found.app_name is None:
            require_federated(found)
        from syft_flwr_cli.fl_orchestrator import flower_server, session
        from syft_flwr_cli.project import flower

        override = flower.parse_run_config(run_config)
        config = flower.fused_run_config(found.path, override)
        opened = session.open_session(
            settings,
            here,
            tell=Narrator(verbose),
            fingerprints=found.fingerprints,
            require_verified=require_verified,
        )
        try:
            remember(here, settings.app_name, email=settings.email, root=root)
            options = flower_server.RunOptions(
                run_config=override,
                fresh=fresh,
                accept_divergence=accept_divergence,
                code=_code(found.path),
                dependencies=_dependencies(found.raw),
            )
            result = flower_server.run_server_app(
                opened,
                lambda: flower.load_server_app(found.serverapp, found.path),
                flower.make_context(0, flower.SERVER_NODE_ID, config),
                options,
            )
        except KeyboardInterrupt:
            return _paused(opened, project)
        finally:
            opened.close()
        return _report(result, opened, as_json)


def _code(path: Path) -> str:
    from syft_flwr_cli.project.digest import make_manifest

    return make_manifest(path).digest


def _dependencies(raw: Any) -> list[str]:
    return [str(line) for line in raw.get("project", {}).get("dependencies", [])]


def _paused(opened: Any, project: Path) -> int:
    words = f"{project} " if str(project) != "." else ""
    output.note("Paused; the data owners stay.", style="bold")
    output.note(
        f"Go on: syft-flwr run-server {words}".rstrip() + f" · End it: syft-flwr stop {words}".rstrip()
    )
    return EXIT_INTERRUPTED


def _report(result: Any, opened: Any, as_json: bool) -> int:
    settings, error = opened.settings, result.error
    code = EXIT_MISSING_OWNERS if result.missing else EXIT_OK
    if error is not None:
        code = error.exit_code if isinstance(error, SyftFlwrError) else EXIT_UNEXPECTED
    data = {
        "run_id": result.run,
        "app_name": settings.app_name,
        "transport": settings.transport,
        "root": str(settings.root) if settings.root else None,
        "datasites": list(settings.datasites),
        "missing": result.missing,
        "resumed": result.resumed,
        "seconds": round(result.seconds, 3),
        "rounds": result.rounds,
    }
    if not as_json:
        from syft_flwr_cli.ui.rounds import print_rounds

        print_rounds(result.rounds)
    if error is not None:
        if as_json:
            output.emit_json({**data, "error": _sentence(error), "exit_code": code}, status="error")
        raise_for(error, as_json)
    if as_json:
        output.emit_json(data, status="incomplete" if result.missing else "ok")
    if result.missing:
        output.note(f"Finished, but without {', '.join(result.missing)}.", style="bold yellow")
    else:
        output.note(f"Run {result.run} is complete ({result.seconds:.1f} s).", style="bold green")
    return code


def _sentence(error: BaseException) -> str:
    return error.what if isinstance(error, SyftFlwrError) else f"{type(error).__name__}: {error}"


def raise_for(error: BaseException, as_json: bool) -> None:
    """Leave with the error's exit code; what went wrong was said in JSON already if ``as_json``."""
    import sys
    import traceback

    if as_json:
        output.note(f"error: The ServerApp failed: {_sentence(error)}", style="bold red")
        if output.debugging():
            traceback.print_exception(error, file=sys.stderr)
        raise typer.Exit(error.exit_code if isinstance(error, SyftFlwrError) else EXIT_UNEXPECTED)
    if isinstance(error, SyftFlwrError):
        raise error
    raise SyftFlwrError(
        f"The ServerApp failed: {_sentence(error)}",
        hint="The data owners were told to stop. Correct the app and run it again; --debug shows where it failed.",
    ) from error
