"""Side: what a contestant offers for one workload."""


class Side:
    """One library at one workload. Building it allocates; only `run` is timed."""

    def __init__(self, work):
        self.work = work

    def check(self):
        """Numbers that all sides must agree on, from the initial weights.

        mlp: the mean loss of each epoch in `work.orders()`; dqn: the loss of each of the first calls; one row: the
        outputs of the first calls; sweep: the last loss of each model.
        """
        raise NotImplementedError

    def reset(self):
        """Back to the initial weights and a fresh optimizer, untimed; a dqn trains on."""

    def run(self, count):
        """`count` epochs or calls, finished when it returns."""
        raise NotImplementedError

    def weights(self):
        """The weights now, as pairs of (in, out) and (out,); None where nothing is trained on labels."""
        return None

    def note(self):
        """What a reader of the table should know, such as why a step was not compiled."""
        return ""


class OneAfterAnother(Side):
    """Several models that take their turns; a subclass makes them in `fits`."""

    fits: list

    def check(self):
        return [fit.check()[-1] for fit in self.fits]

    def reset(self):
        for fit in self.fits:
            fit.reset()

    def run(self, count):
        for fit in self.fits:
            fit.run(count)
