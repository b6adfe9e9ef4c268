"""``syft-flwr report``: one self-contained page of a run, or its rounds as CSV or JSON."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.services.report_values import RunReport

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr report -o report.html   ·   syft-flwr report 4611 --csv -o rounds.csv"
    )
    def report(
        run: Annotated[
            str | None, typer.Argument(help="The run's id, or its beginning.", show_default="the newest")
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(
                "-o", "--output", help="Where to write it.", metavar="FILE", show_default="beside the results"
            ),
        ] = None,
        csv: Annotated[bool, typer.Option("--csv", help="The metrics of all rounds as CSV instead.")] = False,
        email: Email = None,
        as_json: Json = False,
    ) -> None:
        """Write the report of a run: curves, who answered when, who approved what, and what it was made from."""
        from syft_flwr_cli.services.run_report import find_reported_run, report_of
        from syft_flwr_cli.storage.paths import app_dir, home, make_private_dir

        here = home()
        found = find_reported_run(here, run, email)
        made = report_of(here, found)
        if as_json:
            output.emit_json(_facts(made))
            return
        place = make_private_dir(app_dir(here, found.email, found.app) / "results" / found.run.run)
        target = out or place / ("metrics.csv" if csv else "report.html")
        if csv:
            text = _csv(made)
        else:
            from syft_flwr_cli.ui.report.page import render

            text = render(made)
        try:
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{target} cannot be written: {error.strerror}.", hint="Name another file with -o FILE."
            ) from error
        output.out().print(str(target), markup=False, soft_wrap=True)


def _facts(report: "RunReport") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(report)


def _csv(report: "RunReport") -> str:
    """A row for each metric of each owner in each phase; text that a spreadsheet would take for a formula is quoted."""
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["round", "phase", "data owner", "metric", "value"])
    for one in report.rounds:
        for phase in one.phases:
            for owner, metrics in (("", phase.overall), *phase.owners.items()):
                for name, value in metrics.items():
                    writer.writerow([one.number, phase.name, owner, _harmless(name), _harmless(value)])
    return stream.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value
