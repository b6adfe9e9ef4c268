"""Apps with scikit-learn, PyTorch, XGBoost and pandas, whose rows are drawn from a seed; imports stay in functions."""

import random
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg, FedXgbBagging

from .common import Noted, keep


def rows(context: Context, count: int = 240) -> tuple[Any, Any]:
    rng = np.random.default_rng(11 + int(context.node_config["partition-id"]))
    found = rng.normal(size=(count, 8)).astype(np.float32)
    return found, (found[:, 0] + found[:, 1] * found[:, 2] > 0).astype(np.int64)


def reply(message: Message, arrays: list[Any], **metrics: float) -> Message:
    record = ArrayRecord({str(i): Array(np.ascontiguousarray(a)) for i, a in enumerate(arrays)})
    return Message(RecordDict({"arrays": record, "metrics": MetricRecord(metrics)}), reply_to=message)


def given(message: Message) -> list[Any]:
    return [array.numpy() for array in message.content["arrays"].values()]


sklearn_client, torch_client, xgboost_client, pandas_client = (
    ClientApp(),
    ClientApp(),
    ClientApp(),
    ClientApp(),
)


@sklearn_client.train()
def fit_sklearn(message: Message, context: Context) -> Message:
    from joblib import Parallel, delayed
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    x, y = rows(context)
    model = LogisticRegression(max_iter=3, warm_start=True)
    model.classes_ = np.array([0, 1])
    model.coef_, model.intercept_ = given(message)
    model.fit(x, y)
    scores = cross_val_score(LogisticRegression(), x, y, n_jobs=2)
    squares = Parallel(n_jobs=2)(delayed(pow)(i, 2) for i in range(4))
    assert squares == [0, 1, 4, 9]
    metrics = {"accuracy": float(model.score(x, y)), "cross": float(scores.mean()), "num-examples": len(x)}
    return reply(message, [model.coef_, model.intercept_], **metrics)


@torch_client.train()
def fit_torch(message: Message, context: Context) -> Message:
    import multiprocessing

    import torch
    from torch.utils.data import DataLoader, TensorDataset

    try:
        multiprocessing.Lock()
        workers = 2
    except OSError:
        workers = 0

    torch.manual_seed(3)
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(16, 2)
    )
    model.load_state_dict(dict(zip(model.state_dict(), map(torch.tensor, given(message)), strict=True)))
    x, y = rows(context)
    # Worker processes hand their batches over in shared memory, which Landlock alone cannot give to one app.
    loader = DataLoader(
        TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=32, shuffle=True, num_workers=workers
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(2):
        for batch, labels in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(batch), labels)
            loss.backward()
            optimizer.step()
    torch.save(model.state_dict(), "checkpoint.pt")
    cached = Path.home() / ".cache" / "an-app"
    cached.mkdir(parents=True, exist_ok=True)
    (cached / "weights").write_bytes(Path("checkpoint.pt").read_bytes())
    arrays = [value.numpy() for value in model.state_dict().values()]
    return reply(message, arrays, **{"loss": float(loss), "num-examples": len(x)})


@xgboost_client.train()
def fit_xgboost(message: Message, context: Context) -> Message:
    import xgboost

    x, y = rows(context)
    matrix = xgboost.DMatrix(x, label=y)
    parameters = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3, "nthread": 2, "seed": 1}
    before = given(message)[0].tobytes()
    if before:
        booster = xgboost.Booster(params=parameters)
        booster.load_model(bytearray(before))
        booster.update(matrix, booster.num_boosted_rounds())
        booster = booster[booster.num_boosted_rounds() - 1 : booster.num_boosted_rounds()]
    else:
        booster = xgboost.train(parameters, matrix, num_boost_round=1)
    model = np.frombuffer(bytes(booster.save_raw("json")), dtype=np.uint8)
    return reply(message, [model], **{"num-examples": len(x)})


@pandas_client.train()
def fit_pandas(message: Message, context: Context) -> Message:
    import pandas

    x, y = rows(context)
    frame = pandas.DataFrame(x, columns=[f"c{i}" for i in range(8)]).assign(label=y)
    frame.to_csv("rows.csv", index=False)
    frame = pandas.read_csv("rows.csv")
    means = frame.groupby("label").mean().to_numpy()
    return reply(message, [means], **{"spread": float(frame["c0"].std()), "num-examples": len(frame)})


def main_with(start: list[Any], strategy: Any) -> ServerApp:
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        random.seed(5)
        noted = Noted(grid)
        arrays = ArrayRecord({str(i): Array(a) for i, a in enumerate(start)})
        result = strategy(fraction_evaluate=0.0).start(grid=noted, initial_arrays=arrays, num_rounds=2)
        told = {str(number): dict(found) for number, found in result.train_metrics_clientapp.items()}
        keep(context, noted, [array.numpy() for array in result.arrays.values()], told)

    return app


def _layers() -> list[Any]:
    rng = np.random.default_rng(2)
    return [rng.normal(size=shape).astype(np.float32) for shape in ((16, 8), (16,), (2, 16), (2,))]


sklearn_server = main_with([np.zeros((1, 8)), np.zeros(1)], FedAvg)
torch_server = main_with(_layers(), FedAvg)
xgboost_server = main_with([np.zeros(0, dtype=np.uint8)], FedXgbBagging)
pandas_server = main_with([np.zeros((2, 8))], FedAvg)
