"""What holds for every test; a real TensorBoard, and what it answers."""

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import keras
import pytest


@pytest.fixture(autouse=True)
def _seeded():
    """The same weights and data in every run: what passes once passes again."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def tensorboard_server():
    """A context manager: a TensorBoard of a directory, with more flags; its URL."""

    @contextlib.contextmanager
    def serve(log_dir, *flags):
        command = [
            *(sys.executable, "-m", "tensorboard.main", "--logdir", str(log_dir)),
            *("--port", "0", "--host", "127.0.0.1", *flags),
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            lines = iter(process.stderr.readline, "")
            yield next(m[0] for line in lines if (m := re.search(r"http://\S+", line)))
        finally:
            process.terminate()
            process.communicate(timeout=30)

    return serve


@pytest.fixture(scope="session")
def plugin_data():
    """A function: what the TensorBoard at a URL answers to a plugin's route.

    An answer that is JSON is given as Python's objects, any other as bytes.
    """

    def ask(url, route, **query):
        path = f"{url}data/plugin/{route}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(path, timeout=10) as response:
            answer = response.read()
            is_json = response.headers.get_content_type() == "application/json"
        return json.loads(answer) if is_json else answer

    return ask


@pytest.fixture(scope="session")
def wait_until():
    """A function that waits until a condition holds, half a minute at most."""

    def wait(condition):
        deadline = time.monotonic() + 30
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.2)

    return wait
