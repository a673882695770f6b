"""A model at one moment of its training, to be put back."""

import keras


class Snapshot:
    """Copies of the weights of a model and of the moments of its optimizer.

    Steps, learning rate and loss scale, which are scalars, are not part of it: they
    belong to the time that passes.

    Examples:

    >>> before = Snapshot(model)
    >>> expected = model.predict(x, verbose=0)
    >>> _ = model.fit(x, y, verbose=0)
    >>> before.put_back()
    >>> np.array_equal(model.predict(x, verbose=0), expected)
    True

    Args:
        model: built and compiled. With JAX, its variables have to be up to date.
    """

    def __init__(self, model: keras.Model) -> None:
        moments = [v for v in model.optimizer.variables if len(v.shape)]
        variables = (*model.weights, *moments)
        self._values = [(v, keras.ops.copy(v.value)) for v in variables]

    def put_back(self) -> None:
        """Gives the variables their values. It can be done once: JAX reuses them."""
        for variable, value in self._values:
            variable.assign(value)
