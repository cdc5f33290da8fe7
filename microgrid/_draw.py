"""Graphs of Values as pictures: a box for each Value, an edge for each local derivative.

    >>> from microgrid import Value
    >>> x, y = Value(2.0, label="x"), Value(3.0, label="y")
    >>> z = x * y + x
    >>> z.backward()
    >>> draw(z)  # a notebook shows the picture; draw(z).save("z.svg") writes it
    <Drawing of 4 nodes and 4 edges>

What goes forward is black, what goes backward is red.
"""

from decimal import Decimal
from fractions import Fraction
from numbers import Number

from ._drawing import (
    BLUE,
    LINE,
    ORANGE,
    PALE_BLUE,
    PALE_ORANGE,
    QUIET,
    RED,
    Drawing,
    box,
    dot_text,
    left_out,
    markup,
    numbered,
    tip,
)
from .value import Value

LARGEST = 10**9  # whole numbers below it are written in full

MINUS = "\N{MINUS SIGN}"
SIGNS = {"*": "\N{MULTIPLICATION SIGN}", "-": MINUS, "neg": MINUS}


def draw(root, *, grads: bool = True, depth: int | None = None) -> Drawing:
    """A picture of how a Value was computed, from the leaves (blue) to the result (orange).

    root: a Value, or several (a list, or a grid). Each box has the label, `data`, and `grad` if a backward brought one;
    grads=False leaves gradients out. On each edge is the local derivative of the box that it leads to, with respect to
    the box that it comes from: a Value that is used twice has two edges.

    depth: how many steps to go back from the root, None for all. Raises ValueError for a graph of more than 500 nodes or
    1,500 edges, and for no nodes at all; TypeError for what is no Value.

    >>> x = Value(3.0, label="x")
    >>> draw(x * x)
    <Drawing of 2 nodes and 2 edges>
    >>> 'label="3"' in draw(x * x).dot
    True
    """
    roots = _roots(root)
    number = numbered(roots, depth, "draw")
    lines, edges = [], []
    for v, i in number.items():
        lines.append(f"{i} [label=<{_box(v, v in roots, grads)}>]")
        # a Value of another class may work out its slopes when a backward comes by, and not before
        slopes = slopes_of(v, "draw") if type(v) is Value else [None] * len(v.parents)
        for parent, slope in zip(v.parents, slopes, strict=True):
            if parent in number:
                said = number_text(slope)
                words = tip(f"d({_name(v)}) / d({_name(parent)}) = {said or '?'}")
                edges.append((number[parent], i, f"[label={tip(said)}, tooltip={words}, labeltooltip={words}]"))
    beyond = left_out(number, lines)
    return Drawing(dot_text(lines, edges + beyond), len(number), len(edges))


def _roots(root) -> dict:
    """The Values to begin with, each once."""
    if isinstance(root, Value):
        return {root: None}
    if hasattr(root, "ravel"):  # an array
        root = root.ravel().tolist()
    found = list(root) if isinstance(root, list | tuple | set | dict) else [root]
    for v in found:
        if not isinstance(v, Value):
            raise TypeError(
                f"draw: expected a Value, or a list or grid of Values, got {'one with ' * (v is not root)}"
                f"{type(v).__name__} {str(v)[:40]!r}; numbers become Values by Value(number)"
            )
    if not found:
        raise ValueError(f"draw: expected at least one Value, got {root!r}: there is nothing to draw")
    return dict.fromkeys(found)


def slopes_of(v, name):
    """The local derivatives of a Value; ValueError in the name of a function unless there is one for each parent."""
    slopes = v.local
    if len(slopes) != len(v.parents):
        raise ValueError(
            f"{name}: a Value of op {v.op!r} has {len(v.parents)} parents and {len(slopes)} local derivatives; "
            "it needs one for each"
        )
    return slopes


def _box(v, is_root, grads) -> str:
    """The table that stands for a Value: its op on the left, then label, data and grad."""
    edge, fill = (ORANGE, PALE_ORANGE) if is_root else (LINE, "white") if v.parents else (BLUE, PALE_BLUE)
    rows = [f"<B>{markup(v.label)}</B>"] if v.label else []
    rows.append(f'<FONT COLOR="{QUIET}">data</FONT> {markup(number_text(v.data))}')
    if grads and v.grad is not None:
        rows.append(f'<FONT COLOR="{RED}">grad {markup(number_text(v.grad))}</FONT>')
    return box(rows, edge, fill, SIGNS.get(v.op, v.op or "?") if v.parents else "")


def _name(v) -> str:
    return v.label or v.op or number_text(v.data)


def number_text(x, digits=4) -> str:
    """A number in so many digits, with a minus as long as a plus; short fractions and whole numbers in full; "" for
    what is no number.

    >>> number_text(2.0), number_text(-0.123456), number_text(Fraction(1, 3)), number_text(1e-12)
    ('2', '−0.1235', '1/3', '1e−12')
    """
    x = x.item() if isinstance(x, Value) else x
    if isinstance(x, int | Fraction) and max(abs(x.numerator), x.denominator) < LARGEST:
        text = str(x)
    elif isinstance(x, float | int):
        text = format(Decimal(x) if isinstance(x, int) else x, f".{digits}g")
    elif isinstance(x, Fraction):
        text = "≈ " + format(Decimal(x.numerator) / Decimal(x.denominator), f".{digits}g")
    elif hasattr(x, "context") and hasattr(x.context, "nstr"):  # mpmath's
        text = x.context.nstr(x, digits)
    else:
        text = str(x)[:16] if isinstance(x, Number) else ""
    return text.replace("-", MINUS)
