import gzip
import re

import keras
import numpy as np
import pytest

from keras_initkit.experiments.mnist_files import (
    IDX_NAMES,
    NPZ_KEYS,
    load_mnist,
    read_mnist,
)


def assert_same(mnist, arrays):
    for read, written in zip([*mnist[0], *mnist[1]], arrays, strict=True):
        assert read.dtype == "uint8"
        np.testing.assert_array_equal(read, written)


def test_npz(mnist_npz, mnist_arrays):
    assert_same(read_mnist(mnist_npz), mnist_arrays)


@pytest.mark.parametrize("name", ["", *IDX_NAMES], ids=["directory", *IDX_NAMES])
def test_idx(mnist_directory, mnist_arrays, name):
    assert_same(read_mnist(mnist_directory / name), mnist_arrays)


def test_given_path_is_read_and_keras_is_not_asked(
    mnist_npz, mnist_arrays, monkeypatch
):
    monkeypatch.setattr(keras.datasets.mnist, "load_data", pytest.fail)
    assert_same(load_mnist(str(mnist_npz)), mnist_arrays)


def test_without_a_path_it_is_keras_mnist(mnist_arrays, monkeypatch):
    mnist = tuple(mnist_arrays[:2]), tuple(mnist_arrays[2:])
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: mnist)
    assert_same(load_mnist(), mnist_arrays)


def test_offline_error_names_both_ways_out(monkeypatch):
    def offline():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", offline)
    with pytest.raises(OSError, match="URL fetch failure") as error:
        load_mnist()
    assert "--mnist-path" in str(error.value)
    assert "keras.datasets.mnist.load_data()" in str(error.value)


@pytest.mark.parametrize("name", ["none.npz", "none.gz", "none"])
def test_nothing_there(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / name))):
        read_mnist(tmp_path / name)


@pytest.mark.parametrize("name", IDX_NAMES)
def test_missing_idx_file_is_named(mnist_directory, name):
    (mnist_directory / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks {re.escape(name)}"):
        read_mnist(mnist_directory)


@pytest.mark.parametrize("key", NPZ_KEYS)
def test_missing_array_is_named(tmp_path, mnist_arrays, key):
    arrays = dict(zip(NPZ_KEYS, mnist_arrays, strict=True))
    del arrays[key]
    np.savez(tmp_path / "part.npz", **arrays)
    with pytest.raises(ValueError, match=rf"part\.npz, which lacks {key}$"):
        read_mnist(tmp_path / "part.npz")


def first_half(content):
    return content[: len(content) // 2]


def signed_bytes(content):
    return gzip.compress(b"\x00\x00\x09" + gzip.decompress(content)[3:])


def one_entry_less(content):
    return gzip.compress(gzip.decompress(content)[:-1])


def not_compressed(content):
    return gzip.decompress(content)


def empty(content):
    return b""


@pytest.mark.parametrize(
    "damage", [first_half, signed_bytes, one_entry_less, not_compressed, empty]
)
def test_damaged_idx_file_is_named(mnist_directory, damage):
    path = mnist_directory / IDX_NAMES[2]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=re.escape(str(path))):
        read_mnist(mnist_directory)


def test_wrong_magic_number_is_told(mnist_directory):
    path = mnist_directory / IDX_NAMES[0]
    path.write_bytes(signed_bytes(path.read_bytes()))
    with pytest.raises(ValueError, match="magic number is 00000903"):
        read_mnist(mnist_directory)


def npy(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def half_an_archive(path):
    path.write_bytes(first_half(path.read_bytes()))


def no_archive(path):
    path.write_text("x_train")


def pickled(path):
    np.savez(path, **dict.fromkeys(NPZ_KEYS, np.array([None])))


@pytest.mark.parametrize("damage", [npy, half_an_archive, no_archive, pickled])
def test_damaged_npz_is_named(mnist_npz, damage):
    damage(mnist_npz)
    with pytest.raises(ValueError, match=re.escape(str(mnist_npz))):
        read_mnist(mnist_npz)


def test_one_label_for_each_image(tmp_path, mnist_arrays):
    x_train, y_train, x_test, y_test = mnist_arrays
    path = tmp_path / "odd.npz"
    np.savez(path, x_train=x_train, y_train=y_train[1:], x_test=x_test, y_test=y_test)
    with pytest.raises(ValueError, match=r"labels \(39,\) in .*odd\.npz"):
        read_mnist(path)
