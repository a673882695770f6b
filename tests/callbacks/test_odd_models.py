"""Unusual models and loops."""

import copy
import dataclasses
import pickle

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initkit import LayerStatsCallback, layer_stats

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 8)).astype("float32")
Y = X[:, :1]


def recorder(path, **options):
    everything = {"statistics": "all", "histogram_steps": 1, "update_freq": 1}
    return LayerStatsCallback(path, **everything | options)


def step_on(loss_of, optimizer_of=lambda model: model.optimizer):
    """The user's own `train_step`, as in the guide of each backend.

    Args:
        loss_of: function of the model and a batch.
        optimizer_of: function from the model to the optimizer of its gradients.
    """

    def with_a_tape(self, x):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = loss_of(self, x)
        gradients = tape.gradient(loss, self.trainable_variables)
        optimizer_of(self).apply(gradients, self.trainable_variables)
        return {"loss": loss}

    def stateless(self, state, x):
        import jax

        trainable, others, slots, metrics = state

        def loss_of_values(values):
            known = [
                *zip(self.trainable_variables, values, strict=True),
                *zip(self.non_trainable_variables, others, strict=True),
            ]
            with keras.StatelessScope(known):
                return loss_of(self, x)

        loss, gradients = jax.value_and_grad(loss_of_values)(trainable)
        optimizer = optimizer_of(self)
        if optimizer is self.optimizer:
            trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        else:
            of_other = [variable.value for variable in optimizer.variables]
            trainable, _ = optimizer.stateless_apply(of_other, gradients, trainable)
        return {"loss": loss}, (trainable, others, slots, metrics)

    def with_backward(self, x):
        import torch

        self.zero_grad()
        loss = loss_of(self, x)
        loss.backward()
        variables = self.trainable_variables
        with torch.no_grad():
            optimizer_of(self).apply([v.value.grad for v in variables], variables)
        return {"loss": loss}

    return {"tensorflow": with_a_tape, "jax": stateless, "torch": with_backward}[
        BACKEND
    ]


def train(make_model, *callbacks, x=X, y=Y, **options):
    keras.utils.set_random_seed(0)
    model = make_model()
    model.compile("sgd", "mse", **options)
    history = model.fit(
        x, y, batch_size=16, shuffle=False, epochs=2, verbose=0, callbacks=callbacks
    )
    return history.history["loss"], model.get_weights()


def sequential(*hidden):
    return lambda: keras.Sequential([keras.Input((8,)), *(h() for h in hidden)])


class DropConnect(layers.Dense):
    """Its `call` draws, so an additional call would change the training."""

    def __init__(self, units):
        super().__init__(units)
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x, training=None):
        kernel = ops.convert_to_tensor(self.kernel)
        kernel = keras.random.dropout(kernel, 0.5, seed=self.seed_generator)
        return ops.relu(ops.matmul(x, kernel))


@dataclasses.dataclass
class Swish:
    """A function that cannot be hashed."""

    beta: float = 1.0

    def __call__(self, z):
        return z * ops.sigmoid(self.beta * z)


def noisy(z):
    return ops.relu(z) + 0.1 * keras.random.normal(ops.shape(z))


def only_of_batches_of_16(z):
    return ops.relu(ops.reshape(z, (16, 4)))


class MadeInBuild(layers.Layer):
    def build(self, shape):
        self.inner = layers.Dense(4, "relu")
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


def head():
    return layers.Dense(1)


MODELS = {
    "a call that draws": sequential(lambda: DropConnect(4), head),
    "an activation that draws": sequential(lambda: layers.Dense(4, noisy), head),
    "a layer that draws as activation": sequential(
        lambda: layers.Dense(4, layers.GaussianNoise(0.1, seed=1)), head
    ),
    "an activation without a hash": sequential(lambda: layers.Dense(4, Swish()), head),
    "an activation of one shape": sequential(
        lambda: layers.Dense(4, only_of_batches_of_16), head
    ),
    "a layer as activation": sequential(lambda: layers.Dense(4, layers.PReLU()), head),
    "layers made in build": lambda: keras.Sequential([MadeInBuild(), head()]),
}


@pytest.mark.parametrize("name", MODELS)
def test_bit_identical(name, tmp_path):
    if BACKEND == "jax" and name == "an activation that draws":
        pytest.skip("Keras forbids it with JAX")
    make_model = MODELS[name]
    bare_losses, bare = train(make_model)
    callback = recorder(tmp_path)
    losses, weights = train(make_model, callback)
    assert losses == bare_losses
    for weight, expected in zip(weights, bare, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert callback.history.steps.tolist() == list(range(8))
    assert np.isfinite(callback.history["activation_mean"]).all()


def test_what_would_have_to_be_drawn_again_is_nan(tmp_path):
    def first_layer(name):
        callback = recorder(tmp_path)
        train(MODELS[name], callback)
        return {key: values[:, 0] for key, values in callback.history.items()}

    drawn = first_layer("a call that draws")
    assert np.isnan(drawn["pre_activation_mean"]).all()
    assert np.isnan(drawn["saturated_fraction"]).all()
    if BACKEND != "jax":  # where Keras forbids it
        noise = first_layer("an activation that draws")
        assert np.isfinite(noise["pre_activation_mean"]).all()
        assert np.isnan(noise["saturated_fraction"]).all()
    assert np.isfinite(
        first_layer("an activation without a hash")["dead_fraction"]
    ).all()


def test_sequences_of_any_length(tmp_path):
    def batches():
        for length in (3, 4, 5):
            yield np.ones((4, length, 8), "f4"), np.ones((4, length, 1), "f4")

    hidden = layers.Dense(16, "tanh")
    model = keras.Sequential([keras.Input((None, 8)), hidden, layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = recorder(tmp_path)
    model.fit(batches(), verbose=0, callbacks=[callback])
    assert callback.history["saturated_fraction"].tolist() == [[0, 0]] * 3


def test_a_layer_inside_of_a_loop_has_no_activations(tmp_path):
    class Cell(layers.Layer):
        state_size = 6

        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(6, "tanh")

        def build(self, shape):
            self.inner.build((None, shape[-1] + 6))

        def call(self, x, states):
            output = self.inner(ops.concatenate([x, states[0]], -1))
            return output, [output]

    def make_model():
        return keras.Sequential([keras.Input((5, 8)), layers.RNN(Cell()), head()])

    callback = recorder(tmp_path)
    x = RNG.normal(size=(64, 5, 8)).astype("float32")
    losses, _ = train(make_model, callback, x=x)
    assert losses == train(make_model, x=x)[0]
    # Torch has no graph, so a tensor leaves any loop.
    is_known = np.isfinite(callback.history["activation_mean"])
    assert is_known.tolist() == [[BACKEND == "torch", True]] * 8
    assert np.isfinite(callback.history["gradient_variance"]).all()


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_validation_in_between_does_not_count(run_eagerly, tmp_path):
    class Autoencoder(keras.Model):
        """A model whose steps call its layers, but never the model."""

        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = layers.Dense(4, "relu"), layers.Dense(8)

        def call(self, x):
            return self.decoder(self.encoder(x))

        def reconstruction_loss(self, x):
            return ops.mean((self.decoder(self.encoder(x)) - x) ** 2)

        train_step = step_on(reconstruction_loss)

        if BACKEND != "jax":  # as Keras's own trainer does

            def test_step(self, x):
                return {"loss": self.reconstruction_loss(x)}

    def activations(**options):
        keras.utils.set_random_seed(0)
        model = Autoencoder()
        model.compile("sgd", run_eagerly=run_eagerly)
        model(X)
        callback = recorder(tmp_path)
        fit = {"batch_size": 16, "shuffle": False, "epochs": 2, "verbose": 0}
        model.fit(X, callbacks=[callback], **fit, **options)
        return callback.history["activation_mean"]

    np.testing.assert_array_equal(activations(validation_data=(50 * X,)), activations())


def test_a_layer_that_another_one_refers_to(tmp_path):
    class Tied(layers.Layer):
        def __init__(self, dense):
            super().__init__()
            self.dense = dense

        def call(self, x):
            return ops.matmul(x, ops.transpose(self.dense.kernel))

    def make_model():
        inputs, dense = keras.Input((8,)), layers.Dense(4, "relu")
        return keras.Model(inputs, Tied(dense)(dense(inputs)))

    callback = recorder(tmp_path)
    train(make_model, callback, y=X)
    assert (callback.history["activation_mean"] > 0).all()


def test_an_optimizer_that_the_model_is_not_compiled_with(tmp_path, caplog):
    class Adversary(keras.Model):
        def __init__(self):
            super().__init__()
            self.critic = head()
            self.other_optimizer = keras.optimizers.SGD()

        def call(self, x):
            return self.critic(x)

        train_step = step_on(
            lambda model, x: ops.mean(model.critic(x) ** 2),
            lambda model: model.other_optimizer,
        )

    def adversary():
        model = Adversary()
        model.compile()
        model(X)
        model.other_optimizer.build(model.trainable_variables)
        return model

    callback = recorder(tmp_path)
    adversary().fit(X, verbose=0, callbacks=[callback])
    assert len(callback.history.steps) == 0
    (warning,) = [r.getMessage() for r in caplog.records if r.name == "keras_initkit"]
    assert "layer_stats(model, log_dir, optimizer)" in warning
    with pytest.raises(ValueError, match="Nothing was recorded"):
        callback.history.plot("gradient_variance")

    if BACKEND == "jax":
        pytest.skip("Keras's trainer carries the state of one optimizer with JAX")
    model = adversary()
    with layer_stats(model, tmp_path, model.other_optimizer, update_freq=1) as stats:
        model.fit(X, batch_size=16, verbose=0)
    assert stats.history.steps.tolist() == [0, 1, 2, 3]


def test_several_updates_in_one_step(tmp_path, caplog):
    class Repeated(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = head()

        def call(self, x):
            return self.dense(x)

        def train_step(self, *arguments):
            step = super().train_step
            if BACKEND != "jax":
                return [step(*arguments) for _ in range(5)][-1]
            state, data = arguments
            for _ in range(5):
                logs, state = step(state, data)
            return logs, state

    model = Repeated()
    model.compile("sgd", "mse")
    callback = recorder(tmp_path, histogram_steps=0)
    model.fit(np.tile(X, (5, 1)), np.tile(Y, (5, 1)), batch_size=1, verbose=0,
              callbacks=[callback])  # fmt: skip
    assert callback.history.steps.tolist() == list(range(5 * 320))
    assert not [r for r in caplog.records if r.name == "keras_initkit"]


def test_an_optimizer_whose_apply_takes_more(tmp_path):
    class Boosted(keras.optimizers.SGD):
        def apply(self, grads, trainable_variables=None, boost=1.0):
            super().apply([boost * g for g in grads], trainable_variables)

    model = sequential(head)()
    model.compile(Boosted(), "mse")
    with layer_stats(model, tmp_path, update_freq=1) as stats:
        model.train_on_batch(X, Y)
        gradients = [ops.ones(v.shape) for v in model.trainable_variables]
        model.optimizer.apply(gradients, model.trainable_variables, boost=2.0)
    assert stats.history.steps.tolist() == [0, 1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_after_an_exception_a_fit_without_it_is_not_recorded(error, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise error

    model = sequential(lambda: layers.Dense(4, "relu"), head)()
    model.compile("sgd", "mse")
    callback = recorder(tmp_path)
    with pytest.raises(error):
        model.fit(X, Y, batch_size=16, verbose=0, callbacks=[callback, Stop()])
    model.fit(X, Y, batch_size=16, verbose=0)
    assert callback.history.steps.tolist() == [0, 1]
    assert "apply" not in vars(model.optimizer)
    for part in (model, *model.layers):
        assert not {"call", "train_step", "make_train_function"} & set(vars(part))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_a_copy_is_a_new_callback_with_the_same_arguments(copied, tmp_path):
    callback = recorder(tmp_path, statistics=["variance"], update_freq=2)
    train(MODELS["layers made in build"], callback)
    twin = copied(callback)
    assert len(twin.history.steps) == 0
    train(MODELS["layers made in build"], twin)
    assert list(twin.history) == ["weight_variance", "gradient_variance"]
    assert twin.history.steps.tolist() == callback.history.steps.tolist()


def test_a_relative_directory_is_that_of_the_beginning(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    callback = recorder("logs")
    monkeypatch.chdir(tmp_path / "elsewhere")
    train(MODELS["layers made in build"], callback)
    assert (tmp_path / "logs" / "layer_stats").exists()
    assert not (tmp_path / "elsewhere" / "logs").exists()
