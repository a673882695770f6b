"""MNIST from Keras, from an `mnist.npz`, or from the four original IDX files."""

import functools
import gzip
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")

# Python 3.10 and 3.11 raise different errors for an array (.npy) that is no archive.
NPZ_ERRORS = (
    AttributeError,
    TypeError,
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)

# LeCun's names, in the order of NPZ_KEYS.
IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
IDX_UNSIGNED_BYTE = 0x08

Arrays = tuple[np.ndarray, np.ndarray]


AT_HAND_HELP = (
    "Keras's mnist.npz, or the IDX .gz files (default: MNIST from Keras's cache, or "
    "else scikit-learn's digits)"
)


def is_at_hand(path: str | None = None) -> bool:
    """Tells whether MNIST needs no download, because of a path or Keras's cache."""
    if path is not None:
        return True
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    return (home / "datasets" / "mnist.npz").exists()


def load_mnist(path: str | None = None) -> tuple[Arrays, Arrays]:
    """MNIST from a file, or else from Keras's cache or download.

    Args:
        path: as in `read_mnist`; `None` asks `keras.datasets.mnist`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 images `(samples, 28, 28)` and
        their uint8 digits `(samples,)`.

    Raises:
        OSError: no path was given, nothing is cached, and the download failed; or
            there is no file at `path`.
        ValueError: the file at `path` does not hold MNIST.
    """
    if path is not None:
        return read_mnist(path)

    import keras

    try:
        return keras.datasets.mnist.load_data()
    except Exception as error:  # `get_file` raises a bare Exception when offline.
        raise OSError(
            "MNIST is not in the cache and could not be downloaded. Either pass a file "
            "that you have (--mnist-path mnist.npz, or the IDX .gz files), or run "
            "`keras.datasets.mnist.load_data()` online: it caches MNIST in "
            f"~/.keras/datasets. The download failed with: {error}"
        ) from error


@functools.lru_cache(maxsize=1)
def read_mnist(path: str | Path) -> tuple[Arrays, Arrays]:
    """MNIST from files. The latest result is cached.

    Args:
        path: an `mnist.npz` with the arrays `x_train`, `y_train`, `x_test` and
            `y_test`; a directory with the four IDX files `train-images-idx3-ubyte.gz`,
            ...; or any one of these four, beside the others.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, as in `load_mnist`, read-only.

    Raises:
        FileNotFoundError: there is nothing at `path`, or an IDX file is missing.
        ValueError: a file is unreadable, or its arrays do not fit together.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"`mnist_path` does not exist. Received: {path}")
    if path.is_dir():
        arrays = _read_idx_directory(path)
    elif path.suffix == ".gz":
        arrays = _read_idx_directory(path.parent)
    else:
        arrays = _read_npz(path)
    for images, labels in (arrays[:2], arrays[2:]):
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise ValueError(
                "`mnist_path` must hold images (samples, rows, columns) and one label "
                f"for each. Received: images {images.shape}, labels {labels.shape} "
                f"in {path}"
            )
    for array in arrays:
        array.flags.writeable = False
    x_train, y_train, x_test, y_test = arrays
    return (x_train, y_train), (x_test, y_test)


def _read_npz(path: Path) -> list[np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in NPZ_KEYS if key in archive.files}
    except NPZ_ERRORS as error:
        raise ValueError(
            f"`mnist_path` must be a readable .npz file. Received: {path} ({error})"
        ) from error
    missing = [key for key in NPZ_KEYS if key not in arrays]
    if missing:
        raise ValueError(
            f"`mnist_path` must hold the arrays {', '.join(NPZ_KEYS)}. "
            f"Received: {path}, which lacks {', '.join(missing)}"
        )
    return list(arrays.values())


def _read_idx_directory(directory: Path) -> list[np.ndarray]:
    return [_read_idx(directory / name) for name in IDX_NAMES]


def _read_idx(path: Path) -> np.ndarray:
    """Reads an IDX file: magic (0, 0, type, rank), big-endian sizes, the entries."""
    if not path.exists():
        raise FileNotFoundError(
            f"`mnist_path` needs the four IDX files {', '.join(IDX_NAMES)}. "
            f"Received: {path.parent}, which lacks {path.name}"
        )
    try:
        content = gzip.decompress(path.read_bytes())
        zeros, entry_type, rank = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{rank}I", content, offset=4)
        if zeros != 0 or entry_type != IDX_UNSIGNED_BYTE:
            raise ValueError(f"its magic number is {content[:4].hex()}")
        return np.frombuffer(content, "uint8", offset=4 + 4 * rank).reshape(shape)
    except (ValueError, EOFError, OSError, struct.error, zlib.error) as error:
        raise ValueError(
            "`mnist_path` must hold readable IDX files of unsigned bytes. "
            f"Received: {path} ({error})"
        ) from error
