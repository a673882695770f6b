"""A user's own statistic that cannot measure every layer."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initkit import LayerStatsCallback, layer_stats

X = np.random.default_rng(0).normal(size=(20, 4, 4, 1)).astype("float32")
Y = X[:, :1, 0, 0]


def spectral_norm(matrix):
    return ops.norm(matrix, ord=2)


def trace(kernel):
    """A scalar for a matrix, but not for a convolution's kernel."""
    return ops.trace(kernel)


def of_four_axes(kernel):
    if len(kernel.shape) != 4:
        raise TypeError("not a convolution")
    return ops.max(kernel)


def network(is_built=True):
    keras.utils.set_random_seed(0)
    parts = [
        layers.Conv2D(3, 2, name="conv"),
        layers.Flatten(),
        layers.Dense(5, "relu", name="hidden"),
        layers.Dense(1, name="head"),
    ]
    ends = [keras.Input((4, 4, 1))] if is_built else []
    model = keras.Sequential([*ends, *parts])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def fit(model, *callbacks):
    options = {"batch_size": 10, "shuffle": False, "verbose": 0}
    logs = model.fit(X, Y, epochs=2, callbacks=list(callbacks), **options)
    return logs.history["loss"], model.get_weights()


def messages(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "late"])
@pytest.mark.parametrize(
    ("function", "refused"),
    [
        (trace, ["conv"]),
        (spectral_norm, ["conv"]),
        (of_four_axes, ["hidden", "head"]),
    ],
)
def test_nan_where_it_fails_and_one_warning(
    function, refused, is_built, tmp_path, caplog
):
    callback = LayerStatsCallback(
        tmp_path, statistics=["max_abs", function], update_freq=1, histogram_steps=2
    )
    losses, weights = fit(network(is_built), callback)
    bare_losses, bare_weights = fit(network(is_built))
    assert losses == bare_losses
    for ours, bare in zip(weights, bare_weights, strict=True):
        np.testing.assert_array_equal(ours, bare)

    history = callback.history
    assert history.steps.tolist() == [0, 1, 2, 3]
    for source in ("weight", "gradient"):
        is_nan = np.isnan(history[f"{source}_{function.__name__}"])
        expected = [layer in refused for layer in history.layers]
        assert is_nan.tolist() == [expected] * 4
        assert np.isfinite(history[f"{source}_max_abs"]).all()
    (message,) = messages(caplog)
    assert f"`{function.__name__}`" in message
    shapes = {"conv": (2, 2, 1, 3), "hidden": (27, 5), "head": (5, 1)}
    for layer, shape in shapes.items():
        assert (f"{layer!r} of shape {shape}" in message) == (layer in refused)


def test_what_it_can_measure_is_right(tmp_path):
    callback = LayerStatsCallback(tmp_path, statistics=spectral_norm)
    model = network()
    matrices = [w for w in model.get_weights() if w.ndim == 2]
    fit(model, callback)
    np.testing.assert_allclose(
        callback.history["weight_spectral_norm"][0, 1:],
        [np.linalg.norm(matrix.astype("float64"), 2) for matrix in matrices],
        rtol=1e-5,
    )


def test_the_next_fit_does_not_warn_again(tmp_path, caplog):
    callback = LayerStatsCallback(tmp_path, statistics=trace)
    model = network()
    for _ in range(2):
        fit(model, callback)
    assert len(messages(caplog)) == 1


def vector(kernel):
    return ops.reshape(kernel, (-1,))


def raising(kernel):
    raise RuntimeError("theirs")


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "late"])
@pytest.mark.parametrize(
    ("function", "reason"), [(vector, r"shape \(12,\)"), (raising, "theirs")]
)
def test_wrong_for_every_layer_is_an_error_before_the_first_step(
    function, reason, is_built, tmp_path
):
    model = network(is_built)
    callback = LayerStatsCallback(tmp_path, statistics=["mean", function])
    expected = (
        rf"`statistics`.*Received: statistics={function.__name__}.*'conv'.*{reason}"
    )
    with pytest.raises(ValueError, match=expected):
        fit(model, callback)
    assert model.optimizer.iterations == 0
    assert "apply" not in vars(model.optimizer)


def test_in_a_loop_of_the_users_own(tmp_path, caplog):
    model = network()
    with layer_stats(model, tmp_path, statistics=trace, update_freq=1) as stats:
        for start in (0, 10):
            model.train_on_batch(X[start : start + 10], Y[start : start + 10])
    values = stats.history["weight_trace"]
    assert np.isnan(values).tolist() == [[True, False, False]] * 2
    assert len(messages(caplog)) == 1
