"""What modules say to names of other libraries: options of layers, and methods that stand elsewhere here."""

import inspect

from .._options import refuse_unknown
from ..errors import OptionError

_OPTIONS = {  # other libraries' names of options, and what to write instead
    "units": "out_features", "filters": "out_channels", "strides": "stride", "pool_size": "kernel_size",
    "use_bias": "bias", "kernel_initializer": "init", "rate": "p", "seed": "rng", "input_dim": "in_features",
    "activation": "the activation as the next layer, nn.ReLU() say",
    "kernel_regularizer": "layer.penalise(l2=...)",
}  # fmt: skip
_METHODS = {
    "fit": "tg.fit(model, (X, y), loss=..., optimizer=...)",
    "predict": "tg.predict(model, X)",
    "evaluate": "tg.evaluate(model, (X, y), loss=...)",
    "compile": "tg.compile(model); tg.fit takes the loss and the optimizer",
    "save": "tg.save(model, path)",
    "save_weights": "tg.save(model, path)",
    "load": "tg.load(path, into=model)",
    "load_weights": "tg.load(path, into=model)",
    "register_forward_hook": "model.on_forward(function)",
    "register_full_backward_hook": "model.on_gradient(function)",
    "add": "model.append(layer)",
    "double": 'model.astype("float64")',
    "cuda": "the model as it is: everything runs on the CPU",
}


def check_options(kind, args, kwargs):
    """Raise OptionError if a class of modules is given options by names that its `__init__` does not have."""
    if kind.__init__ is object.__init__:
        if args or kwargs:
            raise OptionError(f"{kind.__name__}: it takes no options, got {', '.join(map(repr, [*args, *kwargs]))}")
        return
    code = getattr(kind.__init__, "__code__", None)
    if not kwargs or code is None or code.co_flags & inspect.CO_VARKEYWORDS:
        return
    options = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    refuse_unknown(kind.__name__, kwargs, options, _OPTIONS)


def missing(module, name):
    """The message of the AttributeError for an attribute that a module lacks."""
    instead = _METHODS.get(name, "")
    if instead.startswith("model.") and not hasattr(type(module), instead[6:].partition("(")[0]):
        instead = ""
    return f"{type(module).__name__!r} object has no attribute {name!r}" + (f"; use {instead}" if instead else "")
