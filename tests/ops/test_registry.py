"""Every op keeps what its record promises: value and gradient against the twin in 50 digits, dtypes, inputs, errors."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import kernels, ops
from tensorgrad._op import Op
from tensorgrad._registry import OPS

NAMES = sorted(name for name, op in OPS.items() if isinstance(op, Op))
SAMPLES, BAD = 9, 3  # of every record


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_op(name, dtype):
    report = tg.check_op(name, dtypes=[dtype])
    assert report.ok, str(report)


@pytest.mark.parametrize("name", NAMES)
def test_record_is_complete(name):
    op = OPS[name]
    assert len(op.samples) >= SAMPLES, f"{name} has {len(op.samples)} samples"
    assert len(op.errors) >= BAD, f"{name} has {len(op.errors)} bad inputs"
    assert (op.__doc__ and ">>>" in op.__doc__) or op.forward.__name__.startswith("_"), f"{name} has no doctest"


@pytest.mark.parametrize("name", NAMES)
def test_bad_inputs_differ_and_say_whose_error_it_is(name):
    op, texts = OPS[name], set()
    for bad in op.errors:
        with pytest.raises(bad.error) as raised:
            op(*bad.arrays(np.random.default_rng(0)), **bad.options)
        assert name in str(raised.value), str(raised.value)
        texts.add(str(raised.value))
    assert len(texts) == len(op.errors), "two bad inputs have the same error"


@pytest.mark.parametrize("name", NAMES)
def test_an_elementwise_tolerance_over_4_ulps_has_a_reason(name):
    t = OPS[name].tolerance
    assert t.per != "element" or t.ulps <= 4 or t.why, f"{name} is allowed {t.ulps} ulps"


# Sizes on both sides of those at which products change their way: the tile and BLAS with its threads, and one vector more.
WIDE, DEEP = kernels.LARGEST_W // 256, kernels.LARGEST_PRODUCT // 65_536
TURNS = [
    (3, 256, WIDE),
    (3, 256, WIDE + 1),
    (DEEP, 256, 256),
    (DEEP + 1, 256, 256),
    (DEEP + 40, 255, 257),
    (1, 300, 300),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("shape", TURNS)
def test_products_where_they_change_their_way(shape, activation, dtype):
    (m, k, n), rng = shape, np.random.default_rng(0)
    exact = [rng.normal(size=s).astype(dtype).astype(np.longdouble) for s in ((m, k), (k, n), (n,), (m, n))]
    x, w, b, g = exact
    leaves = [tg.tensor(a.astype(dtype), requires_grad=True) for a in (x, w, b)]
    y = ops.dense(*leaves, activation=activation)
    y.backward(g.astype(dtype))
    hot = g * (y.numpy() > 0) if activation else g
    value = x @ w + b
    expected = [np.maximum(value, 0) if activation else value, hot @ w.T, x.T @ hot, hot.sum(0)]
    if activation is None:
        a, c = (tg.tensor(v.astype(dtype), requires_grad=True) for v in (x, w))
        product = a @ c
        product.backward(g.astype(dtype))
        assert near(product.numpy(), x @ w) and near(a.grad, g @ w.T) and near(c.grad, x.T @ g)
    for got, truth in zip([y.numpy(), *(t.grad for t in leaves)], expected, strict=True):
        assert near(got, truth)


def near(got, truth):
    return np.abs(got - truth).max() <= 64 * np.finfo(got.dtype).eps * np.abs(truth).max()


# ---- what tensorgrad.ops exports --------------------------------------------------------------------------------------
PROMISED = """
    abs absolute adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d add arccos arccosh
    arcsin arcsinh arctan arctanh argmax argmin array_split astype avg_pool1d avg_pool2d batch_norm
    batch_norm_inference broadcast_to celu channel_dropout cholesky clamp clip cofactors concatenate conv1d conv2d
    conv2d_input_gradient conv2d_weight_gradient conv_transpose1d conv_transpose2d cos cosh cumsum cumsum_backward
    dense det diagonal divide dot dropout einsum elastic_net elu embedding embedding_backward equal erf exp
    expand_dims expm1 find flip gaussian_noise gelu gelu_erf gelu_tanh getitem greater greater_equal group_norm
    hard_sigmoid hard_swish hardtanh inv layer_norm leaky_relu less less_equal log log1p log2 log_sigmoid
    log_softmax logaddexp logsumexp matmul max max_pool1d max_pool2d maximum mean min minimum mish moveaxis mse_loss
    multiply negative norm not_equal outer pad positive power prelu prod ravel reciprocal relu relu6 relu_backward
    repeat reshape rms_norm roll scatter_add selu sigmoid sigmoid_backward sign silu sin sinh slogdet softmax
    softmax_cross_entropy softplus softsign solve split sqrt square squeeze stack std subtract sum swapaxes swish
    take take_along_axis tan tanh tanh_backward tensordot tile trace transpose tril triu upsample var vector_norm
    where
"""


def test_what_is_on_record_is_exported_and_nothing_that_was_is_gone():
    assert set(ops.__all__) == {*OPS, "absolute", "find", "swish"} and set(PROMISED.split()) <= set(ops.__all__)
    for name in ops.__all__:
        exported = getattr(ops, name)
        assert callable(exported) and (exported is OPS.get(name) or exported.__name__ in (name, "abs", "silu"))
    assert ops.concatenate([[1.0], [2.0]]).tolist() == ops.stack([1.0, 2.0]).tolist() == [1, 2]
