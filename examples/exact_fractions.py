"""Gradients as fractions: with nothing rounded, automatic differentiation is exact.

A Value holds any kind of number. Over `fractions.Fraction` sums, products and quotients lose nothing, so that a gradient
is the rational number that calculus says, and the errors of float32 and float64 can be seen next to it. Three pictures:

- the derivative of (x - 1)^7, multiplied out, near 1, where its terms cancel: the exact one is 7 (x - 1)^6;
- the gradients of a network with ReLU, in floats against fractions;
- why nobody trains in fractions: the digits that a weight has after each exact step of gradient descent.

Run it from the repository's folder:

    python examples/exact_fractions.py
    python examples/exact_fractions.py --steps 9      longer fractions
"""

import math
from fractions import Fraction

import _common
import numpy as np

import tensorgrad as tg
from microgrid import Value, grads
from tensorgrad import nn, show

NUMBERS = {"rows": 8, "hidden": 16, "steps": 7}
DTYPES = ("float32", "float64")
DEGREE = 7
LONGEST = 12


def multiplied_out(x):
    """(x - 1)^7 as x^7 - 7 x^6 + 21 x^5 - ..., by Horner's scheme; x is a Value or a Tensor."""
    y = x * 0 + 1
    for k in range(1, DEGREE + 1):
        y = y * x + (-1) ** k * math.comb(DEGREE, k)
    return y


def derivatives(points):
    """The derivative of `multiplied_out` at Fractions: exact ones (n,), and float ones by dtype, (n,) each."""
    exact = []
    for point in points:
        x = Value(point)
        multiplied_out(x).backward()
        exact.append(x.grad)
    floats = {}
    for dtype in DTYPES:
        x = tg.tensor(np.array([float(point) for point in points], dtype), requires_grad=True)
        multiplied_out(x).sum().backward()
        floats[dtype] = x.grad
    return exact, floats


def network_gradients(args):
    """All gradients of a network's loss: exact ones, a list of Fractions, and float ones by dtype."""
    rng = np.random.default_rng(args.seed)
    X, y = (rng.integers(-64, 65, (args.rows, n)) / np.float32(64) for n in (4, 1))  # the same in every dtype
    layers = (
        nn.Dense(4, args.hidden),
        nn.ReLU(),
        nn.Dense(args.hidden, args.hidden),
        nn.ReLU(),
        nn.Dense(args.hidden, 1),
    )
    model, loss = nn.Sequential(*layers, rng=args.seed), nn.MSELoss()

    fractions = model.to("scalar", number=Fraction)
    loss(fractions(X), y).backward()
    exact = [g for p in fractions.parameters() for g in grads(p.value).ravel().tolist()]
    floats = {}
    for dtype in DTYPES:
        tensors = model.astype(dtype)
        loss(tensors(X.astype(dtype)), y.astype(dtype)).backward()
        floats[dtype] = np.concatenate([p.grad.ravel() for p in tensors.parameters()])
    return exact, floats


def digits_of_descent(steps, factors):
    """The digits of a weight after each exact step: a product of `factors` weights is to become 1/3."""
    weights, digits = [Fraction(1, k + 2) for k in range(factors)], []
    for _ in range(steps):
        values = [Value(w) for w in weights]
        product = math.prod(values[1:], start=values[0])
        ((product - Fraction(1, 3)) ** 2).backward()
        weights = [v.data - Fraction(1, 10) * v.grad for v in values]
        digits.append(max(w.denominator.bit_length() for w in weights) * math.log10(2))
    return digits


def main():
    args = _common.arguments(
        __doc__,
        NUMBERS,
        without=("dtype", "digits", "quiet"),
        rows="rows of the network's batch",
        steps="steps of exact gradient descent: the longest fraction grows threefold in each",
    )

    if args.steps > LONGEST:
        raise tg.errors.OptionError(f"--steps: after {LONGEST} steps fractions have 300,000 digits, got {args.steps}")

    # A first one, which can be checked by hand: d/dx x^2 / (1 + x^2) = 2 x / (1 + x^2)^2.
    x = Value(Fraction(1, 3))
    (x * x / (1 + x * x)).backward()
    print(f"f(x) = x^2 / (1 + x^2), f'(1/3) = {x.grad}, and 2 x / (1 + x^2)^2 = {2 * x.data / (1 + x.data**2) ** 2}")

    points = [1 + Fraction(k, 1024) for k in range(-128, 129)]
    exact, floats = derivatives(points)
    right = sum(g == DEGREE * (point - 1) ** (DEGREE - 1) for g, point in zip(exact, points, strict=True))
    print(f"derivatives of (x - 1)^{DEGREE} that equal {DEGREE} (x - 1)^{DEGREE - 1} exactly: {right} of {len(points)}")

    true, found = network_gradients(args)
    print(f"network: {len(true)} gradients; the longest is {max(len(str(g)) for g in true)} characters, the shortest")
    print(f"    {min((g for g in true if g), key=lambda g: len(str(g)), default=0)}")
    errors = {}
    for dtype in DTYPES:
        pairs = [(g, a) for g, a in zip(true, found[dtype].tolist(), strict=True) if g]
        errors[dtype] = [(float(abs(g)), float(abs(Fraction(a) / g - 1))) for g, a in pairs]
        print(f"    largest relative error in {dtype}: {max((e for _, e in errors[dtype]), default=0):.2g}")

    descents = {factors: digits_of_descent(args.steps, factors) for factors in (1, 2)}
    print(f"digits of a weight after {args.steps} exact steps: {descents[1][-1]:.0f} in a linear model, ", end="")
    print(f"{descents[2][-1]:.0f} in one of two layers")
    plot(points, exact, floats, errors, descents, args.picture)
    print(f"picture in {args.picture}")


def plot(points, exact, floats, errors, descents, path):
    """Draw the three pictures of the docstring."""
    blue, orange, green = show.palette.OKABE_ITO[:3]
    figure = show.new_figure(14.6, 4.5)
    panels = figure.subplots(1, 3, gridspec_kw=show.margins(figure, between=(1.1, 0)) | {"width_ratios": [6, 5, 4]})

    ax, x = panels[0], [float(point) for point in points]
    ax.plot(x, 1e6 * floats["float32"], ".", color=blue, markersize=4, label="float32")
    ax.plot(x, 1e6 * floats["float64"], color=orange, linewidth=4, alpha=0.8, label="float64")
    ax.plot(x, [float(10**6 * g) for g in exact], color=show.palette.INK, linewidth=1, label="exact")
    ax.legend(fontsize=9, framealpha=0.85, edgecolor="none")
    show.tidy(ax, "Derivative of (x \N{MINUS SIGN} 1)⁷, multiplied out", "x", "derivative, millionths")

    ax = panels[1]
    for dtype, colour in zip(DTYPES, (blue, orange), strict=True):
        sizes, off = np.array(errors[dtype]).reshape(-1, 2).T
        epsilon = float(np.finfo(dtype).eps)
        ax.scatter(sizes, np.maximum(off, 1e-18), s=12, color=colour, alpha=0.6, linewidths=0, label=dtype)
        ax.axhline(epsilon, color=colour, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set(xscale="log", yscale="log")
    ax.legend(fontsize=9, framealpha=0.85, edgecolor="none", loc="center right")
    show.tidy(ax, "Errors of a network's gradients", "size of the exact gradient", "relative error")

    ax = panels[2]
    for (factors, digits), colour in zip(descents.items(), (green, show.palette.OKABE_ITO[5]), strict=True):
        name = "linear model" if factors == 1 else "two layers"
        ax.plot(range(1, len(digits) + 1), digits, "o-", color=colour, linewidth=1.8, markersize=5, label=name)
    ax.set(yscale="log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(fontsize=9, framealpha=0.85, edgecolor="none", loc="upper left")
    show.tidy(ax, "Digits of a weight", "exact step of gradient descent", "digits of its denominator")
    show.save_picture(figure, path)


if __name__ == "__main__":
    _common.run(main)
