"""The colours of every picture, in one place; people with colour-blindness can tell them apart."""

import numpy as np

# Okabe and Ito 2008, "Color Universal Design": told apart with every common form of colour-blindness.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # a second sign for the class, for prints in grey

TRAIN, VALIDATION = OKABE_ITO[0], OKABE_ITO[5]
INK, QUIET, LINE = "#222222", "#666666", "#D9D9D9"  # text, text that matters less, grid lines
RIGHT, WRONG = "#8C8C8C", "#D5000D"


def class_colours(count):
    """One colour for each class, as RGB numbers from 0 to 1: count -> (count, 3).

    Up to seven classes have Okabe and Ito's colours; more are spread evenly over matplotlib's colour map cividis, whose
    brightness alone tells them apart.

    >>> class_colours(2).round(2).tolist()
    [[0.0, 0.45, 0.7], [0.9, 0.62, 0.0]]
    """
    if count > len(OKABE_ITO):
        from ..errors import need

        return need("matplotlib", "plot", "class_colours").colormaps["cividis"](np.linspace(0, 1, count))[:, :3]
    codes = [colour.removeprefix("#") for colour in OKABE_ITO[:count]]
    return np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes]).reshape(count, 3) / 255
