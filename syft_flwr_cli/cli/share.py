"""``syft-flwr share``: offer a project to its data owners."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json, ProjectPath, Root, SyftboxConfig, TransportName, Wheels

if TYPE_CHECKING:
    from syft_flwr_cli.project.settings import Settings
    from syft_flwr_cli.services.offers import Shared

__all__ = ["register"]

_SHOWN = 5
"""Data owners whose command is written out."""


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog='Example: syft-flwr share study --to do1@a.example --message "five rounds, please"')
    def share(
        project: ProjectPath = Path(),
        to: Annotated[
            str | None,
            typer.Option("--to", help="Whom to ask.", metavar="E,E", show_default="all data owners"),
        ] = None,
        message: Annotated[
            str, typer.Option("--message", "-m", help="What they read with it.", metavar="TEXT")
        ] = "",
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Show which files would be offered; send nothing.")
        ] = False,
        lock: Annotated[
            bool,
            typer.Option(
                "--lock", help="First write requirements.lock: the dependencies, exact and with hashes."
            ),
        ] = False,
        wheels: Wheels = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Offer the project, as its files are now, to the data owners, who decide whether it runs.

        Nobody copies a folder: the files travel sealed through the shared store. After a change, share again: the
        data owners see the difference. run-server sends what still waits for a data owner's key.
        """
        from syft_flwr_cli.catalogue.records import APP
        from syft_flwr_cli.project.config import load_project, require_federated, split_emails
        from syft_flwr_cli.project.settings import remember, resolve
        from syft_flwr_cli.services import locking, offers
        from syft_flwr_cli.services.federation import open_federation
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui import output
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter

        found = require_federated(load_project(project))
        packages = locking.lock_project(found, wheels) if lock else None
        if packages is not None:
            output.note(
                f"Locked {len(packages)} packages that syft-flwr does not bring: {', '.join(packages) or 'none'}."
            )
        elif missing := locking.unlocked(found):
            output.note(
                f"{found.name} needs {', '.join(missing)}, which syft-flwr does not bring, and has no "
                "requirements.lock: data owners have to provide it themselves (--python). To have it installed "
                "there, share with --lock.",
                style="yellow",
            )
        if dry_run:
            _show_files(found, as_json)
            return
        here = home()
        settings = resolve(
            found,
            home=here,
            role="aggregator",
            email=email or found.aggregator,
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
        )
        federation = open_federation(settings, here, emit=ConsoleReporter(), fingerprints=found.fingerprints)
        try:
            for app_name in (settings.app_name, APP):
                remember(here, app_name, email=settings.email, root=root)
            remember(here, APP, email=settings.email, transport=settings.transport)
            shared = offers.share(federation, found, split_emails(to) if to else None, message)
        finally:
            federation.close()
        if as_json:
            output.emit_json(_facts(shared))
        else:
            _show(shared, project, settings)


def _facts(shared: "Shared") -> dict[str, Any]:
    from syft_flwr_cli.ui.offers import standing_facts

    return {
        **standing_facts(shared.standing),
        "new": shared.new,
        "files": [entry.path for entry in shared.manifest.entries],
        "bytes": sum(entry.size for entry in shared.manifest.entries),
        "sent": list(shared.sent),
        "waiting": list(shared.waiting),
    }


def _show(shared: "Shared", project: Path, settings: "Settings") -> None:
    import shlex

    from syft_flwr_cli.ui import output
    from syft_flwr_cli.ui.offers import show_standing

    offer, entries = shared.offer, shared.manifest.entries
    how = "Shared" if shared.new else "Already shared, unchanged:"
    size = sum(entry.size for entry in entries)
    say = output.out().print
    say(
        f"{how} {offer.project}, version {offer.revision} ({len(entries)} files, {size:,} bytes; "
        f"digest {offer.digest[:16]}).",
        markup=False,
    )
    show_standing(shared.standing)
    where = "" if str(project) == "." else f" {shlex.quote(str(project))}"
    if shared.waiting:
        say(
            f"No key of {', '.join(shared.waiting)} is published yet; the offer goes out by itself when there is one, "
            "as soon as run-server runs.",
            markup=False,
        )
    say("", markup=False)
    undecided = shared.standing.undecided
    if undecided:
        place = f" --root {shlex.quote(str(settings.root))}" if settings.root is not None else ""
        say("Each data owner types (with the shared folder as their machine has it):", markup=False)
        for owner in undecided[:_SHOWN]:
            say(f"  syft-flwr join {settings.email} --email {owner}{place}", markup=False)
        if len(undecided) > _SHOWN:
            say(f"  … and {len(undecided) - _SHOWN} more, in the same way", markup=False)
    say(f"next: syft-flwr run-server{where}", markup=False)


def _show_files(project: Any, as_json: bool) -> None:
    from syft_flwr_cli.consent.manifest import make_manifest
    from syft_flwr_cli.consent.source_tree import LEFT_OUT, LEFT_OUT_AT_TOP, LEFT_OUT_ENDINGS, excluded_paths
    from syft_flwr_cli.protocol.printable import visible
    from syft_flwr_cli.ui import output

    manifest = make_manifest(project.path)
    excluded = sorted(excluded_paths(project.path))
    rules = [*sorted(LEFT_OUT), *(f"{name} (at the top)" for name in sorted(LEFT_OUT_AT_TOP))]
    rules += [f"*{ending}" for ending in LEFT_OUT_ENDINGS]
    if as_json:
        files = [
            {"path": entry.path, "mode": entry.mode, "size": entry.size, "sha256": entry.sha256}
            for entry in manifest.entries
        ]
        output.emit_json(
            {"digest": manifest.digest, "files": files, "excluded": excluded, "always_left_out": rules}
        )
        return
    say = output.out().print
    for entry in manifest.entries:
        say(f"{entry.size:>12,}  {visible(entry.path)}", markup=False)
    say(f"digest: {manifest.digest}", markup=False)
    say(f"left out by [tool.syft_flwr] exclude: {', '.join(excluded) or 'nothing'}", markup=False)
    say(f"left out always: {', '.join(rules)}", markup=False)
    output.note("Nothing was sent.")
