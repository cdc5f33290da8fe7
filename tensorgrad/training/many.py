"""fit_many: several trainings at once, one on each core."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .._program.threads import checked_threads
from ..errors import OptionError
from .interrupt import Interrupt
from .loop import train
from .progress import Progress


def fit_many(models, data, *, loss, optimizers, seed=0, threads=None, progress=True, **options):
    """Train each model with its optimizer, as `fit` does on one thread, as many at a time as there are threads.

    data is one pair (X, y) for all or a list of pairs, one a model; so may `loss` and `seed` be lists. The other options
    are those of `fit`, the same for all. Returns the Histories in the order of the models; each training has the bits
    that it has alone on one thread. If one fails, the others are finished before its error is raised.

    >>> import numpy as np
    >>> from tensorgrad import nn, optim
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> models = [nn.Sequential(nn.Dense(1, 1), rng=seed) for seed in range(3)]
    >>> optimizers = [optim.Adam(m.parameters(), lr=lr) for m, lr in zip(models, (0.1, 0.01, 0.001))]
    >>> histories = fit_many(models, (X, 3 * X), loss=nn.MSELoss(), optimizers=optimizers, epochs=50, progress=False)
    >>> [len(h.loss) for h in histories]
    [50, 50, 50]
    """
    models, optimizers = list(models), list(optimizers)
    if not models or len(optimizers) != len(models):
        raise OptionError(
            f"fit_many: expected one optimizer for each model, got {len(models)} models, {len(optimizers)} optimizers"
        )
    _check_apart(models)
    pairs = data if isinstance(data, list) and not _is_pair(data) else [data] * len(models)
    if isinstance(seed, np.random.Generator):
        seed = seed.spawn(len(models))
    losses, seeds = (given if isinstance(given, list) else [given] * len(models) for given in (loss, seed))
    for name, given in (("data", pairs), ("loss", losses), ("seed", seeds)):
        if len(given) != len(models):
            raise OptionError(f"fit_many: {name} has {len(given)} entries for {len(models)} models")
    with Interrupt() as interrupt, Progress(len(models), progress, unit="model") as bar:

        def one(i):
            history = train(models[i], pairs[i], interrupt, loss=losses[i], optimizer=optimizers[i], seed=seeds[i],
                            threads=1, progress=False, **options)  # fmt: skip
            bar.step({"loss": history.loss[-1:] or [math.nan]})
            return history

        with ThreadPoolExecutor(min(checked_threads("fit_many", threads), len(models))) as pool:
            running = [pool.submit(one, i) for i in range(len(models))]
    for i, future in enumerate(running):
        if (error := future.exception()) is not None:
            error.add_note(f"fit_many: in model {i}")
            raise error
    return [future.result() for future in running]


def _is_pair(data):
    """Whether a list is one pair (X, y) rather than a list of pairs."""
    return len(data) == 2 and not all(isinstance(d, tuple | list) and len(d) == 2 for d in data)


def _check_apart(models):
    """Models that are trained at the same time must not share parameters."""
    owners: dict = {}
    for i, model in enumerate(models):
        for p in model.parameters():
            if owners.setdefault(id(p), i) != i:
                raise OptionError(f"fit_many: models {owners[id(p)]} and {i} share a parameter; train copies of them")
