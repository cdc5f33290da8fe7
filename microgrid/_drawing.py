"""A picture of a graph: DOT text, laid out and painted by Graphviz where that is installed."""

import contextlib
import html
import importlib.util
import os
import subprocess
import sys
import threading
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

SECONDS = 30  # Graphviz may think about one picture
DOTS_PER_INCH = 144  # of PNG
KINDS = (".svg", ".png", ".dot")
MOST_NODES, MOST_EDGES = 500, 1500  # of one picture: nobody could read more
MOST_LENGTH = 2000  # of all edges, in columns, that Graphviz finds curves for within seconds
BACKSLASH, OTHER_BACKSLASH = "\\", "\N{SET MINUS}"

# Okabe and Ito 2008, "Color Universal Design": blue, orange and vermilion, the last darker for text, and tints
BLUE, ORANGE, RED = "#0072B2", "#E69F00", "#C24E00"
PALE_BLUE, PALE_ORANGE = "#E3F0F8", "#FCF1D9"
INK, QUIET, LINE = "#222222", "#666666", "#9A9A9A"

HEAD = f"""digraph {{
  graph [LAYOUT, bgcolor=white, pad=0.15, fontname="Helvetica"]
  node [shape=plain, fontname="Helvetica", fontsize=11, fontcolor="{INK}"]
  edge [color="{LINE}", penwidth=1.1, arrowsize=0.6, fontname="Helvetica", fontsize=10, fontcolor="{RED}"]"""

# Runs in a process of its own: a layout that takes too long, or a crash in C code, then ends nothing but itself.
PAINT = """
import sys
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot", args=sys.argv[2]))
"""


class Drawing:
    """A graph to look at. Notebooks show it by themselves; `save` writes it, `dot` and `svg` are its text.

    `dot` is in Graphviz's language and needs nothing installed. SVG and PNG need the package pygraphviz, whose wheels
    bring Graphviz along: pip install "microgrid-tensorgrad[viz]".

    >>> drawing = Drawing('digraph { x -> y }', nodes=2, edges=1)
    >>> drawing
    <Drawing of 2 nodes and 1 edge>
    >>> drawing.dot
    'digraph { x -> y }'
    """

    bad_kind: type[Exception] = ValueError
    bad_path: type[Exception] = OSError
    no_package: type[Exception] = ImportError
    failed: type[Exception] = RuntimeError

    def __init__(self, dot: str, nodes: int, edges: int):
        self.dot, self.nodes, self.edges = dot, nodes, edges

    @cached_property
    def svg(self) -> str:
        """The picture as SVG text. Raises ImportError without pygraphviz, RuntimeError if Graphviz fails."""
        text = self._painted("svg").decode()
        return text[text.index("<svg") :]

    def save(self, path) -> Path:
        """Write the picture and return the path, whose suffix says how: .svg, .png or .dot.

        Missing folders are made, and the file appears complete or not at all. A symbolic link stays one.
        Raises ValueError for another suffix and for what is no path, OSError for a path that cannot be written, and what
        `svg` raises.

        >>> import tempfile
        >>> Drawing('digraph { x -> y }', nodes=2, edges=1).save(tempfile.mkdtemp() + "/graph.dot").name
        'graph.dot'
        """
        if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
            raise self.bad_kind(f"Drawing.save: expected a path, as a string or a pathlib.Path, got {path!r}")
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in KINDS:
            near = get_close_matches(kind, KINDS, n=1, cutoff=0.7)
            hint = f"; did you mean {path.stem + near[0]!r}?" if near else ""
            raise self.bad_kind(
                f"Drawing.save: expected a path that ends in {', '.join(KINDS)}, got {os.fspath(path)!r}{hint}"
            )
        if kind == ".png":
            picture = self._painted("png", f"-Gdpi={DOTS_PER_INCH}")
        else:
            picture = (self.dot if kind == ".dot" else self.svg).encode()
        unfinished = None
        try:
            target = Path(os.path.realpath(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f".{target.name[:50]}.{os.getpid()}.{threading.get_ident()}")
            unfinished.write_bytes(picture)
            unfinished.replace(target)
        except (OSError, ValueError) as error:  # the second is for a null character in the path
            raise self.bad_path(
                f"Drawing.save: cannot write {os.fspath(path)!r}: {getattr(error, 'strerror', None) or error}; "
                "give a path in a folder that you may write to"
            ) from error
        finally:
            if unfinished is not None:
                with contextlib.suppress(OSError):
                    unfinished.unlink()
        return path

    def _painted(self, kind, options=""):
        """The bytes that Graphviz makes of the DOT text."""
        if not _has_pygraphviz():
            raise self.no_package(
                f"a graph as {kind.upper()} needs pygraphviz, which is not installed: "
                'pip install "microgrid-tensorgrad[viz]"; .dot and .save("g.dot") need nothing'
            )
        try:
            done = subprocess.run(
                [sys.executable, "-c", PAINT, kind, options],
                input=self.dot.encode(),
                capture_output=True,
                timeout=SECONDS,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except subprocess.TimeoutExpired:
            raise self.failed(
                f"Drawing: Graphviz found no place for {self} within {SECONDS} seconds; draw a part of the graph"
            ) from None
        except OSError as error:  # too many open files, say
            raise self.failed(f"Drawing: Graphviz could not be started: {error}") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise self.failed(f"Drawing: Graphviz failed (exit code {done.returncode}): {said}")
        if b"too large" in done.stderr:  # it has been made smaller until it fitted, beyond reading
            raise self.failed(f"Drawing: {self} is too large for {kind.upper()}; save it as .svg, or draw a part of it")
        return done.stdout

    def _repr_svg_(self) -> str | None:
        """For notebooks; without pygraphviz they show the text of `repr`, which says what is missing."""
        return self.svg if _has_pygraphviz() else None

    def __repr__(self) -> str:
        how = "" if _has_pygraphviz() else '; to see it: pip install "microgrid-tensorgrad[viz]"'
        return f"<Drawing of {counted(self.nodes, 'node')} and {counted(self.edges, 'edge')}{how}>"


def box(rows: list[str], line: str, fill: str, sign: str = "") -> str:
    """An HTML-like label: a rounded box with rows of text, left of them the sign of an op, as the port `op`.

    >>> box(["x"], "black", "white")
    '<TABLE BORDER="1" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" COLOR="black" BGCOLOR="white">\
<TR><TD ALIGN="LEFT">&#160;x&#160;</TD></TR></TABLE>'
    """
    cells = [f'<TD ALIGN="LEFT">&#160;{row}&#160;</TD>' for row in rows]
    if sign:
        cells[0] = (
            f'<TD PORT="op" ROWSPAN="{len(rows)}" SIDES="R" BORDER="1" COLOR="{line}" CELLPADDING="4">'
            f'<B><FONT POINT-SIZE="13">{markup(sign, most=16)}</FONT></B></TD>{cells[0]}'
        )
    table = f'BORDER="1" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" COLOR="{line}" BGCOLOR="{fill}"'
    return f"<TABLE {table}>{''.join(f'<TR>{cell}</TR>' for cell in cells)}</TABLE>"


def dot_text(lines: list[str], edges: list[tuple[int, int, str]], down: bool = False) -> str:
    """The DOT text of a graph from left to right, or `down`: lines that declare nodes 0, 1, ..., and edges, each a tail, a
    head and its attributes. From left to right an edge ends at the port `op` of its head.

    Where many edges pass many nodes, curves around them would take Graphviz minutes: there they are straight lines.

    >>> print(dot_text(["0", "1"], [(0, 1, "[label=a]")]))  # doctest: +ELLIPSIS
    digraph {
      graph [rankdir=LR, ...]
      ...
      0
      1
      0:e -> 1:op:w [label=a]
    }
    <BLANKLINE>
    """
    arrows = [f"{tail}:s -> {head}:n {how}" if down else f"{tail}:e -> {head}:op:w {how}" for tail, head, how in edges]
    layout = "rankdir=TB, newrank=true, nodesep=0.3, ranksep=0.3" if down else "rankdir=LR, nodesep=0.22, ranksep=0.5"
    if _length(edges) > MOST_LENGTH:
        layout += ", nslimit=1, splines=line"
    return "\n  ".join([HEAD.replace("LAYOUT", layout), *lines, *arrows]) + "\n}\n"


def _length(edges) -> int:
    """How many columns of the picture all edges cross together, where a node stands right of all that lead to it."""
    users: dict = {}
    waits: dict = {}
    for tail, head, _ in edges:
        users.setdefault(tail, []).append(head)
        waits[head] = waits.get(head, 0) + 1
    ready = [node for node in users if node not in waits]
    column = dict.fromkeys(ready, 0)
    for node in ready:  # which grows until all are in their columns
        for user in users.get(node, ()):
            column[user] = max(column.get(user, 0), column[node] + 1)
            waits[user] -= 1
            if not waits[user]:
                ready.append(user)
    return sum(column[head] - column[tail] for tail, head, _ in edges)


def numbered(roots, depth, name) -> dict:
    """The nodes to draw, numbered: the roots and their `parents` up to `depth` steps back, None for all.

    Raises ValueError in the name of a function for a depth that is none, and where they are too many for a picture.
    """
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 0):
        raise ValueError(f"{name}: depth must be a whole number from 0 on, or None for all, got {depth!r}")
    levels, seen, edges, fits = [list(roots)], set(roots), 0, -1
    for steps, level in enumerate(levels):  # which grow until there are no more parents
        for v in level:
            if strange := [p for p in v.parents if not hasattr(p, "parents")]:
                raise TypeError(f"{name}: {v!r} has a parent {strange[0]!r}, which is no Value")
            edges += len(v.parents)
        if len(seen) <= MOST_NODES and edges <= MOST_EDGES:
            fits = steps
        following = list(dict.fromkeys(p for v in level for p in v.parents if p not in seen))
        if following and steps != depth:
            levels.append(following)
            seen.update(following)
    shown = {v: i for i, v in enumerate(v for level in levels for v in level)}
    if fits < len(levels) - 1:
        part = f"what is at most {fits} steps back from it with depth={fits}, or " if fits > 0 else ""
        raise ValueError(
            f"{name}: the graph has {counted(len(shown), 'node')} and {counted(edges, 'edge')}, and a picture takes "
            f"{MOST_NODES} and {MOST_EDGES:,}; draw {part}a part of it by giving a node inside it"
        )
    return shown


def left_out(shown, lines) -> list[tuple[int, int, str]]:
    """Add a line with an ellipsis for each node that has parents beyond those `shown`; returns the edges from there."""
    edges: list[tuple[int, int, str]] = []
    for v, i in shown.items():
        if cut := len({p for p in v.parents if p not in shown}):
            words = tip(f"{counted(cut, 'more node')}, and what they were made of")
            edges.append((len(shown) + len(edges), i, "[style=dashed, arrowhead=none]"))
            lines.append(f'{edges[-1][0]} [label="⋯", shape=plaintext, width=0.3, height=0.2, tooltip={words}]')
    return edges


def counted(n, what) -> str:
    """How many of something there are, in words.

    >>> counted(1, "node"), counted(100_000, "node")
    ('1 node', '100,000 nodes')
    """
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def markup(text, most=40) -> str:
    """Text of any kind for an HTML-like label: printed, and escaped.

    >>> markup('a<b & "c"')
    'a&lt;b &amp; &quot;c&quot;'
    """
    return html.escape(printed(text, most)).replace("\\", "\\\\")


def printed(text, most) -> str:
    """Text of any kind on one line, cut, with a sign for what cannot be printed.

    >>> printed("x" * 50, most=4), printed("two\\nlines\\0", most=16)
    ('xxx…', 'two lines�')
    """
    text = " ".join(str(text).split())
    text = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def tip(text, most=80) -> str:
    """Text of any kind as the quoted string of a tooltip. Graphviz would read a backslash there as the sign of a code.

    >>> print(tip('say "a<b"'))
    "say &quot;a&lt;b&quot;"
    """
    return f'"{markup(str(text).replace(BACKSLASH, OTHER_BACKSLASH), most)}"'


def _has_pygraphviz() -> bool:
    return importlib.util.find_spec("pygraphviz") is not None
