"""Models and tensors as pictures of graphs: a box for each op, inside the layer that called it."""

import contextlib
import itertools
from collections import Counter

from microgrid._drawing import (
    BLUE,
    LINE,
    MOST_EDGES,
    MOST_NODES,
    ORANGE,
    PALE_BLUE,
    PALE_ORANGE,
    QUIET,
    box,
    counted,
    dot_text,
    left_out,
    markup,
    numbered,
)
from microgrid._drawing import Drawing as ScalarDrawing

from .._coerce import is_grid
from .._options import whole
from .._parameter import Parameter
from .._tensor import Tensor
from ..errors import FileError, GraphError, MissingPackage, OptionError
from ..nn import Module
from ._flow import CONSTANT, INPUT, LAYER, OP, PARAMETER, folded, in_order, of_model, of_tensor
from .palette import OKABE_ITO

GREEN, PALE_GREEN, PALE_GREY, WHITE = OKABE_ITO[2], "#DDF2EA", "#F6F6F6", "#FFFFFF"
COLOURS = {
    INPUT: (GREEN, PALE_GREEN),
    PARAMETER: (BLUE, PALE_BLUE),
    CONSTANT: (LINE, PALE_GREY),
    OP: (QUIET, WHITE),
    LAYER: (QUIET, WHITE),
}
ROOM = "&#160;" * 14  # left of the title of a layer, where arrows come in
ORANGE_BOX = (ORANGE, PALE_ORANGE)
CLUSTER = f'''labeljust=r, style="rounded,filled", margin=8, color="{LINE}", fillcolor="{PALE_GREY}", fontsize=10, \
fontcolor="{QUIET}"'''


class Drawing(ScalarDrawing):
    """microgrid's Drawing, with tensorgrad's errors."""

    bad_kind, bad_path, no_package, failed = OptionError, FileError, MissingPackage, GraphError


def draw(model, input=None, depth=None):
    """A picture of what a model computes for an input, or of how a tensor was computed.

    Ops are boxes with the shape and dtype of what they give, inside a box for each layer, nested as layers are; inputs
    are green, parameters blue, results orange. Returns a Drawing: notebooks show it, `.save("g.svg")`, `.png` and `.dot`
    write it, which but for `.dot` needs the extra `viz`.

    model: a Module, in the mode that it is in, and `input` what it is called with, an array or Tensor (n, ...), or a tuple
    of several; the model stays as it is, as a copy computes. depth: how many levels of layers to open; what is deeper
    inside is one box a layer. None: all, or as many as make 500 boxes.

    Or a Tensor or a grid of Values, without input: what was recorded, `depth` steps back (None: all). Values are drawn
    by `microgrid.draw`.

    Raises OptionError for what cannot be drawn, calls no op, or has more than 500 boxes or 1,500 edges, GraphError for a
    graph that a backward has freed, and what the model raises.

    >>> from tensorgrad import nn
    >>> model = nn.Sequential(nn.Dense(2, 16), nn.ReLU(), nn.Dense(16, 3))
    >>> draw(model, [[0.5, 1.0]])
    <Drawing of 8 nodes and 7 edges>
    >>> draw(model, [[0.5, 1.0]], depth=1)
    <Drawing of 4 nodes and 3 edges>
    """
    if depth is not None:
        depth = whole("draw", "depth", depth, 0)
    if isinstance(model, Module):
        if input is None:
            raise OptionError("draw: a model is drawn as it computes; give it an input, such as draw(model, X[:1])")
        results = of_model(model, input if isinstance(input, tuple) else (input,))
        return _drawing(_opened(results, depth), None)
    if input is not None:
        raise OptionError(f"draw: only a model takes an input, got {type(model).__name__} and one")
    if isinstance(model, Parameter):
        model = model.value
    if isinstance(model, Tensor):
        return _drawing(of_tensor(model), depth)
    if is_grid(model):
        import microgrid
        from microgrid._grid import lift

        with _as_option_error():
            drawing = microgrid.draw(lift(model), depth=depth)
        return Drawing(drawing.dot, drawing.nodes, drawing.edges)
    raise OptionError(
        f"draw: expected a model (nn.Module) and an input, a Tensor, or a grid of Values, got {type(model).__name__}"
    )


@contextlib.contextmanager
def _as_option_error():
    """What microgrid refuses is refused with tensorgrad's error."""
    try:
        yield
    except ValueError as error:
        raise OptionError(str(error)) from None


def _opened(results, depth):
    """The results with this many levels of layers opened, None for as many as fit into a picture."""
    levels = max(len(part.layers) for part in in_order(results))
    least, most = (1, levels) if depth is None else (0, min(depth, levels))
    advice = "draw a part of it, such as model[:20] or a layer inside it"
    for opened in range(most, least - 1, -1):
        seen = folded(results, opened)
        nodes, edges = _size(seen)
        if nodes <= MOST_NODES and edges <= MOST_EDGES:
            if depth is None or opened == most:
                return seen
            advice = f"depth={opened} fits"
            break
    shown = 1 if depth is None else most
    nodes, edges = _size(folded(results, shown))
    raise OptionError(
        f"draw: at depth={shown} the model has {counted(nodes, 'node')} and {counted(edges, 'edge')}, and a picture takes "
        f"{MOST_NODES} and {MOST_EDGES:,}; {advice}"
    )


def _size(results):
    """How many nodes and edges the results have."""
    parts = in_order(results)
    return len(parts), sum(len(part.parents) for part in parts)


def _drawing(results, depth):
    """The picture of parts that results were made of, layer by layer."""
    with _as_option_error():
        number = numbered(results, depth, "draw")
    beside = _beside(results, number)
    aside = {part for parts in beside.values() for part in parts}
    inside: dict = {}  # {Call: {the same for what is called in it, None: [parts]}}
    for part in number:
        if part not in aside:
            place = inside
            for call in part.layers[1:]:  # without the model itself
                place = place.setdefault(call, {})
            place.setdefault(None, []).append(part)

    def boxes(part, layer=""):
        """The lines of a box, and of those on its right."""
        i, colours = number[part], ORANGE_BOX if part in results else COLOURS[part.role]
        lines = [f"{i} [label=<{box(_rows(part, layer), *colours)}>]"]
        if parts := beside.get(part, ()):
            j = number[parts[0]]
            role = PARAMETER if any(p.role == PARAMETER for p in parts) else CONSTANT
            lines.append(f"{j} [label=<{box([' '.join(_rows(p)) for p in parts], *COLOURS[role])}>]")
            lines.append(f"{{ rank=same; {i} -> {j} [dir=back] }}")
        return lines

    def clusters(inside, around=()):
        """The lines of boxes, and of the layers around them; a layer of a single box is that box."""
        lines = [line for part in inside.get(None, ()) for line in boxes(part)]
        for call, more in inside.items():
            if call is not None:
                title = call.title(around)
                if more.keys() == {None} and len(more[None]) == 1 and not beside.get(more[None][0]):
                    lines += boxes(more[None][0], title)
                else:
                    head = f"label=<<B>{ROOM}{markup(title, most=60)}</B>>, {CLUSTER}"
                    lines += [f"subgraph cluster_{next(names)} {{", f"graph [{head}]", *clusters(more, (call,)), "}"]
        return lines

    names = itertools.count()
    lines = clusters(inside)
    edges = [(number[p], i, "") for part, i in number.items() for p in part.parents if p in number and p not in aside]
    beyond = left_out(number, lines)
    return Drawing(dot_text(lines, edges + beyond, down=True), len(number), len(edges) + len(aside))


def _beside(results, number):
    """{op: [parts]}: the parameters and constants that only this op uses once, which stand on its right."""
    uses = Counter(p for part in number for p in part.parents)
    found = {}
    for part in number:
        own = [p for p in part.parents if uses[p] == 1 and p not in results and p in number]
        flows = any(p.role not in (PARAMETER, CONSTANT) for p in part.parents)
        roles = (PARAMETER, CONSTANT) if flows else (PARAMETER,)
        found[part] = [p for p in own if p.role in roles]
    return found


def _rows(part, layer=""):
    """The text in a box: of an op (with a layer that is nothing else), an array, or a layer with all inside it."""
    rows = [f'<FONT COLOR="{QUIET}" POINT-SIZE="10"><B>{markup(layer, most=60)}</B></FONT>'] if layer else []
    name = f"<B>{markup(part.name, most=60)}</B>"
    rows.append(f'<FONT COLOR="{QUIET}">{name}</FONT>' if part.role == CONSTANT else name)
    rows.append(f'{markup(part.shape)} <FONT COLOR="{QUIET}">{part.dtype}</FONT>')
    if part.parameters:
        rows.append(f'<FONT COLOR="{BLUE}">{counted(part.parameters, "parameter")}</FONT>')
    return rows
