"""Predict numbers: a noisy curve with outliers, and how a diabetes goes on, both with Huber's loss.

Run it from the repository's folder:

    python examples/regression.py
    python examples/regression.py --engine scalar      the same models, one Value for each of their numbers
"""

import _common
import numpy as np

import tensorgrad as tg
from tensorgrad import nn, optim, show
from tensorgrad.optim.schedules import Cosine, Warmup

TENSOR = {"rows": 442, "hidden": 32, "epochs": 150, "batch_size": 32, "lr": 0.01}
SCALAR = {"rows": 120, "hidden": 6, "epochs": 30, "batch_size": 16, "lr": 0.05}


def curve(x):
    """The function that is to be found under the noise."""
    return np.sin(3 * x) + 0.5 * x


def noisy_curve(count, rng):
    """Points of the curve, (count, 1) each, with noise of 0.1; one in ten lies far above."""
    x = rng.uniform(-2, 2, (count, 1))
    far = rng.uniform(size=x.shape) < 0.1
    return x, curve(x) + 0.1 * rng.normal(size=x.shape) + far * rng.uniform(2, 6, x.shape)


def diabetes(count, rng):
    """(ten measurements of each patient, the disease a year later) in random order: (count, 10), (count, 1)."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    rows = rng.permutation(len(X))[:count]
    return X[rows] / X.std(axis=0), y[rows, None]


def train(X, y, loss, args, penalty=0.0, validation=None):
    """(model, History): two hidden layers, Adam, a rate that rises for a twentieth of the steps and then falls to 0."""
    model = nn.Sequential(
        nn.Dense(X.shape[1], args.hidden, dtype=args.dtype),
        nn.Tanh(),
        nn.Dense(args.hidden, args.hidden, dtype=args.dtype),
        nn.Tanh(),
        nn.Dense(args.hidden, 1, dtype=args.dtype),
        rng=args.seed,
    ).to(args.engine)
    if penalty:
        model.penalise(l2=penalty)
    steps = args.epochs * -(-len(X) // args.batch_size)
    warm = max(1, steps // 20)
    history = tg.fit(
        model,
        (X, y),
        loss=loss,
        optimizer=optim.Adam(model.parameters(), lr=args.lr),
        epochs=args.epochs,
        batch_size=args.batch_size,
        seed=args.seed,
        schedule=Warmup(warm, Cosine(args.lr, steps=max(1, steps - warm)), start=0.1),
        validation=validation,
        metrics=["r2"],
        progress=not args.quiet,
    )
    return model, history


def main():
    args = _common.arguments(__doc__, TENSOR, SCALAR, needs=["sklearn"])
    rng = np.random.default_rng(args.seed)

    # A curve: Huber's loss is linear far away, so that outliers pull no harder than other points; the square is not.
    x, y = noisy_curve(args.rows, rng)
    robust, history = train(x, y, nn.HuberLoss(delta=0.1), args)
    squares, _ = train(x, y, nn.MSELoss(), args)
    line = np.linspace(-2, 2, 200)[:, None]
    print(f"{len(x)} points, {len(history.steps)} steps in {history.seconds:.2f} s on the {args.engine} engine")
    for name, model in (("Huber's loss", robust), ("the square", squares)):
        print(f"curve, {name}: RMSE {tg.metrics.rmse(tg.predict(model, line), curve(line)):.3f} from the true curve")

    # Diabetes: one patient in five for the test. Targets have a mean of 0 and a deviation of 1 while the model learns.
    X, target = diabetes(args.rows, rng)
    test = len(X) // 5
    mean, deviation = target[test:].mean(), target[test:].std()
    scaled = (target - mean) / deviation
    held_out = X[:test], scaled[:test]
    patients, progress = train(X[test:], scaled[test:], nn.HuberLoss(), args, penalty=0.01, validation=held_out)
    predicted = tg.predict(patients, X[:test]) * deviation + mean
    print(f"diabetes: {len(X) - test} patients to learn from, {test} to test")
    r2, mae = tg.metrics.r2(predicted, target[:test]), tg.metrics.mae(predicted, target[:test])
    print(f"test R2 {r2:.3f}, mean absolute error {mae:.1f}")

    # Look at it: the fits above, what they leave over and how they came about.
    figure = show.new_figure(14.5, 7.6)
    panels = figure.subplots(2, 3, gridspec_kw=show.margins(figure))
    ax = panels[0, 0]
    ax.scatter(x, y, s=10, color="#8C8C8C", alpha=0.6, linewidths=0, label="points")
    ax.plot(line, curve(line), color="#222222", linewidth=1, label="true curve")
    ax.plot(line, tg.predict(squares, line), "--", color="#E69F00", linewidth=1.6, label="fit with squares")
    ax.plot(line, tg.predict(robust, line), color="#0072B2", linewidth=2, label="fit with Huber's loss")
    ax.legend(fontsize=9, framealpha=0.85, edgecolor="none")
    show.plot_residuals(tg.predict(robust, x), y, panels[0, 1], "Residuals of Huber's fit")
    show.plot_history(history, panels[0, 2])
    ax = panels[1, 0]
    ends = [target.min(), target.max()]
    ax.plot(ends, ends, color="#222222", linewidth=1)
    ax.scatter(predicted, target[:test], s=14, color="#0072B2", alpha=0.6, linewidths=0)
    show.plot_residuals(predicted, target[:test], panels[1, 1], "Residuals of patients in the test")
    show.plot_history(progress, panels[1, 2])
    show.tidy(panels[0, 0], "A curve with outliers", "x", "y")
    show.tidy(panels[1, 0], f"Diabetes: test R2 {r2:.2f}", "predicted", "measured")
    print(f"picture in {show.save_picture(figure, args.picture)}")

    # Check it: every gradient of this very model, by kernels and by the chain rule on single numbers.
    print()
    few = slice(None, 8)
    print(
        tg.compare(robust.to("tensor").astype(args.dtype), x[few], y[few], loss=nn.HuberLoss(0.1), digits=args.digits)
    )


if __name__ == "__main__":
    _common.run(main)
