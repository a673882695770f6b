"""One batch on two devices, in one process and in two: the row is the batch's."""

import json
import os
import socket
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="the distribution is that of JAX"
)

TRAINING = """
    import json, sys, jax
    log_dir, kind, port, process = sys.argv[1:]
    if kind == "processes":
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(f"localhost:{port}", 2, int(process))
    import keras, numpy as np
    from keras import layers
    from keras_initkit import LayerStatsCallback

    assert jax.device_count() == (1 if kind == "one" else 2)
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    batches = x.reshape(4, 16, 8)
    if kind == "processes":  # each has its half of every batch
        batches = batches[:, int(process) :: 2]
    x = batches.reshape(-1, 8)
    if kind != "one":
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=kind == "devices")
        )

    def train(*callbacks):
        keras.utils.set_random_seed(0)
        hidden = layers.Dense(16, activation="tanh")
        model = keras.Sequential([keras.Input((8,)), hidden, layers.Dense(3)])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        model.fit(
            x, x[:, :3], batch_size=batches.shape[1], shuffle=False, verbose=0,
            callbacks=list(callbacks),
        )
        weights = [v.value.addressable_data(0) for v in model.trainable_variables]
        return [np.asarray(weight) for weight in weights]

    callback = LayerStatsCallback(
        log_dir, statistics="all", histogram_steps=2, update_freq=1
    )
    bare, observed = train(), train(callback)
    print(json.dumps({
        "identical": all(map(np.array_equal, bare, observed)),
        "steps": callback.history.steps.tolist(),
        "rows": {key: values.tolist() for key, values in callback.history.items()},
    }))
"""


def start(log_dir, kind, num_devices=1, port=0, process=0):
    flags = f"--xla_force_host_platform_device_count={num_devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", textwrap.dedent(TRAINING)]
    command += [str(log_dir), kind, str(port), str(process)]
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(*processes):
    """The output of each process; none outlives the test."""
    try:
        outputs = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [json.loads(printed.splitlines()[-1]) for printed, _ in outputs]


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory):
    (seen,) = results(start(tmp_path_factory.mktemp("one"), "one"))
    return seen["rows"]


def assert_close(seen, on_one_device):
    assert seen["identical"]
    assert seen["steps"] == [0, 1, 2, 3]
    assert seen["rows"].keys() == on_one_device.keys()
    for key, values in seen["rows"].items():
        np.testing.assert_allclose(
            values, on_one_device[key], rtol=1e-5, atol=1e-8, err_msg=key
        )


def test_two_devices_of_one_process(tmp_path, on_one_device):
    (seen,) = results(start(tmp_path, "devices", num_devices=2))
    assert_close(seen, on_one_device)


def test_two_processes_have_the_same_rows_and_one_of_them_writes(
    tmp_path, on_one_device
):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    directories = [tmp_path / "0", tmp_path / "1"]
    seen = results(
        *(
            start(directory, "processes", port=port, process=number)
            for number, directory in enumerate(directories)
        )
    )
    for of_process in seen:
        assert_close(of_process, on_one_device)
    assert seen[0]["rows"] == seen[1]["rows"]
    assert list((directories[0] / "layer_stats").iterdir())
    assert not directories[1].exists()
