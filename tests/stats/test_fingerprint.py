import keras
import numpy as np
import pytest

from keras_initkit.stats.fingerprint import fingerprint

RNG = np.random.default_rng(0)
SHAPES = [(3, 3, 5, 8), (500, 70), (4, 1)]
ARRAYS = [RNG.normal(size=shape).astype("float32") for shape in SHAPES]
NAMES = ["conv", "large", "head"]


def of(arrays, names=NAMES, dtype="float32"):
    variables = [keras.Variable(array, dtype=dtype) for array in arrays]
    return fingerprint(names, variables)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_equal_weights_have_the_same(dtype):
    assert of(ARRAYS, dtype=dtype) == of(ARRAYS, dtype=dtype)


@pytest.mark.parametrize("number", range(3))
def test_the_last_bit_of_every_entry_of_one_kernel(number):
    changed = list(ARRAYS)
    changed[number] = np.nextafter(ARRAYS[number], np.float32(10))
    assert of(changed) != of(ARRAYS)


def test_every_entry_of_a_kernel_of_up_to_32_places_along_each_axis_counts():
    kernel = RNG.normal(size=(32, 7)).astype("float32")
    seen = {of([kernel], ["one"])}
    for place in np.ndindex(32, 7):
        changed = kernel.copy()
        changed[place] += 1
        seen.add(of([changed], ["one"]))
    assert len(seen) == 1 + kernel.size


def test_another_name_order_or_shape():
    others = [
        of(ARRAYS, ["conv", "large", "tail"]),
        of(ARRAYS[::-1], NAMES),
        of([*ARRAYS[:2], ARRAYS[2].T]),
        of(ARRAYS[:2], NAMES[:2]),
    ]
    assert len({of(ARRAYS), *others}) == 5


def test_it_is_the_same_in_every_process_and_backend():
    # Later versions must find the marks of today's files.
    kernel = np.arange(6, dtype="float32").reshape(2, 3)
    assert of([kernel], ["dense"]) == "8da4ec3d731905f9efed7eefbde970dc"
