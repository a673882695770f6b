import threading
import urllib.request
import webbrowser

import pytest

from keras_initkit.experiments.command_line import main
from keras_initkit.experiments.tensorboard_line import show_tensorboard_line


def test_it_is_printed_as_a_shell_takes_it(tmp_path, capsys):
    show_tensorboard_line(tmp_path / "a b", is_open=False)
    assert capsys.readouterr().out.endswith(f"tensorboard --logdir '{tmp_path}/a b'\n")


def test_open_serves_the_directory_until_it_is_stopped(tmp_path, monkeypatch, capsys):
    opened, pages = [], []
    wait_really = threading.Event.wait

    def wait(event, *arguments):
        # TensorBoard's own threads also wait.
        is_ours = opened and threading.current_thread() is threading.main_thread()
        if not is_ours or pages:
            return wait_really(event, *arguments)
        with urllib.request.urlopen(opened[0].partition("#")[0]) as page:
            pages.append(page.read())
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(threading.Event, "wait", wait)
    show_tensorboard_line(tmp_path, is_open=True)
    assert opened[0].endswith("#initkit")
    assert b"TensorBoard" in pages[0]
    assert opened[0] in capsys.readouterr().err


def test_the_version_says_what_a_report_needs(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith("keras-initkit 0.1.0 (Keras 3.")
