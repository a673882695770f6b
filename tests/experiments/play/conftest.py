"""A server of the page in this process, and its answers."""

import http.client
import json
import threading

import pytest

from keras_initkit.experiments.play.scenes import all_scenes
from keras_initkit.experiments.play.server import Play, server


class Client:
    """Asks a server as the page does.

    Attributes:
        host: with its port.
        play: the application.
    """

    def __init__(self, host, play):
        self.host = host
        self.play = play

    def ask(self, path, content=None, method=None, **headers):
        """The answer's code, its headers and its content, with JSON decoded."""
        answer = self.open(path, content, method, **headers)
        body = answer.read()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, answer.headers, json.loads(body) if is_json else body

    def open(self, path, content=None, method=None, **headers):
        """The answer, which is read as it arrives."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        method = method or ("GET" if content is None else "POST")
        if method == "POST":
            headers = {
                "Origin": f"http://{self.host}",
                "Content-Type": "application/json",
                **headers,
            }
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, json.dumps(content), headers)
        return connection.getresponse()

    def session(self, scene="plane", values=None):
        """An open page: the answer, and its token."""
        answer = self.open("/session", {"scene": scene, "values": values or {}})
        assert answer.status == 200, answer.read()
        return answer, next(events(answer))["token"]


def events(answer):
    """The events of a session, one after another."""
    for line in answer:
        if line.startswith(b"data: "):
            yield json.loads(line[len(b"data: ") :])


@pytest.fixture(scope="session")
def next_frame():
    """A function: the next frame of a session for which a condition holds."""

    def wait(answer, condition):
        return next(frame for frame in events(answer) if condition(frame))

    return wait


@pytest.fixture(scope="package")
def client():
    play = Play(all_scenes())
    serving = server(play, 0)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield Client(f"127.0.0.1:{serving.port}", play)
    serving.shutdown()
    play.close()
    thread.join()
