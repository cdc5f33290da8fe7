"""Derivatives of functions: functions in, functions or numbers out. They nest, for derivatives of any order.

All of them walk back over what the function left on the tape. grad, vjp and hvp need one walk for each derivative taken,
jacobian one for each number of the output. jvp is two walks: J^T u is linear in u, and its derivative by u, in the
direction v, is J v (Townsend 2017, "A new trick for calculating Jacobian vector products").
"""

import functools

import numpy as np

from . import _tape
from ._coerce import is_grid
from ._parameter import Parameter
from ._registry import OPS
from ._tensor import FLOATS, Tensor, tensor
from .errors import DTypeError, EngineError, GraphError, OptionError, ShapeError
from .kernels import constant


# ---- of scalar functions ----------------------------------------------------------------------------------------------
def value_and_grad(f, argnums=0):
    """A function that returns `f(*args)` and its gradient with respect to the argument(s) at `argnums`.

    f takes arrays or Tensors and returns a scalar Tensor. With a tuple of argnums the gradient is a tuple. Raises
    ShapeError if f returns no scalar, DTypeError for an argument that is not float32 or float64.

    >>> import tensorgrad as tg
    >>> value, slope = value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 3.0]))
    >>> value.item(), slope.numpy()
    (10.0, array([2., 6.]))
    """
    return _value_and_grad("grad", f, argnums)


def grad(f, argnums=0):
    """A function that returns the gradient of the scalar function f; see `value_and_grad`.

    >>> import tensorgrad as tg
    >>> second = grad(grad(lambda x: x**3))
    >>> second(np.array(2.0)).item()
    12.0
    """
    return _grad("grad", f, argnums)


def hessian(f, argnums=0):
    """A function that returns the second derivatives of the scalar function f: x (...) -> (..., ...), x's shape twice.

    With a tuple of argnums the result is a tuple of tuples: [i][j] is the derivative by argument i, then by argument j,
    shape (*shape of i, *shape of j). It takes one walk over the gradient's graph for each number of the arguments: to
    multiply with a vector alone use `hvp`. Raises what `grad` raises.

    >>> import tensorgrad as tg
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0])).numpy()
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    return _jacobian("hessian", _grad("hessian", f, argnums), argnums)


def hvp(f, primals, tangents):
    """The Hessian of the scalar function f times a vector, without the Hessian: x (...), v (...) -> (...).

    primals are f's arguments as a tuple, tangents the vector, one part of the same shape for each argument; the result is
    such a tuple. For a function of one argument they may be given without the tuple, and the result is one Tensor.
    Two walks, the first of them recorded: three to six times the work of a gradient (Pearlmutter 1994, "Fast exact
    multiplication by the Hessian"). Raises ShapeError for tangents of another shape, and what `grad` raises.

    >>> import tensorgrad as tg
    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 5.0]), np.array([1.0, 0.0])).numpy()
    array([10.,  6.])
    """
    args, entries, directions = _along("hvp", primals, tangents)
    call = _Call("hvp", _grad("hvp", f, tuple(range(len(args)))), args, entries)
    products = call.closed(call.pulled(call.outputs, directions))  # the gradient's Jacobian is its own transpose
    return tuple(products) if isinstance(primals, tuple) else products[0]


# ---- of functions with any outputs ------------------------------------------------------------------------------------
def jacobian(f, argnums=0):
    """A function that returns the derivatives of each number of f's output by each of an argument's: (*y.shape, *x.shape).

    f returns a Tensor of any shape. With a tuple of argnums the result is a tuple; if f returns a tuple of Tensors it is
    a tuple of what each of them has. It takes one walk over f's graph for each number of the output, so that it is meant
    for functions with few outputs, as `jax.jacrev` is. Raises DTypeError if f returns no Tensor.

    >>> import tensorgrad as tg
    >>> jacobian(lambda x: x[:2] * x[2])(np.array([3.0, 5.0, 7.0])).numpy()
    array([[7., 0., 3.],
           [0., 7., 5.]])
    """
    return _jacobian("jacobian", f, argnums)


def jvp(f, primals, tangents):
    """f's value and its derivative in a direction, the Jacobian times a vector: (y, dy), dy in the shape of y.

    primals are f's arguments as a tuple, tangents the direction, one part of the same shape for each argument; a function
    of one argument takes them without the tuple, too. f returns a Tensor or a tuple of Tensors. It walks back twice, the
    first time recorded, whatever the number of outputs: three to six times the work of a gradient, and memory that grows
    with the length of the calculation. Raises ShapeError for tangents of another shape, DTypeError if f returns no
    Tensor.

    >>> import tensorgrad as tg
    >>> y, dy = jvp(lambda x, y: x * y, (np.array([3.0, 5.0]), 2.0), (np.array([1.0, 10.0]), 1.0))
    >>> y.numpy(), dy.numpy()
    (array([ 6., 10.]), array([ 5., 25.]))
    """
    args, entries, directions = _along("jvp", primals, tangents)
    call = _Call("jvp", f, args, entries)
    seeds = [_place(Tensor(constant(np.zeros_like(y._array)))) for y in call.tensors()]
    slopes = _tape.gradients(call.outputs, seeds, call.entries)  # J^T u, at u = 0
    pairs = [(s, v) for s, v in zip(slopes, directions, strict=True) if s is not None]
    tangent = call.pulled([s for s, _ in pairs], [v for _, v in pairs], seeds)
    return call.value(), call.closed(call.like_value(tangent), seeds)


def vjp(f, *primals):
    """f's value and a function that pulls gradients of it back to the arguments: (y, pull), pull(g) = (J^T g, ...).

    pull takes an array of the shape of y (a tuple of them if f returns a tuple) and returns a tuple with one Tensor for
    each argument; it may be called any number of times, each a walk back. Raises ShapeError for a g of another shape,
    DTypeError if f returns no Tensor.

    >>> import tensorgrad as tg
    >>> y, pull = vjp(lambda x, y: x * y, np.array([3.0, 5.0]), np.array([2.0, 4.0]))
    >>> [g.numpy() for g in pull(np.array([1.0, 10.0]))]
    [array([ 2., 40.]), array([ 3., 50.])]
    """
    call = _Call("vjp", f, primals, _entries("vjp", primals, range(len(primals))))
    outputs = call.tensors()

    def pull(g):
        given = g if call.several and isinstance(g, tuple | list) else (g,)
        if len(given) != len(outputs):
            raise ShapeError(
                f"vjp: got {len(given)} gradients for {len(outputs)} outputs; pass a tuple with one for each"
            )
        gs = [_vector("vjp", f"gradient {i}", x, f"output {i}", outputs[i]) for i, x in enumerate(given)]
        return tuple(call.pulled(outputs, gs))

    return call.value(), pull


# ---- how they do it ---------------------------------------------------------------------------------------------------
class _Call:
    """One call of f with some of its arguments, `entries` by position, as fresh places in the graph."""

    def __init__(self, name, f, args, entries, kwargs=None):
        if not callable(f):
            raise OptionError(f"{name}: expected a function, got {f!r}")
        self.name, self.entries = name, list(entries.values())
        chains = {i: _chain(x) for i, x in entries.items()}
        y = f(*(entries.get(i, x) for i, x in enumerate(args)), **(kwargs or {}))
        self.several = isinstance(y, tuple | list)
        self.outputs = [x.value if isinstance(x, Parameter) else x for x in (y if self.several else [y])]
        others, places = _tape.made_from(self.outputs, [x for chain in chains.values() for x in chain[:-1]])
        for i, chain in chains.items():
            if chain[-1] in others and chain[0]._node not in places:
                raise GraphError(
                    f"{name}: the function does not use its argument {i}, but computes with the tensor that was given for "
                    "it: compute with the argument, with a model's parameter through nn.functional_call"
                )
        outer = any(isinstance(args[i], Tensor | Parameter) and args[i].requires_grad for i in entries)
        self.live = outer or bool(others)  # whether derivatives of the derivatives can be asked for

    def tensors(self):
        """The outputs, which must be Tensors of floats."""
        for y in self.outputs:
            if not isinstance(y, Tensor):
                raise DTypeError(
                    f"{self.name}: the function must return a Tensor or a tuple of Tensors, got {type(y).__name__}; "
                    "compute with np.sin, say, not with math.sin, and return no .numpy()"
                )
            if y.dtype not in FLOATS:
                raise DTypeError(f"{self.name}: the function returned dtype {y.dtype}, which has no derivative")
        return self.outputs

    def scalar(self):
        """The output, which must be one number."""
        y = self.outputs[0] if not self.several else tuple(self.outputs)
        if not isinstance(y, Tensor) or y.size != 1:
            what, hint = type(y).__name__, "compute with np.sin, say, not with math.sin"
            if isinstance(y, Tensor):
                what, hint = f"a tensor of shape {y.shape}", "reduce it with .sum() or .mean()"
            raise ShapeError(f"{self.name}: the function must return a scalar Tensor, got {what}; {hint}")
        return y

    def pulled(self, roots, gs, wanted=None):
        """Gradients of the `wanted` tensors (the entries), given those of the roots: zeros where one does not matter."""
        wanted = self.entries if wanted is None else wanted
        recorded = self.live or any(g.requires_grad for g in gs)
        found = _tape.gradients(roots, gs if recorded else [g._array for g in gs], wanted, recorded)
        return [_result(x, s) for x, s in zip(wanted, found, strict=True)]

    def rows(self, y):
        """The Jacobian of one output by each of the entries."""
        seeds = [constant(np.eye(1, y.size, i, y.dtype).reshape(y.shape)) for i in range(y.size)]
        rows = [self.pulled([y], [Tensor(seed)]) for seed in seeds]
        if not rows:
            return [Tensor(constant(np.zeros(y.shape + x.shape, x.dtype))) for x in self.entries]
        return [
            OPS["reshape"](OPS["stack"](*(row[k] for row in rows)), y.shape + x.shape)
            for k, x in enumerate(self.entries)
        ]

    def value(self):
        """What f returned, outside the graph if nobody can ask for its derivative."""
        return self.like_value(self.outputs if self.live else [y.detach() for y in self.outputs])

    def closed(self, results, places=()):
        """Results as they are, when no more derivatives are taken by the entries and other places of this call."""
        for x in (*self.entries, *places):
            x.requires_grad = True in x._node.needs
        return results

    def like_value(self, tensors):
        """One tensor for each output, in a tuple if f returned one."""
        return tuple(tensors) if self.several else tensors[0]


def _value_and_grad(name, f, argnums):
    @functools.wraps(f)
    def evaluate(*args, **kwargs):
        chosen = _positions(name, argnums, len(args))
        call = _Call(name, f, args, entries := _entries(name, args, chosen), kwargs)
        y = call.scalar()
        slopes = call.closed(call.pulled([y], [Tensor(constant(np.ones_like(y._array)))]))
        return call.value(), _chosen(dict(zip(entries, slopes, strict=True)), chosen, argnums)

    return evaluate


def _grad(name, f, argnums):
    evaluate = _value_and_grad(name, f, argnums)

    @functools.wraps(f)
    def slope(*args, **kwargs):
        return evaluate(*args, **kwargs)[1]

    return slope


def _jacobian(name, f, argnums):
    @functools.wraps(f)
    def evaluate(*args, **kwargs):
        chosen = _positions(name, argnums, len(args))
        call = _Call(name, f, args, entries := _entries(name, args, chosen), kwargs)
        blocks = [dict(zip(entries, call.rows(y), strict=True)) for y in call.tensors()]
        return call.closed(call.like_value([_chosen(b, chosen, argnums) for b in blocks]))

    return evaluate


def _positions(name, argnums, count):
    """argnums (a number or several, negative ones from the end) as positions among `count` arguments."""
    chosen = tuple(argnums) if isinstance(argnums, tuple | list) else (argnums,)
    for i in chosen:
        if not isinstance(i, int | np.integer) or isinstance(i, bool):
            raise OptionError(f"{name}: argnums must be a whole number or several, got {argnums!r}")
        if not -count <= i < count:
            raise OptionError(f"{name}: argnums {argnums} is out of range; the function got {count} arguments")
    return [int(i) % count for i in chosen]


def _chosen(found, chosen, argnums):
    """What was found for each position, in the form of argnums: for one number itself, for several a tuple."""
    return tuple(found[i] for i in chosen) if isinstance(argnums, tuple | list) else found[chosen[0]]


def _entries(name, args, positions):
    """position -> the argument as a fresh place in the graph, connected to the outer one if there is one."""
    if not _tape.mode.recording:
        raise GraphError(f"{name}: nothing can be recorded under tg.no_grad()")
    dtypes = {a.dtype for a in args if isinstance(a, Tensor | Parameter | np.ndarray) and a.dtype in FLOATS}
    plain = dtypes.pop() if len(dtypes) == 1 else None  # that of Python's numbers beside arrays
    entries = {}
    for i in positions:
        x = args[i]
        if is_grid(x):
            raise EngineError(f'{name}: argument {i} is on the scalar engine; use its backward, or model.to("tensor")')
        t = x.value if isinstance(x, Parameter) else x
        if not isinstance(t, Tensor):
            t = _as_tensor(name, f"argument {i}", x, plain if type(x) is float else None)
        if t.dtype not in FLOATS:
            raise DTypeError(
                f"{name}: argument {i} has dtype {t.dtype}; gradients need float32 or float64: write 2.0 for 2"
            )
        entries[i] = _place(t)
    return entries


def _place(t):
    """A tensor as a fresh place in the graph, which requires a gradient, also where the tensor does not."""
    op, x = OPS["positive"], OPS["positive"](t)
    return x if x.requires_grad else Tensor(x._array, True, _tape.Node(op, [t], {}, x._array, [False]))


def _chain(x):
    """A place in the graph, those of outer derivatives that it stands on, and the leaf."""
    chain = [x]
    while (node := chain[-1]._node) is not None and node.op is OPS["positive"]:
        chain.append(node.inputs[0])
    return chain


def _along(name, primals, tangents):
    """The arguments of a function, their places in the graph, and a direction as Tensors of their shapes."""
    if isinstance(primals, list) and any(isinstance(x, Tensor | Parameter | np.ndarray) for x in primals):
        raise OptionError(f"{name}: primals is a list of arrays; several arguments are a tuple, (x, y)")
    if isinstance(primals, tuple) != isinstance(tangents, tuple):
        one, other = ("primals", "tangents") if isinstance(primals, tuple) else ("tangents", "primals")
        raise OptionError(f"{name}: {one} is a tuple and {other} is not; pass two tuples, or two arrays")
    args, given = (primals, tangents) if isinstance(primals, tuple) else ((primals,), (tangents,))
    if len(args) != len(given):
        raise OptionError(f"{name}: got {len(args)} primals and {len(given)} tangents; each argument needs one")
    entries = _entries(name, args, range(len(args)))
    directions = [_vector(name, f"tangent {i}", v, f"argument {i}", entries[i]) for i, v in enumerate(given)]
    return args, entries, directions


def _vector(name, what, v, whose, x):
    """A tangent or an incoming gradient as a Tensor of the shape and dtype of x."""
    v = v.value if isinstance(v, Parameter) else v
    t = v if isinstance(v, Tensor) else _as_tensor(name, what, v, x.dtype)
    if t.shape != x.shape:
        raise ShapeError(f"{name}: {what} has shape {t.shape}, {whose} has {x.shape}; they must be equal")
    if t.dtype != x.dtype:
        raise DTypeError(f"{name}: {what} has dtype {t.dtype}, {whose} has {x.dtype}; use .astype(...)")
    return t


def _as_tensor(name, what, x, dtype):
    """tg.tensor, whose errors name what it was for."""
    try:
        t = tensor(x)
        return t if dtype is None or dtype == t.dtype else tensor(x, dtype=dtype)
    except DTypeError as error:
        raise DTypeError(str(error).replace("tensor:", f"{name}: {what}:", 1)) from None


def _result(x, g):
    """A gradient of x as the caller gets it: zeros for None; numbers, which others may share, as a copy."""
    if g is None:
        return Tensor(constant(np.zeros_like(x._array)))
    return g if isinstance(g, Tensor) else OPS["positive"](Tensor(np.asarray(g)))
