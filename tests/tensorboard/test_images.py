import io

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.image import metadata
from tensorboard.util.tensor_util import make_ndarray

from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.images import write_image


def test_width_height_and_picture(tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (300, 20)).save(picture, "png")
    with EventFile(tmp_path) as file:
        write_image(file, "a/b", 7, picture.getvalue())
    reader = EventAccumulator(str(tmp_path)).Reload()
    plugin_data = reader.summary_metadata["a/b"].plugin_data
    assert plugin_data.plugin_name == metadata.PLUGIN_NAME
    [event] = reader.Tensors("a/b")
    assert event.step == 7
    content = make_ndarray(event.tensor_proto).tolist()
    assert content == [b"300", b"20", picture.getvalue()]
