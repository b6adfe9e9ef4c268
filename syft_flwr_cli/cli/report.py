"""``syft-flwr report``: one self-contained page of a run, or its rounds as CSV or JSON."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli import completing
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
            str | None,
            typer.Argument(
                help="The run's id, or its beginning.",
                show_default="the newest",
                autocompletion=completing.runs,
            ),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(
                "-o", "--output", help="Where to write it.", metavar="FILE", show_default="beside the results"
            ),
        ] = None,
        csv: Annotated[bool, typer.Option("--csv", help="The metrics of all rounds as CSV instead.")] = False,
        png: Annotated[
            bool, typer.Option("--png", help="A picture of the page instead (needs Chromium).")
        ] = False,
        mlflow: Annotated[
            str | None,
            typer.Option(
                "--mlflow", help="Send the run to this MLflow instead.", metavar="URI", show_default=False
            ),
        ] = None,
        email: Email = None,
        as_json: Json = False,
    ) -> None:
        """Write the report of a run: curves, who answered when, who approved what, and what it was made from."""
        from syft_flwr_cli.services.page_picture import take_picture
        from syft_flwr_cli.services.run_report import find_reported_run, report_of
        from syft_flwr_cli.storage.paths import app_dir, home, make_private_dir

        if sum((csv, png, mlflow is not None, as_json and mlflow is None)) > 1:
            raise UsageError(
                "--csv, --png, --json and --mlflow exclude each other.", hint="Leave out all but one."
            )
        here = home()
        found = find_reported_run(here, run, email)
        made = report_of(here, found)
        place = make_private_dir(app_dir(here, found.email, found.app) / "results" / found.run.run)
        if mlflow is not None:
            _send(made, place, mlflow, as_json=as_json)
            return
        if as_json:
            output.emit_json(_facts(made))
            return
        target = out or place / ("metrics.csv" if csv else "report.png" if png else "report.html")
        try:
            if csv:
                target.write_text(_csv(made), encoding="utf-8")
            else:
                from syft_flwr_cli.ui.report.page import render

                if png:
                    take_picture(render(made), target)
                else:
                    target.write_text(render(made), encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{target} cannot be written: {error.strerror}.", hint="Name another file with -o FILE."
            ) from error
        output.out().print(str(target), markup=False, soft_wrap=True)


def _send(made: "RunReport", results: Path, uri: str, *, as_json: bool) -> None:
    from syft_flwr_cli.services.mlflow_export import export_to_mlflow

    run, new = export_to_mlflow(made, results, uri)
    if as_json:
        output.emit_json({"run_id": made.run, "mlflow_run_id": run, "new": new})
        return
    said = "is there as" if new else "was there already, as"
    output.out().print(f"Run {made.run} {said} {run} in the experiment {made.project}.", markup=False)


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
