import re
from pathlib import Path

import pytest

from keras_initkit.tensorboard.local_directory import local_directory


@pytest.mark.parametrize(
    "path", ["logs", "/abs/logs", "a:b/c", "logs/12:30", "C:/logs", "x/gs://y", "."]
)
def test_a_path_stays_as_it_is(path):
    assert local_directory(path) == local_directory(Path(path)) == Path(path)


def test_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert local_directory("~") == Path("/home/me")
    assert local_directory("~/logs") == Path("/home/me/logs")
    assert local_directory(Path("~/logs")) == Path("/home/me/logs")
    assert local_directory("logs/~") == Path("logs/~")


@pytest.mark.parametrize("path", ["/", "/tmp/logs", "/tmp/my logs/100%#1?"])
def test_file_url_of_a_path(path):
    assert local_directory(Path(path).as_uri()) == Path(path)


def test_file_url_in_other_forms():
    # RFC 8089, section 2 and appendix B.
    assert local_directory("file:/tmp/logs") == Path("/tmp/logs")
    assert local_directory("FILE:///tmp/logs") == Path("/tmp/logs")
    assert local_directory(Path("file:///tmp/logs")) == Path("/tmp/logs")


@pytest.mark.parametrize(
    "url",
    [
        *("gs://bucket/logs", "s3://bucket", "memory://logs", "hdfs://host:80/logs"),
        *("abfs+x://logs", "https://host/logs", "file://host/logs", "file://logs"),
        *("gs:///", "memory://"),
    ],
)
@pytest.mark.parametrize("argument", ["log_dir", "output"])
def test_any_other_url_is_refused(url, argument):
    received = re.escape(f"Received: {argument}={url!r}")
    expected = f"`{argument}` must be a directory on this machine.*{received}.*copy"
    with pytest.raises(ValueError, match=expected):
        local_directory(url, argument)


def test_a_url_that_was_made_a_path_is_refused():
    with pytest.raises(ValueError, match="Received: log_dir='gs:/bucket/logs'"):
        local_directory(Path("gs://bucket/logs"))
