import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from keras_initkit.experiments.command_line import main


def test_it_says_where_it_is_and_ends_with_ctrl_c():
    code = "from keras_initkit.experiments.command_line import main; main()"
    command = [sys.executable, "-c", code, "play"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", line)
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"play.js" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--port", "99999"), "must be from 0 to 65535. Received: 99999"),
        (("--mnist-path", "missing.npz"), "missing.npz"),
    ],
)
def test_what_cannot_be_served_is_an_error_in_one_line(capsys, options, message):
    assert main(["play", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_taken_port_is_an_error_in_one_line(capsys, client):
    port = client.host.rpartition(":")[2]
    assert main(["play", "--port", port]) == 2
    assert f"port {port} cannot be served" in capsys.readouterr().err
