"""The options that say what is kept of a run, for the commands that run one."""

from typing import Annotated

import typer

from syft_flwr_cli.errors import UsageError

__all__ = ["KeepBest", "SaveModel", "TensorBoard", "check_results_options", "words_for"]

SaveModel = Annotated[
    bool,
    typer.Option("--save-model", help="Keep the model that the strategy returns, as model.safetensors."),
]
KeepBest = Annotated[
    str | None,
    typer.Option(
        "--keep-best",
        help="Keep the best model by a metric, as best.safetensors; lower is better for a loss, or with :min.",
        metavar="METRIC[:min|:max]",
        show_default=False,
    ),
]
TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard", help="Write the metrics as event files of TensorBoard (needs tensorboardX)."
    ),
]


def check_results_options(keep_best: str | None, *, tensorboard: bool) -> None:
    """Refuse what could not be kept at the end, before anything is run; `UsageError`."""
    from importlib.util import find_spec

    if keep_best is not None:
        from syft_flwr_cli.flower.model_keeper import parse_keep_best

        if parse_keep_best(keep_best) is None:
            raise UsageError(
                f"--keep-best {keep_best[:40]!r} names no metric.",
                hint="Write it as accuracy, loss or score:min.",
            )
    if tensorboard and find_spec("tensorboardX") is None:
        raise UsageError(
            "--tensorboard needs tensorboardX, which is not installed.",
            hint="Install it: pip install 'syft-flwr-cli[tensorboard]'",
        )


def words_for(*, save_model: bool, keep_best: str | None) -> list[str]:
    """The same options as words for another command."""
    return [*(["--save-model"] if save_model else []), *(["--keep-best", keep_best] if keep_best else [])]
