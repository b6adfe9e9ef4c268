"""The data and the model: what is learned, and from what. Everything federated stands in the other two files."""

import json
import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    """A small convolutional network for images of 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(32 * 2 * 2, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return ten scores for each image (N, 1, 8, 8)."""
        scores: Tensor = self.classifier(self.features(images).flatten(1))
        return scores


def new_model(seed: int) -> Net:
    """The network with weights drawn at random, the same for the same seed."""
    torch.manual_seed(seed)
    return Net()


def load_data(partition: int, partitions: int) -> tuple[TensorDataset, TensorDataset]:
    """Return (training, test) examples of this data owner.

    They come from the folder that DATA_DIR names (all its *.jsonl files, in the form of mock_data). Without it, as in
    a simulation, the owner gets its share of the mock data: part `partition` of `partitions`.
    """
    folder = os.environ.get("DATA_DIR", "")
    lines = _lines(Path(folder) if folder else Path(__file__).parent / "mock_data")
    if not folder:
        order = torch.randperm(len(lines), generator=torch.Generator().manual_seed(0)).tolist()
        lines = [lines[i] for i in order[partition::partitions]]  # the same order at every owner
    rows = [json.loads(line) for line in lines]
    pixels = torch.tensor([[ord(letter) - ord("a") for letter in row["pixels"]] for row in rows])
    images = pixels.reshape(-1, 1, 8, 8) / 16.0
    digits = torch.tensor([row["digit"] for row in rows])
    cut = len(rows) * 4 // 5
    return TensorDataset(images[:cut], digits[:cut]), TensorDataset(images[cut:], digits[cut:])


def _lines(place: Path) -> list[str]:
    files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise FileNotFoundError(f"no examples in {place}: put *.jsonl files there, in the form of mock_data")
    return lines


def train(net: Net, data: TensorDataset, *, epochs: int, batch_size: int, rate: float, seed: int) -> float:
    """Train `net` in place with stochastic gradient descent; return the mean loss of the last epoch."""
    device = _device()
    net.to(device).train()
    loader = DataLoader(data, batch_size, shuffle=True, generator=torch.Generator().manual_seed(seed))
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    loss = 0.0
    for _ in range(epochs):
        losses = []
        for images, digits in loader:
            optimizer.zero_grad()
            error = criterion(net(images.to(device)), digits.to(device))
            error.backward()
            optimizer.step()
            losses.append(error.item())
        loss = sum(losses) / len(losses)
    net.cpu()
    return loss


@torch.no_grad()
def evaluate(net: Net, data: TensorDataset) -> tuple[float, float]:
    """Return (mean loss, share of digits recognised)."""
    device = _device()
    net.to(device).eval()
    images, digits = data.tensors
    scores = net(images.to(device)).cpu()
    net.cpu()
    return nn.functional.cross_entropy(scores, digits).item(), (scores.argmax(1) == digits).float().mean().item()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
