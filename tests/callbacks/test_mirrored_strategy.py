"""Two replicas on two logical devices, which only a fresh process can have."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

TRAINING = """
    import json, sys, contextlib, keras, numpy as np, tensorflow as tf
    from keras import layers
    from keras_initkit import LayerStatsCallback

    log_dir, kind, run_eagerly = sys.argv[1:]
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    if kind == "skipped":
        x[32:48] = np.nan  # the third batch, in both replicas
    options = dict(
        statistics="all", histogram_steps=2, update_freq=1
    )

    def train(scope, callbacks=()):
        keras.utils.set_random_seed(0)
        with scope:
            hidden = layers.Dense(16, activation="tanh")
            model = keras.Sequential([keras.Input((8,)), hidden, layers.Dense(3)])
            optimizer = keras.optimizers.Adam(0.01)
            if kind == "skipped":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            model.compile(optimizer, "mse", run_eagerly=run_eagerly == "True")
        model.fit(
            x, x[:, :3], batch_size=16, shuffle=False, verbose=0, callbacks=callbacks
        )
        return model.get_weights()

    def mirrored():
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()

    two, one = (LayerStatsCallback(f"{log_dir}/{n}", **options) for n in (2, 1))
    bare = train(mirrored())
    observed = train(mirrored(), [two])
    train(contextlib.nullcontext(), [one])
    print(json.dumps({
        "identical": all(map(np.array_equal, bare, observed)),
        "steps": two.history.steps.tolist(),
        "skipped": two.history.skipped.tolist(),
        "two": {key: values.tolist() for key, values in two.history.items()},
        "one": {key: values.tolist() for key, values in one.history.items()},
    }))
"""


@pytest.mark.parametrize(
    ("kind", "run_eagerly"),
    [
        ("plain", False),
        pytest.param("plain", True, marks=pytest.mark.slow),
        pytest.param("skipped", False, marks=pytest.mark.slow),
    ],
)
def test_the_numbers_are_those_of_the_whole_batch_on_one_device(
    kind, run_eagerly, tmp_path
):
    command = [
        sys.executable, "-c", textwrap.dedent(TRAINING),
        str(tmp_path), kind, str(run_eagerly),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout.splitlines()[-1])
    assert seen["identical"]
    skipped = kind == "skipped"
    assert seen["steps"] == ([0, 1, 2, 2] if skipped else [0, 1, 2, 3])
    assert seen["skipped"] == [False, False, skipped, False]
    for key, values in seen["two"].items():
        np.testing.assert_allclose(
            values, seen["one"][key], rtol=1e-5, atol=1e-8, err_msg=key
        )
