"""The place of a user's `log_dir` on this machine."""

import os
import re
from os import PathLike
from pathlib import Path
from urllib.request import url2pathname

from keras_initkit import arguments

# A scheme has at least two letters: C:/logs is a path. One slash is enough, because
# `Path` turns gs://bucket into gs:/bucket.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/.*)", re.DOTALL)


def local_directory(log_dir: str | PathLike[str], argument: str = "log_dir") -> Path:
    """The path of a directory on this machine, which need not exist.

    A leading `~` or `~user` becomes that home directory. A URL of the form
    `file:///absolute/path` becomes its path, with %20 and the like decoded.

    Examples:

    >>> local_directory("file:///tmp/my%20logs")
    PosixPath('/tmp/my logs')

    Args:
        log_dir: a path or a `file:///` URL.
        argument: the name of the argument in the error.

    Raises:
        ValueError: if it is not a path, or is any other URL, such as
            `gs://bucket/logs`: files go only to the local file system.
    """
    text = os.fspath(log_dir) if isinstance(log_dir, str | PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise arguments.error(argument, log_dir, "the path of a directory")
    url = _URL.fullmatch(text)
    if url is None:
        return Path(os.path.expanduser(text))
    scheme, rest = url.groups()
    path = rest.removeprefix("//")
    if scheme.lower() != "file" or not path.startswith("/"):
        raise ValueError(
            f"Argument `{argument}` must be a directory on this machine: a path or "
            f"file:///absolute/path. Received: {argument}={text!r}. Write to a local "
            "directory and copy it with the storage's own tool, such as `gcloud "
            "storage rsync` or `aws s3 sync`, or mount the storage and pass the path "
            "of the mount."
        )
    return Path(url2pathname(path))
