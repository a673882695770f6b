import os
import subprocess
import sys


def test_the_writers_import_neither_keras_nor_tensorflow():
    code = (
        "from keras_initkit.tensorboard.event_file import EventFile;"
        "from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter;"
        "import tempfile; import numpy as np; file = EventFile(tempfile.mkdtemp());"
        "from keras_initkit.tensorboard.histograms import HistogramWriter;"
        "LayerStatsWriter(file, ['weight_mean'], ['a'], 'table');"
        "HistogramWriter(file, ['weight'], ['a'], np.arange(3.0)).write("
        "np.zeros(1), np.ones((1, 1, 1, 2))); file.close();"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    # The package's __init__ imports keras, so that its parts are reached without it.
    stub = (
        "import sys, types; p = types.ModuleType('keras_initkit');"
        f"p.__path__ = [{os.path.dirname(sys.modules['keras_initkit'].__file__)!r}];"
        "sys.modules['keras_initkit'] = p;"
    )
    subprocess.run([sys.executable, "-c", stub + code], check=True)
