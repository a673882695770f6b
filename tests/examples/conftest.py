"""Shared by the tests of the studies: a quick run of each study."""

import os

import pytest

from keras_initkit.experiments.study import Lab
from keras_initkit.experiments.study_command import load_study


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("study")
    mnist_path = os.environ.get("KERAS_INITKIT_MNIST")
    return Lab(True, 0, mnist_path, log_dir=directory / "logs", output=directory)


@pytest.fixture(scope="module")
def findings(lab, request):
    """The findings of the study with the name of the test module."""
    name = request.module.__name__.rpartition(".")[-1].removeprefix("test_")
    found = load_study(name).study(lab)
    assert (lab.output / f"{name}.png").stat().st_size > 10_000
    assert list(lab.log_dir.glob("**/events.out.tfevents.*"))
    return found
