"""Where temporaries lie: one piece of memory, in which those that are not needed at the same time share places."""

ALIGNED = 64  # bytes: where a vector, and a line of the cache, begins


def first_fit(spans):
    """Places in an arena for {key: (bytes, first, last)}, first and last row that needs it: ({key: offset}, bytes in all).

    Each in turn, in the order of their first rows, takes the lowest gap that it fits into.

    >>> first_fit({"a": (64, 0, 1), "b": (64, 1, 2), "c": (64, 2, 3)})
    ({'a': 0, 'b': 64, 'c': 0}, 128)
    """
    places: dict = {}
    busy: list[tuple[int, int, int]] = []
    top = 0
    for key, (size, first, last) in sorted(spans.items(), key=lambda item: item[1][1]):
        size = -(-max(size, 1) // ALIGNED) * ALIGNED
        busy = sorted(b for b in busy if b[2] >= first)
        at = 0
        for low, high, _ in busy:
            if low - at >= size:
                break
            at = max(at, high)
        busy.append((at, at + size, last))
        places[key], top = at, max(top, at + size)
    return places, top


def most_at_once(spans):
    """The most bytes that are needed at one row.

    >>> most_at_once({"a": (64, 0, 1), "b": (64, 1, 2), "c": (64, 2, 3)})
    128
    """
    rows = {row for _, first, last in spans.values() for row in (first, last)}
    return max((sum(size for size, first, last in spans.values() if first <= row <= last) for row in rows), default=0)
