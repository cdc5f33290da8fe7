"""scikit-learn's MLPClassifier: `fit` from given weights, which spares it the checks of a `partial_fit` for each epoch."""

import warnings

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from .side import Side
from .workloads import MLP


def about():
    return f"scikit-learn {sklearn.__version__}"


class Fit(Side):
    """Training on (X, y) in batches; no weight decay, no early stop."""

    def __init__(self, work):
        super().__init__(work)
        self.X, self.y = work.data()
        self.reset()

    def reset(self):
        work = self.work
        self.model = MLPClassifier(
            work.sizes[1:-1], batch_size=work.batch, learning_rate_init=work.lr, alpha=0, warm_start=True,
            n_iter_no_change=10**9, shuffle=not work.full_batch, random_state=0,
        )  # fmt: skip
        self.model.partial_fit(self.X, self.y, classes=np.arange(work.sizes[-1]))  # makes the arrays
        weights, biases = zip(*work.weights(), strict=True)
        self.model.coefs_, self.model.intercepts_ = list(weights), list(biases)
        del self.model._optimizer  # the next step makes a new one
        self.model.loss_curve_.clear()

    def check(self):
        self.model.set_params(shuffle=False)
        return [self.model.partial_fit(self.X[order], self.y[order]).loss_ for order in self.work.orders()]

    def run(self, count):
        self.model.set_params(max_iter=count)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "the optimization hasn't converged yet"
            self.model.fit(self.X, self.y)

    def weights(self):
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))


SIDES = {MLP: Fit}
