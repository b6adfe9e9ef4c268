"""Keeps the model of any ServerApp: what its strategy returns, and the best one by a metric, as safetensors.

While `keeping` lasts, Flower's two entries into a strategy are watched: ``Strategy.start`` of the message API and
``Server.fit`` of the legacy one. What they aggregate is written into the folder of the results: ``model.safetensors``
when a strategy is through, ``best.safetensors`` (with ``best.json``) whenever the metric is better than before. Of an
app that runs several strategies the later ones are ``model-2`` and so on. It only watches: what cannot be written is
said on stderr, and the run goes on.
"""

import inspect
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final

from syft_flwr_cli.flower.safetensors_file import write_safetensors

__all__ = ["Wanted", "keeping", "parse_keep_best"]

_LOWER: Final = ("loss", "error", "perplexity", "mse", "mae", "rmse")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The metric by which the best model is chosen, and whether a higher value is better."""

    metric: str
    higher: bool


def parse_keep_best(text: str) -> Wanted | None:
    """``accuracy``, ``loss``, or with a direction ``score:min``; None if it is none.

    Without a direction lower is better for a name with loss, error, perplexity, mse or mae in it, and higher otherwise.
    """
    name, _, direction = text.rpartition(":")
    if direction in ("min", "max") and name:
        return Wanted(name, direction == "max")
    if not text.strip() or len(text) > 200:
        return None
    return Wanted(text, not any(word in text.lower() for word in _LOWER))


@contextmanager
def keeping(folder: Path, *, model: bool, best: Wanted | None) -> Iterator[None]:
    """Keep what strategies return while this lasts."""
    from flwr.server import server as legacy
    from flwr.serverapp.strategy import Strategy

    count = [0]

    def keeper() -> _Keeper:
        count[0] += 1
        return _Keeper(folder, "" if count[0] == 1 else f"-{count[0]}", model, best)

    start, fit = Strategy.start, legacy.Server.fit

    @wraps(start)
    def watched_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _start(partial(start, self), self, keeper(), inspect.signature(start), args, kwargs)

    @wraps(fit)
    def watched_fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _fit(partial(fit, self), self, keeper(), args, kwargs)

    Strategy.start, legacy.Server.fit = watched_start, watched_fit  # type: ignore[method-assign]
    try:
        yield
    finally:
        Strategy.start, legacy.Server.fit = start, fit  # type: ignore[method-assign]


def _start(
    start: Callable[..., Any],
    strategy: Any,
    keeper: "_Keeper",
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """``Strategy.start``, with what it aggregates and evaluates seen."""
    bound = signature.bind(strategy, *args, **kwargs)
    train, evaluate = strategy.aggregate_train, strategy.aggregate_evaluate
    central = bound.arguments.get("evaluate_fn")

    def aggregate_train(server_round: int, replies: Any) -> Any:
        result = train(server_round, replies)
        if result[0] is not None:
            keeper.aggregated(server_round, _of_record(result[0]), result[1])
        return result

    def aggregate_evaluate(server_round: int, replies: Any) -> Any:
        metrics = evaluate(server_round, replies)
        keeper.measured(metrics)
        return metrics

    def evaluate_fn(server_round: int, arrays: Any) -> Any:
        assert central is not None
        metrics = central(server_round, arrays)
        if server_round > 0:
            keeper.measured(metrics)
        return metrics

    if central is not None:
        bound.arguments["evaluate_fn"] = evaluate_fn
    with _in_place_of(strategy, aggregate_train=aggregate_train, aggregate_evaluate=aggregate_evaluate):
        result = start(*bound.args[1:], **bound.kwargs)
    keeper.finished(_of_record(result.arrays) if result.arrays else None)
    return result


def _fit(
    fit: Callable[..., Any], server: Any, keeper: "_Keeper", args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The legacy ``Server.fit``, with what it aggregates and evaluates seen."""
    fit_round, evaluate_round, central = server.fit_round, server.evaluate_round, server.strategy.evaluate

    def watched_fit_round(server_round: int, timeout: float | None) -> Any:
        result = fit_round(server_round=server_round, timeout=timeout)
        if result is not None and result[0]:
            keeper.aggregated(server_round, _of_parameters(result[0]), result[1])
        return result

    def watched_evaluate_round(server_round: int, timeout: float | None) -> Any:
        result = evaluate_round(server_round=server_round, timeout=timeout)
        if result is not None:
            keeper.measured({"loss": result[0], **(result[1] or {})})
        return result

    def watched_evaluate(server_round: int, parameters: Any) -> Any:
        result = central(server_round, parameters=parameters)
        if result is not None and server_round > 0:
            keeper.measured({"loss": result[0], **(result[1] or {})})
        return result

    with (
        _in_place_of(server, fit_round=watched_fit_round, evaluate_round=watched_evaluate_round),
        _in_place_of(server.strategy, evaluate=watched_evaluate),
    ):
        result = fit(*args, **kwargs)
    keeper.finished(_of_parameters(server.parameters))
    return result


@contextmanager
def _in_place_of(owner: Any, **functions: Callable[..., Any]) -> Iterator[None]:
    """Have an object these functions of its own while this lasts."""
    before = {name: vars(owner)[name] for name in functions if name in vars(owner)}
    for name, function in functions.items():
        setattr(owner, name, function)
    try:
        yield
    finally:
        for name in functions:
            delattr(owner, name)
        for name, value in before.items():
            setattr(owner, name, value)


Arrays = Mapping[str, Callable[[], Any]]


def _of_record(record: Any) -> Arrays:
    return {str(name): array.numpy for name, array in record.items()}


def _of_parameters(parameters: Any) -> Arrays:
    from flwr.common import bytes_to_ndarray

    return {str(index): partial(bytes_to_ndarray, one) for index, one in enumerate(parameters.tensors)}


class _Keeper:
    """The models of one strategy."""

    def __init__(self, folder: Path, suffix: str, model: bool, best: Wanted | None) -> None:
        self._folder, self._suffix = folder, suffix
        self._model, self._wanted = model, best
        self._best: float | None = None
        self._round = 0
        self._arrays: Arrays | None = None
        self._value: float | None = None

    def aggregated(self, number: int, arrays: Arrays, metrics: Any) -> None:
        """The model of a round; ``metrics`` are those of its training."""
        self._judge()
        self._round, self._arrays = number, arrays
        self._value = self._found(metrics)

    def measured(self, metrics: Any) -> None:
        """What an evaluation of the round's model says; it counts before what training said."""
        value = self._found(metrics)
        if value is not None:
            self._value = value

    def finished(self, arrays: Arrays | None) -> None:
        """The strategy is through, with this model."""
        self._judge()
        if self._model and arrays:
            self._write(f"model{self._suffix}.safetensors", arrays, {"rounds": str(self._round)})

    def _found(self, metrics: Any) -> float | None:
        value = metrics.get(self._wanted.metric) if self._wanted is not None and metrics else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)

    def _judge(self) -> None:
        value, wanted, arrays = self._value, self._wanted, self._arrays
        self._value = self._arrays = None
        if value is None or wanted is None or arrays is None:
            return
        if self._best is not None and not (value > self._best if wanted.higher else value < self._best):
            return
        self._best = value
        about = {"metric": wanted.metric, "value": repr(value), "round": str(self._round)}
        if self._write(f"best{self._suffix}.safetensors", arrays, about):
            told = {"metric": wanted.metric, "value": value, "round": self._round}
            (self._folder / f"best{self._suffix}.json").write_text(json.dumps(told) + "\n")

    def _write(self, name: str, arrays: Arrays, about: Mapping[str, str]) -> bool:
        try:
            write_safetensors(self._folder / name, arrays, about)
        except (OSError, ValueError, TypeError) as error:
            sys.stderr.write(f"WARNING: {name} is not kept: {error}\n")
            return False
        return True
