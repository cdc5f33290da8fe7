"""Whether a model can be trained on the last batch of an epoch, which has the rows that are left."""

import numpy as np

from ..errors import ShapeError
from ..nn.module import Module
from .inference import evaluating


def check_last_batch(owner, model, X, size):
    """Raise a ShapeError if a module cannot take the rows that are left; found out before training, with one row.

    Modules say what they can take in `check_batch`, by the shape of their input. A model that cannot be evaluated on one
    row is not looked at.
    """
    rest, shapes = len(X) % size, []
    asked = [m for _, m in model.named_modules() if type(m).check_batch is not Module.check_batch]
    if not asked or not rest or len(X) < size:
        return
    handles = [m.on_forward(lambda module, inputs, _: shapes.append((module, np.shape(inputs[0])))) for m in asked]
    try:
        with evaluating(model):
            model(X[:1])
    except Exception:  # its own forward may need more rows; a step will say what is wrong
        shapes = []
    finally:
        for handle in handles:
            handle.remove()
    for module, (n, *row) in shapes:
        try:
            module.check_batch((n * rest, *row))
        except ShapeError as error:
            counts = f"{len(X)} rows in batches of {size} leave {rest} for the last one"
            raise ShapeError(f"{owner}: {counts}: {error}; or choose another batch_size") from None
