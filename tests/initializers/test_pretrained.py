import copy
import gc
import json
import os
import pickle
import tracemalloc
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_initkit.initializers import pretrained
from keras_initkit.initializers.pretrained import Pretrained

VALUES = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def draw(initializer, shape=(4, 3), dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))


def dense_model(initializer="glorot_uniform", name="hidden"):
    layer = keras.layers.Dense(3, kernel_initializer=initializer, name=name)
    return keras.Sequential([keras.Input((4,)), layer])


@pytest.fixture
def source(tmp_path):
    """A saved model with one layer, `hidden`, whose kernel is VALUES."""
    dense_model(Pretrained(VALUES)).save(tmp_path / "source.keras")
    return str(tmp_path / "source.keras")


@pytest.mark.parametrize(
    "make",
    [
        np.copy,
        np.ndarray.tolist,
        keras.ops.convert_to_tensor,
        keras.Variable,
        lambda values: values.astype("float64"),
    ],
    ids=["array", "list", "tensor", "variable", "float64"],
)
def test_an_array_is_returned(make):
    np.testing.assert_array_equal(draw(Pretrained(make(VALUES))), VALUES)


def test_half_precision_tensors_are_read():
    for dtype in ("float16", "bfloat16"):
        tensor = keras.ops.cast(VALUES, dtype)
        returned = Pretrained(tensor)(VALUES.shape, dtype=dtype)
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(keras.ops.cast(returned, "float32")),
            keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")),
        )


@pytest.mark.parametrize("scalar", [0.1, np.float32(0.1), np.array(0.1)])
def test_a_scalar_is_an_array_without_axes(scalar):
    config = json.loads(json.dumps(Pretrained(scalar).get_config()))
    assert draw(Pretrained.from_config(config), ()) == np.float32(0.1)


def test_later_changes_of_the_array_are_not_seen():
    array = VALUES.copy()
    initializer = Pretrained(array)
    array[:] = 0
    np.testing.assert_array_equal(draw(initializer), VALUES)


@pytest.mark.parametrize("path", ["hidden/kernel", "kernel"])
def test_a_variable_of_a_model_by_its_path_or_its_end(source, path):
    model = dense_model(Pretrained(source, path), name="other")
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), VALUES)


def test_a_model_with_two_layers_of_the_same_weights(tmp_path):
    layers = [keras.layers.Dense(4, name="a"), keras.layers.Dense(4, name="b")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.save(tmp_path / "m.keras")
    drawn = draw(Pretrained(tmp_path / "m.keras", "b/kernel"), (4, 4))
    np.testing.assert_array_equal(drawn, layers[1].kernel.numpy())
    with pytest.raises(ValueError, match=r"but 2 match.*a/kernel, a/bias, b/kernel"):
        Pretrained(tmp_path / "m.keras", "kernel")


def test_the_end_of_a_name_is_no_end_of_a_path(source):
    with pytest.raises(ValueError, match=r"but 0 match.*Received: path=en/kernel$"):
        Pretrained(source, "en/kernel")


@pytest.mark.parametrize("path", ["layers/dense/vars/0", "vars/0"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_dataset_of_a_weights_file(tmp_path, path, dtype):
    layer = keras.layers.Dense(3, name="hidden", dtype=dtype)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.save_weights(tmp_path / "m.weights.h5")
    drawn = Pretrained(tmp_path / "m.weights.h5", path)((4, 3), dtype=dtype)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(drawn), keras.ops.convert_to_numpy(layer.kernel)
    )


def test_an_array_of_an_npz_file(tmp_path):
    np.savez(tmp_path / "two.npz", first=VALUES, second=2 * VALUES)
    drawn = draw(Pretrained(tmp_path / "two.npz", "second"))
    np.testing.assert_array_equal(drawn, 2 * VALUES)
    with pytest.raises(ValueError, match=r"first, second\. Received: path=None"):
        Pretrained(tmp_path / "two.npz")
    np.savez(tmp_path / "one.npz", only=VALUES)
    np.testing.assert_array_equal(draw(Pretrained(tmp_path / "one.npz")), VALUES)


def test_values_are_those_at_construction(source):
    initializer = Pretrained(source, "hidden/kernel")
    os.remove(source)
    for same in (
        initializer,
        copy.deepcopy(initializer),
        pickle.loads(pickle.dumps(initializer)),
    ):
        np.testing.assert_array_equal(draw(same), VALUES)


def test_the_config_of_a_file_is_its_name(source):
    initializer = Pretrained(source, "hidden/kernel")
    assert initializer.get_config() == {"source": source, "path": "hidden/kernel"}


def test_a_saved_array_survives_exactly(tmp_path):
    array = np.array([[1 / 3, np.pi, 1e-300, 0.0]])
    config = json.loads(json.dumps(Pretrained(array).get_config()))
    np.testing.assert_array_equal(Pretrained.from_config(config).source, array)


def test_an_array_costs_some_20_bytes_a_value_in_a_saved_model():
    array = np.random.default_rng(0).normal(size=(100, 100)).astype("float32")
    size = len(json.dumps(Pretrained(array).get_config()))
    assert size / array.size == pytest.approx(22, abs=2)


def test_a_trained_model_loads_without_the_source(source, tmp_path, caplog):
    model = dense_model(Pretrained(source, "hidden/kernel"))
    model.layers[0].kernel.assign(2 * VALUES)
    model.save(tmp_path / "trained.keras")
    del model
    gc.collect()
    os.remove(source)
    loaded = keras.saving.load_model(tmp_path / "trained.keras")
    np.testing.assert_array_equal(loaded.layers[0].kernel.numpy(), 2 * VALUES)
    # Saved again, it still names its source.
    loaded.save(tmp_path / "again.keras")
    again = keras.saving.load_model(tmp_path / "again.keras", safe_mode=False)
    initializer = again.layers[0].kernel_initializer
    assert initializer.get_config() == {"source": source, "path": "hidden/kernel"}
    assert not caplog.records
    np.testing.assert_array_equal(draw(initializer), np.zeros((4, 3)))
    (record,) = caplog.records
    assert record.name == "keras_initkit"
    assert "returns zeros" in record.getMessage()
    assert source in record.getMessage()


def test_a_model_opens_what_it_names_only_when_the_user_asks(
    source, tmp_path, monkeypatch
):
    dense_model(Pretrained(source, "hidden/kernel")).save(tmp_path / "m.keras")
    gc.collect()
    opened = []
    monkeypatch.setattr(pretrained, "_read", lambda *of: opened.append(of) or VALUES)
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    clone = keras.models.clone_model(loaded)
    copied = loaded.layers[0].kernel_initializer.clone()
    assert opened == []
    np.testing.assert_array_equal(clone.layers[0].kernel.numpy(), np.zeros((4, 3)))
    assert copied.is_missing
    asked = keras.saving.load_model(tmp_path / "m.keras", safe_mode=False)
    assert opened == [(source, "hidden/kernel")]
    np.testing.assert_array_equal(draw(asked.layers[0].kernel_initializer), VALUES)


def test_clones_keep_the_values_without_the_file(source):
    model = dense_model(Pretrained(source, "hidden/kernel"))
    os.remove(source)
    clone = keras.models.clone_model(model)
    del model
    gc.collect()
    for same in (clone, keras.models.clone_model(clone)):
        np.testing.assert_array_equal(same.layers[0].kernel.numpy(), VALUES)


@pytest.mark.parametrize("kind", ["external", "virtual"])
def test_an_h5_file_that_takes_its_values_from_another_is_refused(tmp_path, kind):
    secret = tmp_path / "secret"
    with h5py.File(tmp_path / "m.h5", "w") as file:
        if kind == "external":
            secret.write_bytes(VALUES.tobytes())
            parts = [(str(secret), 0, VALUES.nbytes)]
            file.create_dataset("w", VALUES.shape, "float32", external=parts)
        else:
            with h5py.File(secret, "w") as other:
                other["w"] = VALUES
            layout = h5py.VirtualLayout(VALUES.shape, "float32")
            layout[...] = h5py.VirtualSource(secret, "w", VALUES.shape)
            file.create_virtual_dataset("w", layout)
    with h5py.File(tmp_path / "m.h5") as file:  # to h5py, it is like any other
        np.testing.assert_array_equal(file["w"], VALUES)
    with pytest.raises(ValueError, match=r"values of w lie in other files.*source="):
        Pretrained(tmp_path / "m.h5", "w")


def test_a_trained_model_loads_when_the_source_is_another_file(source, tmp_path):
    dense_model(Pretrained(source, "hidden/kernel")).save(tmp_path / "trained.keras")
    dense_model(name="renamed").save(source)
    loaded = keras.saving.load_model(tmp_path / "trained.keras")
    np.testing.assert_array_equal(loaded.layers[0].kernel.numpy(), VALUES)


def test_a_model_saved_over_its_own_source_loads(source, caplog):
    model = dense_model(Pretrained(source, "hidden/kernel"))
    model.layers[0].kernel.assign(2 * VALUES)
    model.save(source)
    loaded = keras.saving.load_model(source)
    np.testing.assert_array_equal(loaded.layers[0].kernel.numpy(), 2 * VALUES)
    assert not caplog.records


def test_a_source_may_have_had_a_source_that_is_gone(source, tmp_path, caplog):
    second = tmp_path / "second.keras"
    dense_model(Pretrained(source, "hidden/kernel")).save(second)
    os.remove(source)
    np.testing.assert_array_equal(draw(Pretrained(second, "kernel")), VALUES)
    assert not caplog.records


def test_built_while_fit_traces(source):
    layer = keras.layers.Dense(
        3, kernel_initializer=Pretrained(source, "hidden/kernel")
    )
    model = keras.Sequential([layer])
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    model.fit(np.ones((2, 4)), np.ones((2, 3)), verbose=0)
    np.testing.assert_array_equal(layer.kernel.numpy(), VALUES)


def test_another_shape_is_refused(source):
    with pytest.raises(
        ValueError, match=r"\(4, 3\).*source\.keras, path=kernel.*shape=\(3, 4\)$"
    ):
        Pretrained(source, "kernel")((3, 4))
    with pytest.raises(ValueError, match=r"source=an array, .*shape=\(5, 4, 3\)$"):
        Pretrained(VALUES)((5, 4, 3))


def test_a_missing_file_is_refused_at_construction(tmp_path):
    missing = tmp_path / "missing.keras"
    with pytest.raises(FileNotFoundError, match=f"Received: source={missing}$"):
        Pretrained(missing, "hidden/kernel")


def test_paths_are_listed_twenty_at_most(tmp_path):
    np.savez(tmp_path / "m.npz", **{f"w{i}": VALUES for i in range(50)})
    with pytest.raises(ValueError, match=r"w0, w1,.* w19 and 30 more\. Received:"):
        Pretrained(tmp_path / "m.npz", "w99")


@pytest.mark.parametrize("name", ["m.npz", "m.h5"])
def test_only_the_array_that_is_asked_for_is_loaded(tmp_path, name):
    """A small file that also holds 160 MB of zeros."""
    file = tmp_path / name
    sizes = {"small": 10, "vast": 2 * 10**7}
    if name == "m.npz":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, size in sizes.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    head = {"descr": "<f8", "fortran_order": False, "shape": (size,)}
                    np.lib.format.write_array_header_1_0(member, head)
                    for _ in range(0, 8 * size, 8 * 10**6):
                        member.write(bytes(min(8 * size, 8 * 10**6)))
    else:
        with h5py.File(file, "w") as content:
            for key, size in sizes.items():
                content.create_dataset(key, (size,), "f8", chunks=True)
    tracemalloc.start()
    Pretrained(file, "small")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6


class Unregistered(keras.layers.Layer):
    def call(self, inputs):
        return inputs


def test_a_model_with_unknown_objects_is_refused(tmp_path):
    keras.Sequential([keras.Input((4,)), Unregistered()]).save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"(?s)custom objects.*Unregistered.*source="):
        Pretrained(tmp_path / "m.keras", "kernel")


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5", "m.npz"])
def test_a_broken_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no such format")
    with pytest.raises(ValueError, match=r"(?s)that can be read.*Received: source="):
        Pretrained(tmp_path / name, "kernel")


@pytest.mark.parametrize("source", ["model.pt", None, ["a"], object(), {"a": 1}, 1j])
def test_a_bad_source_is_refused(source):
    with pytest.raises(
        ValueError, match=r"^Argument `source` must .*Received: source="
    ):
        Pretrained(source)


def test_an_array_has_no_path():
    with pytest.raises(ValueError, match=r"Received: path=kernel$"):
        Pretrained(VALUES, "kernel")
