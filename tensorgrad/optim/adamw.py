"""AdamW: Adam with decoupled weight decay."""

from typing import ClassVar

from ._numbers import Flag, Number
from .adam import Adam


class AdamW(Adam):
    """Adam, where weight decay shrinks the weights by the factor 1 - lr weight_decay and leaves the gradient alone.

    Loshchilov and Hutter 2019, algorithm 2. Options and errors: `Adam`, `Optimizer`.

    >>> import numpy as np, tensorgrad as tg
    >>> p = tg.Parameter(np.array([1.0]))
    >>> optimizer = AdamW([p], lr=0.1, weight_decay=0.5)
    >>> (p * p).backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.85])
    """

    hyper: ClassVar = {**Adam.hyper, "weight_decay": Number(0.01), "decoupled": Flag(True)}
