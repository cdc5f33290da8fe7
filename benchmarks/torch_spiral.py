"""examples/spiral.py written in PyTorch: the same data, network, steps, learning rates and picture (no cross-check).

    python benchmarks/torch_spiral.py picture.png

For benchmarks/process.py, which times it as a whole process.
"""

import sys
from itertools import pairwise

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nnfs.datasets import spiral_data

EPOCHS, BATCH, LR, HIDDEN = 1000, 100, 0.02, 64


def train(X, y):
    """The trained model, and loss and accuracy of each epoch."""
    sizes = (2, HIDDEN, HIDDEN, 3)
    layers = [layer for a, b in pairwise(sizes) for layer in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    model = torch.nn.Sequential(*layers[:-1])
    for layer in model[::2]:
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, betas=(0.9, 0.98), fused=True)
    loss_of, history = torch.nn.CrossEntropyLoss(), []
    for epoch in range(EPOCHS):
        total = right = 0.0
        for rows in torch.randperm(len(X)).split(BATCH):
            output = model(X[rows])
            loss = loss_of(output, y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
            right += (output.argmax(1) == y[rows]).sum().item()
        optimizer.param_groups[0]["lr"] = LR * (1 - (epoch + 1) / EPOCHS)
        history.append((total / len(X), right / len(X)))
    return model, np.array(history)


def draw(model, X, y, history, path):
    """Decision regions with the points, and the two curves."""
    colours = np.array([[0, 0.45, 0.7], [0.9, 0.62, 0], [0, 0.62, 0.45]])
    figure = Figure(figsize=(11.4, 5.9), dpi=110)
    FigureCanvasAgg(figure)
    panels = figure.subplot_mosaic([["regions", "loss"], ["regions", "accuracy"]])
    axes, grid = panels["regions"], np.linspace(-1.1, 1.1, 256)
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2).astype(np.float32)
    with torch.no_grad():
        p = model(torch.from_numpy(places)).softmax(1).numpy()
        wrong = (model(X).argmax(1) != y).numpy()
    box = (-1.1, 1.1, -1.1, 1.1)
    image = (1 - 0.5 * (1 - p @ colours)).reshape(256, 256, 3)
    axes.imshow(image, origin="lower", extent=box, interpolation="bilinear")
    for k in range(3):
        lead = (p[:, k] - np.delete(p, k, axis=1).max(axis=1)).reshape(256, 256)
        axes.contour(grid, grid, lead, levels=[0], colors="white")
        mine = X[y == k].numpy()
        axes.scatter(
            mine[:, 0], mine[:, 1], marker="os^"[k], s=26, color=[colours[k]], edgecolors="white", label=f"class {k}"
        )
    axes.scatter(
        *X[wrong].numpy().T, s=80, facecolors="none", edgecolors="black", label=f"{wrong.sum()} wrong of {len(X)}"
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4)
    for name, curve in zip(("loss", "accuracy"), history.T, strict=True):
        panels[name].plot(curve, label="training")
        panels[name].set(title=name, xlabel="epoch")
        panels[name].grid()
        panels[name].legend()
    panels["loss"].set_yscale("log")
    figure.savefig(path)
    return wrong


def main():
    np.random.seed(0)
    torch.manual_seed(0)
    X, y = spiral_data(100, 3)
    X, y = torch.from_numpy(X.astype(np.float32)), torch.from_numpy(y.astype(np.int64))
    model, history = train(X, y)
    wrong = draw(model, X, y, history, sys.argv[1])
    print(f"train accuracy {1 - wrong.mean():.4f}")


if __name__ == "__main__":
    main()
