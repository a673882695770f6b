import numpy as np
import pytest

from keras_initkit.experiments.play.bench import Bench
from keras_initkit.experiments.play.keras_code import keras_code
from keras_initkit.experiments.play.scenes import all_scenes, chosen

SCENES = all_scenes()


@pytest.mark.parametrize(
    ("name", "values", "step"),
    [
        ("plane", {"optimizer": "momentum", "initializer": "lsuv", "scale": 2.0}, 30),
        ("plane", {"initializer": "too_small", "seed": 7, "rate": 0.003}, 25),
        ("depth", {"layers": 3, "variance": 1.37, "activation": "tanh"}, 14),
        ("digits", {"initializer": "dynamic_rescaling", "optimizer": "rmsprop"}, 28),
    ],
)
def test_the_program_has_the_weights_of_the_page(
    tmp_path, monkeypatch, name, values, step
):
    choice = chosen(SCENES, name, values)
    code = keras_code(*choice, step)
    monkeypatch.chdir(tmp_path)  # where its logs go
    program = {}
    exec(compile(code, "copied.py", "exec"), program)

    bench = Bench()
    bench.choose(*choice)
    steps = int(program["model"].optimizer.iterations)
    assert steps - 25 < step <= steps
    for _ in range(steps):
        bench.advance()
    network = bench._runs[0]._network
    bench.close()
    pairs = zip(program["model"].get_weights(), network.get_weights(), strict=True)
    for copied, own in pairs:
        np.testing.assert_allclose(copied, own, rtol=1e-4, atol=1e-6)
    assert (tmp_path / "logs" / "layer_stats").is_dir()
