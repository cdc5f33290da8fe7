"""The backward pass written down: which gradient comes to each Value, and what it hands on to those it was made of.

>>> from microgrid import Value
>>> x, y = Value(2.0, label="x"), Value(3.0, label="y")
>>> z = x * y + x
>>> print(trace(z))
backward from v2 = 8
node  op  value  gradient  to      local derivative  contribution  sum so far
v2    +       8         1  v1 = 6                 1             1           1
                           x = 2                  1             1           1
v1    *       6         1  x = 2                  3             3           4
                           y = 3                  2             2           2
gradients of the leaves: x 4, y 2
"""

import html
import threading
from itertools import groupby
from typing import Any, NamedTuple

from ._draw import number_text, slopes_of
from ._drawing import QUIET, RED, printed
from .value import Value

SHOWN = 60  # rows that are printed of a long pass: half of them from its begin, half from its end
DIGITS, LONGEST_NAME = 6, 16
ONE_AT_A_TIME = threading.RLock()  # while a pass runs, its gradients are in the Values
WORDS, GRADIENTS = (0, 1, 4), (3, 6, 7)  # columns of words, and of what goes backward
HEADS = "node", "op", "value", "gradient", "to", "local derivative", "contribution", "sum so far"


class Row(NamedTuple):
    """What a node hands on to one parent: its gradient times the local derivative, added to what the parent has got."""

    node: Value
    gradient: Any
    parent: Value
    local: Any
    contribution: Any
    total: Any


class Transcript:
    """A backward pass as a table, in its order. Print it, or end a notebook's cell with it; `rows` are its numbers.

    A node that is used twice gets two contributions. `name(value)` is what a Value is called in the table: its label, or v1,
    v2, ... in the order of computation.

    >>> x = Value(3.0, label="x")
    >>> [(row.contribution, row.total) for row in trace(x * x).rows]
    [(3.0, 3.0), (3.0, 6.0)]
    """

    def __init__(self, root: Value, order: list[Value], rows: list[Row]):
        self.root, self.rows = root, rows
        self._names = _named(order)
        self._numbers = {v: v.data for v in self._names}  # which training changes

    def name(self, value: Value) -> str:
        """What a Value is called in the table; KeyError if it is not in it."""
        return self._names[value]

    @property
    def leaves(self) -> dict[str, Any]:
        """{name: gradient} of the Values that were made of nothing, in the order in which the pass comes to them."""
        return {self._names[row.parent]: row.total for row in self.rows if not row.parent.parents}

    def _number(self, value: Value) -> str:
        return number_text(self._numbers[value], DIGITS)

    def _lines(self) -> list[list[str]]:
        """The cells of the rows that are shown; those of a node stand in its first row alone."""
        shown = self.rows
        if len(shown) > SHOWN:
            shown = shown[: SHOWN // 2] + shown[-SHOWN // 2 :]
        lines = []
        for _, of_node in groupby(shown, key=lambda row: id(row.node)):  # as Values of one number are equal
            rows = list(of_node)
            node = rows[0].node
            about = [self._names[node], printed(node.op, LONGEST_NAME), self._number(node)]
            for row in rows:
                numbers = (row.local, row.contribution, row.total)
                to = f"{self._names[row.parent]} = {self._number(row.parent)}"
                gradient = [number_text(row.gradient, DIGITS)] if about[0] else [""]
                lines.append([*about, *gradient, to, *(number_text(n, DIGITS) for n in numbers)])
                about = ["", "", ""]
        return lines

    def _between(self) -> str:
        """What is said of the rows that are not shown; "" if all are."""
        left_out = len(self.rows) - SHOWN
        return f"... {left_out:,} more, in .rows ..." if left_out > 0 else ""

    def _ends(self) -> tuple[str, str]:
        """What stands above and below the table."""
        leaves = list(self.leaves.items())
        said = ", ".join(f"{name} {number_text(g, DIGITS)}" for name, g in leaves[:8])
        more = f" and {len(leaves) - 8:,} more" if len(leaves) > 8 else ""
        above = f"backward from {self._names[self.root]} = {self._number(self.root)}"
        return above, f"gradients of the leaves: {said}{more}"

    def __str__(self) -> str:
        lines = [list(HEADS), *self._lines()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = []
        for cells in lines:
            padded = [
                f"{cell:{'<' if i in WORDS else '>'}{w}}" for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
            ]
            text.append("  ".join(padded))
        if between := self._between():
            text.insert(1 + SHOWN // 2, between)
        above, below = self._ends()
        return "\n".join(line.rstrip() for line in [above, *text, below])

    def _repr_html_(self) -> str:
        def cell(i, text, tag, look):
            side, colour = (
                ("left" if i in WORDS else "right"),
                (f"color:{RED};" if i in GRADIENTS and tag == "td" else ""),
            )
            style = f"text-align:{side};padding:2px 10px;white-space:nowrap;{colour}{look}"
            return f'<{tag} style="{style}">{html.escape(text)}</{tag}>'

        def line(cells, tag="td"):
            look = "border-top:1px solid #ddd;" if cells[0] else "border-top:none;"
            return f"<tr>{''.join(cell(i, text, tag, look) for i, text in enumerate(cells))}</tr>"

        lines = [line(cells) for cells in self._lines()]
        if between := self._between():
            lines.insert(
                SHOWN // 2, f'<tr><td colspan="8" style="text-align:center;color:{QUIET};">{between}</td></tr>'
            )
        above, below = (f"<div>{html.escape(text)}</div>" for text in self._ends())
        return f"{above}<table><thead>{line(HEADS, 'th')}</thead><tbody>{''.join(lines)}</tbody></table>{below}"

    def __repr__(self) -> str:
        return f"<Transcript of {len(self.rows):,} contributions; print it>"


def trace(root: Value) -> Transcript:
    """Run the backward pass of a Value and write down each step, in the order in which `backward` takes them.

    It begins with a gradient of 1, and with none anywhere else, leaves included. The gradients that Values hold stay as they
    are.
    Raises TypeError for what is no Value, ValueError for a Value that was not computed from others, and for one without a
    local derivative for each parent.

    >>> from fractions import Fraction
    >>> x = Value(Fraction(1, 3), label="x")
    >>> trace(x * x * x).leaves
    {'x': Fraction(1, 3)}
    """
    if not isinstance(root, Value):
        raise TypeError(f"trace: expected a Value, got {type(root).__name__}; of a grid, give one: grid[0, 0]")
    if not root.parents:
        raise ValueError(f"trace: {root!r} was not computed from other Values: there is no way back; give a result")
    rows = []
    with ONE_AT_A_TIME:
        held = _gradients(root)
        try:
            for v in held:
                v.grad = None
            order = root._order()
            root.grad = Value(1) if isinstance(root.data, Value) else 1
            for node in reversed(order):
                for parent, local in zip(node.parents, slopes_of(node, "trace"), strict=True):
                    contribution = local * node.grad
                    parent.grad = contribution if parent.grad is None else parent.grad + contribution
                    rows.append(Row(node, node.grad, parent, local, contribution, parent.grad))
        finally:
            for v, grad in held.items():
                v.grad = grad
    return Transcript(root, order, rows)


def _gradients(root: Value) -> dict[Value, Any]:
    """The gradients that the root and all that it was made of hold."""
    held, stack = {root: root.grad}, [root]
    for node in stack:  # which grows until all are found
        if strange := [parent for parent in node.parents if not isinstance(parent, Value)]:
            raise TypeError(f"trace: {node!r} has a parent {strange[0]!r}, which is no Value")
        new = {parent: parent.grad for parent in node.parents if parent not in held}
        held |= new
        stack += new
    return held


def _named(order: list[Value]) -> dict[Value, str]:
    """{Value: name}, each another one: labels, with a number behind those that came before; v1, v2, ... for others."""
    labels = {v: printed(v.label, LONGEST_NAME) for node in order for v in (*node.parents, node)}
    first: dict[str, Value] = {}
    for v, label in labels.items():
        first.setdefault(label, v)
    first.pop("", None)
    names = {v: label for label, v in first.items()}
    last: dict[str, int] = {}
    for v, label in labels.items():
        if v not in names:
            stem, before = (f"{label}#", 1) if label else ("v", 0)
            count = last.get(stem, before) + 1
            while f"{stem}{count}" in first:
                count += 1
            last[stem], names[v] = count, f"{stem}{count}"
    return names
