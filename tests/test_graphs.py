"""Random graphs of up to 30 ops on both engines: the same values, and the same gradient of every input.

A program is a list of steps (op, operands, options); it is written once and run on Tensors and on grids of Values.
`--full` runs ten times as many.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

import tensorgrad as tg
from microgrid import grads, grid, values
from tensorgrad import _tape
from tensorgrad._op import Op
from tensorgrad._registry import OPS
from tensorgrad._tensor import plain

STEPS = 30
LIMIT = 2.0  # larger numbers go through tanh, so that no graph overflows or saturates
GAP = 1e-3  # what bends or jumps is only used this far from its kink: rounding must not take the engines to two sides

# Both engines compute in float64 and differ in the last place (1e-16) of each number. `noise` below makes every number of
# a graph wrong by 1e-9 and sees by how much the results move: a graph that blows errors up more than 300 times is left
# out, and in the others 1e-12 is several times what 300 x 1e-16 and the sums along the graph can come to.
RTOL = 1e-12
NOISE = 1e-9
AMPLIFIED = 300 * NOISE


@dataclass
class Program:
    """Leaves and steps, each of which appends one result; the loss is the sum of all results that no step used.

    An operand is the place of an earlier result, or an array: a mask, labels.
    """

    leaves: list
    steps: list = field(default_factory=list)
    results: list = field(default_factory=list, repr=False)  # the numbers of all results, while it is being written

    def add(self, op, *operands, **options):
        """Append a step, and tanh where its numbers are large; returns its place, or None if there are too many."""
        numbers = np.asarray(plain(OPS[op](*(_operand(self.results, i) for i in operands), **options)))
        if numbers.size > 40:
            return None
        self.steps.append((op, operands, options))
        self.results.append(numbers)
        if np.abs(numbers).max() > LIMIT:
            return self.add("tanh", len(self.results) - 1)
        return len(self.results) - 1

    def run(self, leaves, noise=None):
        """(all results, loss) on whatever the leaves are; noise(shape) is a factor for each result."""
        nodes = list(leaves)
        for op, operands, options in self.steps:
            y = OPS[op](*(_operand(nodes, i) for i in operands), **options)
            nodes.append(y if noise is None else y * noise(y.shape))
        used = {i for _, operands, _ in self.steps for i in operands if type(i) is int}
        loss = OPS["sum"](nodes[0])
        for y in (y for i, y in enumerate(nodes) if i not in used):
            loss = loss + OPS["sum"](y)
        return nodes, loss


def _operand(results, i):
    return results[i] if type(i) is int else i


# ---- writing programs -------------------------------------------------------------------------------------------------
def of_one_array(op):
    """The op on x; where that is no number or near a kink on sigmoid(x), in 0..1, or on exp(sigmoid(x)), above 1."""

    def smooth(x):
        with np.errstate(all="ignore"):
            left, middle, right = (OPS[op](x + shift) for shift in (-GAP, 0, GAP))
        return np.all(np.abs(left - 2 * middle + right) < GAP / 10)  # not if one of them is NaN

    def make(draw, p, i):
        if smooth(p.results[i]):
            return p.add(op, i)
        i = p.add("sigmoid", i)
        if smooth(p.results[i]):
            return p.add(op, i)
        i = p.add("exp", i)
        return p.add(op, i) if smooth(p.results[i]) else i

    return make


def partner(draw, p, i, fits):
    """A result that fits result i; i itself always does."""
    shape = p.results[i].shape
    return draw(st.sampled_from([j for j, x in enumerate(p.results) if j == i or fits(shape, x.shape)]))


def broadcastable(a, b):
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


def equal(a, b):
    return a == b


def binary(op, fits=broadcastable):
    return lambda draw, p, i: p.add(op, i, partner(draw, p, i, fits))


def extreme_of_two(op):
    def make(draw, p, i):
        j = partner(draw, p, i, broadcastable)
        tie = i != j and np.abs(p.results[i] - p.results[j]).min() < GAP
        return p.add("subtract" if tie else op, i, j)

    return make


def quotient(draw, p, i):
    return p.add("divide", i, p.add("exp", p.add("tanh", partner(draw, p, i, broadcastable))))


def shares(draw, p, i):
    """Two results that broadcast, as numbers between 0 and 1."""
    return [p.add("sigmoid", p.add("tanh", j)) for j in (i, partner(draw, p, i, broadcastable))]


def power(draw, p, i):
    return p.add("power", p.add("sigmoid", i), partner(draw, p, i, broadcastable))


def where(draw, p, i):
    j = partner(draw, p, i, broadcastable)
    mask = draw(st.lists(st.booleans(), min_size=p.results[i].size, max_size=p.results[i].size))
    return p.add("where", np.array(mask).reshape(p.results[i].shape), i, j)


def axis_of(draw, x):
    return draw(st.integers(-x.ndim, x.ndim - 1))


def reduction(op):
    def make(draw, p, i):
        x = p.results[i]
        axis = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
        return p.add(op, i, axis=axis, keepdims=draw(st.booleans()))

    return make


def extreme(op, sign):
    def make(draw, p, i):
        x = p.results[i] * sign
        if not x.ndim:
            return None
        axis = axis_of(draw, x)
        top = np.sort(x, axis=axis).take([-1, -2] if x.shape[axis] > 1 else [-1], axis=axis)
        tie = x.shape[axis] > 1 and np.abs(np.diff(top, axis=axis)).min() < GAP
        return p.add("mean" if tie else op, i, axis=axis, keepdims=draw(st.booleans()))

    return make


def along(op):
    return lambda draw, p, i: p.add(op, i, axis=axis_of(draw, p.results[i])) if p.results[i].ndim else None


def matmul(draw, p, i):
    def fits(a, b):
        inner = (b[-2] if len(b) > 1 else b[0]) if a and b else None
        return inner is not None and a[-1] == inner and broadcastable(a[:-2], b[:-2])

    found = [j for j, x in enumerate(p.results) if fits(p.results[i].shape, x.shape)]
    return p.add("matmul", i, draw(st.sampled_from(found))) if found else None


def dense(draw, p, i):
    x = p.results[i]
    weights = [j for j, w in enumerate(p.results) if x.ndim and w.ndim == 2 and len(w) == x.shape[-1]]
    if not weights:
        return None
    j = draw(st.sampled_from(weights))
    biases = [k for k, b in enumerate(p.results) if b.shape == p.results[j].shape[1:]]
    k = draw(st.sampled_from(biases)) if biases else p.add("sum", j, axis=0)
    far = np.abs(x @ p.results[j] + p.results[k]).min() > GAP
    return p.add("dense", i, j, k, activation="relu" if far and draw(st.booleans()) else None)


def cross_entropy(draw, p, i):
    x = p.results[i]
    if x.ndim != 2:
        return None
    labels = draw(st.lists(st.integers(0, x.shape[1] - 1), min_size=len(x), max_size=len(x)))
    return p.add("softmax_cross_entropy", i, np.array(labels))


def reshape(draw, p, i):
    n = p.results[i].size
    shapes = [(n,), (-1, 1), (1, n), *[(d, -1) for d in (2, 3, 4) if n % d == 0]]
    return p.add("reshape", i, shape=draw(st.sampled_from(shapes)))


def transpose(draw, p, i):
    axes = st.permutations(range(p.results[i].ndim)).map(tuple)
    return p.add("transpose", i, axes=draw(st.one_of(st.none(), axes)))


def broadcast_to(draw, p, i):
    return p.add("broadcast_to", i, shape=(draw(st.integers(1, 3)), *p.results[i].shape))


def index_of(draw, x):
    n = len(x)
    several = st.lists(st.integers(-n, n - 1), min_size=1, max_size=4).map(np.array)
    slices = st.sampled_from([slice(None, None, -1), slice(0, 1), slice(None, None, 2), (..., None)])
    return draw(st.one_of(st.integers(-n, n - 1), several, slices))


def getitem(draw, p, i):
    return p.add("getitem", i, index=index_of(draw, p.results[i])) if p.results[i].ndim else None


def scatter_add(draw, p, i):
    x = p.results[i]
    if not x.ndim:
        return None
    at = draw(st.lists(st.integers(0, 3), min_size=len(x), max_size=len(x)))
    return p.add("scatter_add", i, shape=(4, *x.shape[1:]), index=np.array(at))


def join(op):
    def make(draw, p, i):
        if not p.results[i].ndim:
            return None
        return p.add(op, i, partner(draw, p, i, equal), partner(draw, p, i, equal), axis=axis_of(draw, p.results[i]))

    return make


def rearranged(op, axes, **options):
    """An op that moves the numbers of an array with so many axes or more; an option is drawn by the array."""

    def make(draw, p, i):
        x = p.results[i]
        return p.add(op, i, **{name: draw(choose(x)) for name, choose in options.items()}) if x.ndim >= axes else None

    return make


def any_axis(x):
    return st.integers(-x.ndim, x.ndim - 1)


def places(draw, p, i):
    """Indices along an axis, for each row its own."""
    x = p.results[i]
    if not x.ndim:
        return None
    axis = axis_of(draw, x)
    flat = draw(st.lists(st.integers(0, x.shape[axis] - 1), min_size=x.size, max_size=x.size))
    return p.add("take_along_axis", i, indices=np.array(flat).reshape(x.shape), axis=axis)


def gated(op, jumps=False):
    """The *_backward ops, as functions of (g, y)."""

    def make(draw, p, i):
        j = partner(draw, p, i, equal)
        return p.add("multiply" if jumps and np.abs(p.results[j]).min() < GAP else op, i, j)

    return make


MAKERS = {
    **{op: binary(op) for op in ("add", "logaddexp", "subtract", "multiply")},
    **{op: extreme_of_two(op) for op in ("maximum", "minimum")},
    **{op: reduction(op) for op in ("sum", "mean")},
    **{op: along(op) for op in ("softmax", "log_softmax", "logsumexp")},
    **{op: join(op) for op in ("concatenate", "stack")},
    **{op: along(op) for op in ("expand_dims", "flip")},
    **{op: rearranged(op, 2, k=lambda x: st.integers(-2, 2)) for op in ("tril", "triu")},
    "diagonal": rearranged("diagonal", 2, offset=lambda x: st.integers(1 - x.shape[0], x.shape[1] - 1)),
    "moveaxis": rearranged("moveaxis", 1, source=any_axis, destination=any_axis),
    "pad": rearranged(
        "pad", 0, pad_width=lambda x: st.integers(0, 1), mode=lambda x: st.sampled_from(["constant", "reflect"])
    ),
    "repeat": rearranged("repeat", 1, repeats=lambda x: st.integers(1, 2), axis=any_axis),
    "roll": rearranged("roll", 1, shift=lambda x: st.integers(-2, 2), axis=any_axis),
    "swapaxes": rearranged("swapaxes", 1, axis1=any_axis, axis2=any_axis),
    "take": rearranged("take", 0, indices=lambda x: st.lists(st.integers(-x.size, x.size - 1), min_size=1, max_size=4)),
    "take_along_axis": places,
    "tile": rearranged("tile", 0, reps=lambda x: st.sampled_from([2, (2, 1), (1, 2)])),
    "astype": lambda draw, p, i: p.add("astype", i, dtype="float64"),
    "broadcast_to": broadcast_to,
    "dense": dense,
    "divide": quotient,
    "getitem": getitem,
    "matmul": matmul,
    "max": extreme("max", 1),
    "min": extreme("min", -1),
    "mse_loss": binary("mse_loss", equal),
    "power": power,
    "relu_backward": gated("relu_backward", jumps=True),
    "reshape": reshape,
    "scatter_add": scatter_add,
    "sigmoid_backward": gated("sigmoid_backward"),
    "softmax_cross_entropy": cross_entropy,
    "tanh_backward": gated("tanh_backward"),
    "transpose": transpose,
    "where": where,
    "binary_cross_entropy": lambda draw, p, i: p.add("binary_cross_entropy", *shares(draw, p, i)),
    "binary_cross_entropy_with_logits": lambda draw, p, i: p.add(
        "binary_cross_entropy_with_logits", i, p.add("sigmoid", partner(draw, p, i, broadcastable)), 2.5
    ),
    "gaussian_nll": lambda draw, p, i: p.add("gaussian_nll", i, *[p.add("exp", j) for j in shares(draw, p, i)]),
    "kl_div": lambda draw, p, i: p.add("kl_div", i, p.add("sigmoid", partner(draw, p, i, broadcastable))),
}
# Those whose kinks any number may meet, parts of ops that are here, and matrices that must be well conditioned: they have
# tests of their own, op by op.
ELSEWHERE = {
    "conv1d", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient", "conv_transpose1d", "conv_transpose2d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
    "avg_pool2d", "channel_dropout", "cholesky", "clamp", "cofactors", "cumsum", "cumsum_backward", "det", "dot",
    "dropout", "einsum", "elastic_net", "embedding", "embedding_backward", "gaussian_noise", "inv", "max_pool1d",
    "max_pool2d", "norm", "outer", "prelu", "prod", "slogdet", "solve", "std", "tensordot", "trace", "upsample", "var",
    "vector_norm",
    "batch_norm", "batch_norm_inference", "group_norm", "layer_norm", "rms_norm",
}  # fmt: skip
# Of all others, those of one array need no word here.
MAKERS |= {
    name: of_one_array(name)
    for name, op in OPS.items()
    if isinstance(op, Op) and len(op.inputs) == 1 and not op.variadic and name not in ELSEWHERE | MAKERS.keys()
}


@st.composite
def programs(draw):
    shapes = draw(
        st.lists(st.sampled_from([(), (3,), (1, 3), (2, 3), (3, 2), (3, 3), (2, 1, 3)]), min_size=1, max_size=3)
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    leaves = [np.asarray(rng.uniform(-1.5, 1.5, size=shape)) for shape in shapes]
    program = Program(leaves, results=list(leaves))
    length = draw(st.sampled_from(range(1, STEPS + 1)))
    while len(program.steps) < length:
        op = draw(st.sampled_from(sorted(MAKERS)))
        i = draw(st.integers(0, len(program.results) - 1))
        if MAKERS[op](draw, program, i) is None:
            program.add("tanh", i)  # the op does not fit result i
    return program


# ---- running them -----------------------------------------------------------------------------------------------------
def on_tensors(program, noise=None):
    """(all results, the gradients of the leaves)."""
    leaves = [tg.tensor(x, requires_grad=True) for x in program.leaves]
    nodes, loss = program.run(leaves, noise)
    loss.backward()
    return [y.numpy() for y in nodes], [np.zeros(x.shape) if x.grad is None else x.grad for x in leaves]


def on_values(program):
    """(all results, the gradients of all results: those of the leaves first)."""
    nodes, loss = program.run([grid(x) for x in program.leaves])
    loss.backward()
    return [np.asarray(values(y)) for y in nodes], [np.asarray(grads(y)) for y in nodes]


def assert_engines_agree(program):
    expected, slopes = on_values(program)
    largest = max(
        np.abs(g).max() for g in slopes
    )  # of all in the graph: what cancels in a sum leaves its rounding there
    rng = np.random.default_rng(0)
    results, gradients = on_tensors(program)
    shaken, shaken_gradients = on_tensors(program, lambda shape: 1 + NOISE * rng.uniform(-1, 1, size=shape))
    assume(all(np.abs(a - b).max() <= AMPLIFIED for a, b in zip(results, shaken, strict=True)))
    assume(all(np.abs(a - b).max() <= AMPLIFIED * largest for a, b in zip(gradients, shaken_gradients, strict=True)))
    for i, (y, truth) in enumerate(zip(results, expected, strict=True)):
        np.testing.assert_allclose(y, truth, RTOL, RTOL, err_msg=f"result {i}")
    for i, (g, truth) in enumerate(zip(gradients, slopes, strict=False)):
        np.testing.assert_allclose(g, truth, 0, RTOL * largest, err_msg=f"gradient of leaf {i}")


@settings(max_examples=2 * settings.default.max_examples)
@given(programs())
def test_engines_agree(program):
    assert_engines_agree(program)


def test_every_op_is_in_some_graph():
    assert {name for name, op in OPS.items() if isinstance(op, Op)} - ELSEWHERE == MAKERS.keys(), (
        "say in MAKERS how a graph uses it"
    )
    used = set()

    @settings(max_examples=500)
    @given(programs())
    def look(program):
        used.update(op for op, _, _ in program.steps)

    look()
    assert used == MAKERS.keys()


@pytest.mark.parametrize(
    "target, name, bug",
    [
        (_tape, "accumulate", lambda total, g: g),
        (_tape, "unbroadcast", lambda g, shape: np.broadcast_to(g.mean(), shape)),
        (OPS["tanh"], "backward", [lambda g, y, _x: g * (1 - y)]),
        (OPS["where"], "backward", [None, lambda g, _z, c, _x, _y: g, lambda g, _z, c, _x, _y: np.where(c, 0, g)]),
        (OPS["getitem"], "backward", [lambda g, _y, x, index: np.zeros(x.shape)]),
        (OPS["cos"], "forward", lambda x: np.asarray(np.cos(x) + 1e-10)),
    ],
    ids=["accumulate", "unbroadcast", "tanh", "where", "getitem", "cos"],
)
def test_a_planted_bug_is_found(monkeypatch, target, name, bug):
    monkeypatch.setattr(target, name, bug)
    search = settings(phases=[Phase.generate], report_multiple_bugs=False)(given(programs())(assert_engines_agree))
    with pytest.raises(AssertionError, match=r"result|gradient"):
        search()
