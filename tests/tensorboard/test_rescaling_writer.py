import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.rescaling_writer import write_rescaling


def test_tensorboard_reads_a_scalar_and_a_text(tmp_path):
    with EventFile(tmp_path) as file:
        write_rescaling(file, 3, "net/dense", 0.25, "too large")
        write_rescaling(file, 2**40, "net/dense", 4.0, "too small")
        write_rescaling(file, 3, "net/other", 1e-9, "far too large")
    reader = EventAccumulator(str(tmp_path)).Reload()
    tags = {"rescale_factor/net/dense", "rescale_factor/net/other"}
    assert set(reader.Tags()["scalars"]) == tags
    scalars = reader.Scalars("rescale_factor/net/dense")
    assert [(e.step, e.value) for e in scalars] == [(3, 0.25), (2**40, 4.0)]
    [scalar] = reader.Scalars("rescale_factor/net/other")
    assert scalar.value == pytest.approx(1e-9)
    assert reader.summary_metadata["rescaling"].plugin_data.plugin_name == "text"
    texts = [
        (e.step, make_ndarray(e.tensor_proto)) for e in reader.Tensors("rescaling")
    ]
    assert [(step, text.item().decode()) for step, text in texts] == [
        (3, "net/dense times 0.25: too large"),
        (2**40, "net/dense times 4: too small"),
        (3, "net/other times 1e-09: far too large"),
    ]
