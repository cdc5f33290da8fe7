"""Trace: what every op really got and gave, forward and backward, with the layer that called it."""

from dataclasses import dataclass, field

from .._watch import Watch


@dataclass
class Call:
    """One call of an op on the tensor engine."""

    op: object
    arrays: list
    options: dict
    y: object
    layer: str
    g: object = None  # the incoming gradient, once the backward came by
    grads: dict = field(default_factory=dict)  # input number -> gradient that was handed on


class Trace(Watch):
    """Watch a model's calls inside a `with` block: `trace.calls`, in order of computation."""

    def __init__(self, model):
        self.calls = []
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._by_node = {}
        self.in_backward = False  # set once the forward is done

    def entered(self, module):
        return self._paths.get(id(module), type(module).__name__)

    def forward(self, op, arrays, options, y):
        if self.in_backward:  # ops that a backward rule calls: the rule's result is what is judged
            return
        self.calls.append(Call(op, arrays, options, y, self.layers[-1] if self.layers else ""))

    def recorded(self, node):
        self._by_node[node] = self.calls[-1]

    def pulled(self, node, g, pulled):
        call = self._by_node.get(node)
        if call is None:
            return
        call.g = g
        # Gradients come in the order of the inputs; an input that is given twice comes twice.
        left = list(pulled)
        for i, x in enumerate(node.inputs):
            if left and left[0][0] is x:
                call.grads[i] = left.pop(0)[1]
