import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.stats.schedule import Schedule
from keras_initkit.stats.session import Session
from keras_initkit.stats.statistics import Statistics

X = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
Y = X[:, :1]


def compiled(optimizer="sgd", is_built=True):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(4, "tanh", name="hidden")
    model = keras.Sequential([hidden, layers.Dense(1, name="head")])
    if is_built:
        model.build((None, 5))
    model.compile(optimizer, "mse")
    return model


def take(model, session, count):
    """This many steps in one epoch; the session is asked before each."""
    ask = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: session.before_batch()
    )
    x, y = np.tile(X, (count, 1)), np.tile(Y, (count, 1))
    model.fit(x, y, batch_size=len(X), shuffle=False, verbose=0, callbacks=[ask])


def attached(model, *arguments, **options):
    session = Session(model, *arguments, **options)
    session.attach()
    return session


def test_what_a_schedule_selects_is_read_in_the_order_of_the_steps():
    model = compiled()
    session = attached(model, Schedule(3, 2))
    take(model, session, 8)
    assert session.num_rows == session.num_waiting == 4
    records, histograms = session.read()
    assert records.steps.tolist() == [0, 1, 3, 6]
    assert records.values.shape == (4, 6, 2)  # steps, keys, layers
    assert records.skipped.tolist() == [False] * 4
    assert histograms == {}
    assert session.num_waiting == 0
    assert session.read()[0].steps.tolist() == []


def test_after_it_is_detached_nothing_is_recorded():
    model = compiled()
    model.fit(X, Y, verbose=0)
    before = set(vars(model))
    session = attached(model, Schedule(1))
    assert session.is_attached
    take(model, session, 2)
    session.detach()
    assert not session.is_attached
    take(model, session, 2)
    assert session.read()[0].steps.tolist() == [1, 2]
    assert set(vars(model)) == before


def test_a_model_that_is_not_built_yet():
    model = compiled(is_built=False)
    session = attached(model, Schedule(1))
    assert session.plan.layers == []
    take(model, session, 2)
    assert session.plan.layers == ["hidden", "head"]
    assert np.isfinite(session.read()[0].values).all()


def test_epochs_begin_where_they_are_marked():
    model = compiled()
    session = attached(model, Schedule("epoch"))
    for _ in range(3):
        session.mark_epoch()
        take(model, session, 4)
    assert session.read()[0].steps.tolist() == [0, 4, 8]


def test_histograms_have_a_schedule_of_their_own():
    model = compiled()
    session = attached(model, Schedule(2), histograms=Schedule(3))
    take(model, session, 7)
    records, histograms = session.read()
    assert records.steps.tolist() == [0, 2, 4, 6]
    assert set(histograms) == {"weight", "gradient", "pre_activation"}
    for source, (steps, counts) in histograms.items():
        assert steps.tolist() == [0, 3, 6]
        sizes = [len(X) * 4, len(X)] if source == "pre_activation" else [20, 4]
        np.testing.assert_array_equal(counts.sum(axis=-1), [sizes] * 3)


def test_accumulated_gradients_are_several_records_of_one_step():
    model = compiled(keras.optimizers.SGD(gradient_accumulation_steps=2))
    session = attached(model, Schedule(2))
    take(model, session, 6)
    assert session.read()[0].steps.tolist() == [0, 0, 2, 2]


def test_the_weights_are_those_before_the_update():
    model = compiled()
    session = attached(model, Schedule(1), Statistics("weight_l2_norm"))
    norms = []
    for _ in range(3):
        kernels = [w for w in model.get_weights() if w.ndim == 2]
        norms.append([[np.linalg.norm(kernel) for kernel in kernels]])
        take(model, session, 1)
    np.testing.assert_allclose(session.read()[0].values, norms, rtol=1e-6)


def test_a_session_of_another_fit_takes_its_place():
    model = compiled()
    first, second = Session(model, Schedule(1)), Session(model, Schedule(1))
    first.attach(fit="first")
    second.attach(fit="second")
    assert not first.is_attached
    take(model, second, 1)
    assert first.read()[0].steps.tolist() == []
    assert second.read()[0].steps.tolist() == [0]


def test_without_an_optimizer():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="must be compiled with an optimizer"):
        Session(model, Schedule(1))
