"""The type hints are enough for a user's file under `mypy --strict`."""

from mypy import api

USER = """
import keras
import numpy as np

import keras_initkit
from keras_initkit import LayerStatsCallback, ScaledDepth, layer_stats, signal_report
from keras_initkit.theory import calculate_gain


def train(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    gain: float = calculate_gain("relu")
    initializer = ScaledDepth(depth=24, base="he_normal", seed=1)
    callback = LayerStatsCallback("logs", update_freq=10, stop_on="critical")
    model.fit(x, y, callbacks=[callback])
    variances: np.ndarray = callback.history["gradient_variance"]
    problems: list[str] = [finding.problem for finding in callback.findings]
    report = signal_report(model, x, y)
    keras_initkit.reinitialize(model, seed=1, initializers={"dense": initializer})
    with layer_stats(model, "logs") as stats:
        steps: np.ndarray = stats.history.steps
    reveal_type(report.findings)
    print(problems, steps)
    return gain * float(variances[-1, 0])
"""
WRONG = USER.replace("update_freq=10", "update_freqs=10").replace(
    "depth=24", "depth=[]"
)


def test_a_users_file_passes_and_wrong_arguments_are_found(tmp_path):
    for name, code in (("user", USER), ("wrong", WRONG)):
        (tmp_path / f"{name}.py").write_text(code)
    options = ["--strict", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    files = [str(tmp_path / name) for name in ("user.py", "wrong.py")]
    output, errors, status = api.run([*options, *files])
    assert (status, errors) == (1, "")
    lines = output.splitlines()
    revealed = [line for line in lines if "user.py" in line]
    assert len(revealed) == 1
    assert "Revealed type is" in revealed[0]
    assert "Any" not in revealed[0]
    assert any('Unexpected keyword argument "update_freqs"' in line for line in lines)
    wrong = 'Argument "depth" to "ScaledDepth" has incompatible type'
    assert any(wrong in line for line in lines)
