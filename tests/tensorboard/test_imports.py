import os
import subprocess
import sys

# Every writer writes once, because a function may hide an import.
CODE = """
import tempfile
import numpy as np
from keras_initkit.stats.history import Records
from keras_initkit.tensorboard.custom_scalars import write_layout
from keras_initkit.tensorboard.depth_profile import depth_profile_value
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.histograms import HistogramWriter
from keras_initkit.tensorboard.hparams import write_session_end, write_session_start
from keras_initkit.tensorboard.layer_heatmap import write_layer_heatmap
from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter
from keras_initkit.tensorboard.rescaling_writer import write_rescaling

with EventFile(tempfile.mkdtemp()) as file:
    LayerStatsWriter(file, ["weight_variance"], ["a"], "table").write(
        Records(np.zeros(1), np.ones((1, 1, 1)), np.zeros(1, bool), *np.zeros((2, 1)))
    )
    counts = np.ones((1, 1, 1, 2))
    HistogramWriter(file, ["weight"], ["a"], np.arange(3.0)).write(np.zeros(1), counts)
    depth_profile_value("gradient_variance", np.ones(1), True)
    write_layout(file, ["weight_mean"], ["weight_mean"])
    write_session_start(file, {"depth": 1}, ["depth"], ["loss"])
    write_session_end(file, 1, {"loss": 0.5})
    write_layer_heatmap(file, "update_ratio", ["a"], np.zeros(1), np.ones((1, 1)))
    write_rescaling(file, 0, "a", 0.5, "too large")

assert not {"tensorflow", "keras"} & set(sys.modules)
"""


def test_the_writers_import_neither_keras_nor_tensorflow():
    # The package's __init__ imports keras, so the test imports its parts directly.
    stub = (
        "import sys, types; p = types.ModuleType('keras_initkit');"
        f"p.__path__ = [{os.path.dirname(sys.modules['keras_initkit'].__file__)!r}];"
        "sys.modules['keras_initkit'] = p;"
    )
    subprocess.run([sys.executable, "-c", stub + CODE], check=True)
