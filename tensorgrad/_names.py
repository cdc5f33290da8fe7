"""Names that a module does not have: what they are called here, where other libraries call them otherwise."""

from difflib import get_close_matches

_SAME = {  # a layer's name here: PyTorch's or Keras's
    "Dense": ("Linear", "LazyLinear"),
    "BatchNorm": ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "BatchNormalization"),
    "LayerNorm": ("LayerNormalization",),
    "GroupNorm": ("GroupNormalization",),
    "RMSNorm": ("RMSNormalization",),
    "InstanceNorm": ("InstanceNorm1d", "InstanceNorm2d"),
    "ChannelDropout": ("Dropout1d", "Dropout2d", "SpatialDropout1D", "SpatialDropout2D"),
    "Conv1d": ("Convolution1D",),
    "Conv2d": ("Convolution2D",),
    "ConvTranspose1d": ("Conv1DTranspose", "Deconv1d"),
    "ConvTranspose2d": ("Conv2DTranspose", "Deconv2d"),
    "MaxPool1d": ("MaxPooling1D",),
    "MaxPool2d": ("MaxPooling2D",),
    "AvgPool1d": ("AveragePooling1D",),
    "AvgPool2d": ("AveragePooling2D",),
    "GlobalAvgPool1d": ("GlobalAveragePooling1D",),
    "GlobalAvgPool2d": ("GlobalAveragePooling2D",),
    "GlobalMaxPool1d": ("GlobalMaxPooling1D",),
    "GlobalMaxPool2d": ("GlobalMaxPooling2D",),
    "Upsample": ("UpsamplingNearest2d", "UpSampling1D", "UpSampling2D"),
    "SiLU": ("Swish",),
    "L1Loss": ("MeanAbsoluteError", "MAELoss"),
    "MSELoss": ("MeanSquaredError", "L2Loss"),
    "CrossEntropyLoss": ("CategoricalCrossentropy", "SparseCategoricalCrossentropy", "SoftmaxCrossEntropyLoss"),
    "BCELoss": ("BinaryCrossentropy", "BinaryCrossEntropyLoss"),
    "initialisers": ("init", "initializers"),
    "Parallel": ("Concatenate", "Add"),
    "Module": ("Model", "Layer"),
}


def missing(module, name, known, elsewhere=None):
    """The AttributeError of a module for a name that it does not have, with the name that was meant if that is plain.

    `known` are the module's names, `elsewhere` is {name: where that is to be found} of others.

    >>> print(missing("tensorgrad.nn", "Linear", ["Dense"]))
    tensorgrad.nn has no 'Linear'; did you mean nn.Dense?
    >>> print(missing("tensorgrad", "randn", ["tensor"]))
    tensorgrad has no 'randn'; it has tensor
    """
    part = module.rpartition(".")[2]
    places = dict(elsewhere or {}) | dict.fromkeys(known, "tg" if part == "tensorgrad" else part)
    ours = {theirs: own for own, names in _SAME.items() if own in places for theirs in names}
    alike = [n for n in (*known, *places) if n.lower() == name.lower()]
    meant = ours.get(name) or (name if name in alike else next(iter(alike), None))
    meant = meant or next(iter(get_close_matches(name, known, n=1)), None)
    hint = f"did you mean {places[meant]}.{meant}?" if meant else f"it has {', '.join(known)}"
    return AttributeError(f"{module} has no {name!r}; {hint}")
