import importlib.metadata
import json
import os
import subprocess
import sys
import urllib.request

import pytest
from tensorboard import program
from tensorboard.plugins.core.core_plugin import CorePluginLoader

from tensorboard_plugin_initkit.loader import InitkitLoader


def flags(*arguments):
    loaders = [CorePluginLoader(include_debug_info=False), InitkitLoader()]
    tensorboard = program.TensorBoard(plugins=loaders)
    tensorboard.configure(["tensorboard", "--logdir", "logs", *arguments])
    return tensorboard.flags


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    "code",
    [
        "import tensorboard_plugin_initkit, tensorboard_plugin_initkit.metadata",
        "from tensorboard_plugin_initkit.loader import InitkitLoader; InitkitLoader()",
    ],
)
def test_import_takes_nothing_that_is_slow_or_may_be_broken(code):
    code = f"{code}; import sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    modules = set(loaded.stdout.split())
    assert "tensorboard_plugin_initkit" in modules
    heavy = {"keras", "keras_initkit", "tensorflow", "numpy", "google_crc32c", "h5py"}
    assert not heavy & modules


def test_tensorboard_keeps_a_thousand_steps():
    assert flags().samples_per_plugin == {"initkit": 1000}


def test_what_the_user_says_goes_first():
    found = flags("--samples_per_plugin", "initkit=7,scalars=9").samples_per_plugin
    assert found == {"initkit": 7, "scalars": 9}
    assert flags("--samples_per_plugin=initkit=0").samples_per_plugin == {"initkit": 0}


def test_of_other_plugins_nothing_is_changed():
    found = flags("--samples_per_plugin", "images=3").samples_per_plugin
    assert found == {"images": 3, "initkit": 1000}


def test_tensorboard_finds_the_loader():
    installed = importlib.metadata.distribution("keras_initkit").entry_points
    (found,) = installed.select(group="tensorboard_plugins")
    assert found.name == "initkit"
    assert found.load() is InitkitLoader


def test_a_broken_keras_does_not_keep_the_tab_away(
    tmp_path, monkeypatch, tensorboard_server
):
    for name in ("keras", "tensorflow"):
        package = tmp_path / "broken" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('DLL load failed')")
    paths = [str(tmp_path / "broken"), *os.environ.get("PYTHONPATH", "").split(":")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    for name in ("keras", "tensorflow"):
        command = [sys.executable, "-c", f"import {name}"]
        assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    with tensorboard_server(tmp_path) as url:
        assert get(f"{url}data/plugins_listing")["initkit"]["tab_name"] == "Initkit"
        assert get(f"{url}data/plugin/initkit/runs")["runs"] == []
