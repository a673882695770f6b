import math
import time

import pytest

from keras_initkit.experiments.play.scenes import all_scenes
from keras_initkit.experiments.play.server import MAX_SESSIONS, Play, server

SMALL = {"layers": 1, "units": 2, "dataset": "circles"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/page/play.js", "text/javascript"),
        ("/page/play.css", "text/css"),
        ("/page/icon.svg", "image/svg+xml"),
        ("/charts/axis.js", "text/javascript"),
        ("/scenes", "application/json"),
    ],
)
def test_the_page_and_the_charts_of_the_tab_are_served(client, path, kind):
    code, headers, _ = client.ask(path)
    assert code == 200
    assert headers.get_content_type() == kind
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/page/", "/page/../server.py", "/page/%2e%2e/server.py", "/x", "/charts/x.js"],
)
def test_nothing_else_is_served(client, path):
    assert client.ask(path)[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:80"},  # a name that leads to this machine
        {"Origin": "http://evil.example"},
        {"Origin": "null"},  # the origin of a sandboxed frame
        {"Origin": "https://127.0.0.1"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_elses_page_is_answered(client, headers, method):
    path = "/scenes" if method == "GET" else "/session"
    content = None if method == "GET" else {"scene": "plane", "values": {}}
    code, _, body = client.ask(path, content, method, **headers)
    assert code == 403
    assert b"this server" in body.lower()


def test_what_changes_something_needs_an_origin_and_json(client):
    content = {"scene": "plane", "values": {}}
    form = "application/x-www-form-urlencoded"
    assert client.ask("/session", content, Content_Type=form)[0] == 400
    code, headers, _ = client.ask("/session", method="GET")
    assert (code, headers["Allow"]) == (405, "POST")
    assert client.ask("/", method="PUT")[0] == 405
    # Without a header: http.client adds none.
    assert client.ask("/session", content, "PATCH")[0] == 405
    assert client.ask("/code", [1])[0] == 400
    assert client.ask("/code", {"scene": "x" * 20_000})[0] in (400, 413)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"scene": "x"}, b"`scene` must be one of plane, depth, digits"),
        ({"scene": "plane", "values": {"layers": 99}}, b"an integer from 1 to 4"),
        ({"scene": "depth", "values": {"layers": 51}}, b"an integer from 2 to 50"),
        (
            {"scene": "plane", "values": {"initializer": "os:getcwd"}},
            b'Argument `initializer` must be "zeros"',
        ),
    ],
)
def test_what_is_not_allowed_is_answered_with_a_sentence(client, content, sentence):
    for path in ("/session", "/still", "/code"):
        code, _, body = client.ask(path, {"step": 0, **content})
        assert code == 400
        assert sentence in body


def test_a_page_plays_pauses_steps_and_begins_anew(client, next_frame):
    answer, token = client.session(values=SMALL)

    def order(name, **more):
        code, _, body = client.ask("/order", {"token": token, "order": name, **more})
        assert code == 204, body

    first = next_frame(answer, lambda frame: True)
    assert (first["step"], first["playing"]) == (0, False)
    assert first["values"]["layers"] == 1
    order("step")
    assert next_frame(answer, lambda frame: frame["step"])["step"] == 1
    order("play", pace=3)
    frame = next_frame(answer, lambda frame: frame["step"] >= 10)
    assert frame["playing"]
    assert (frame["step"] - 1) % 3 == 0
    order("pause")
    order("choose", scene="plane", values={**SMALL, "initializer": "zeros"})
    frame = next_frame(answer, lambda f: f["values"]["initializer"] == "zeros")
    assert (frame["step"], frame["playing"]) == (0, False)
    assert len(frame["runs"][0]["equal"][0][0]) == 2
    assert client.ask("/order", {"token": token, "order": "quit"})[0] == 400
    assert client.ask("/order", {"token": token, "order": "play", "pace": 0})[0] == 400
    assert client.ask("/order", {"token": "x", "order": "play", "pace": 1})[0] == 404
    answer.close()


def test_a_network_that_cannot_be_is_said_and_another_one_is_drawn(client, next_frame):
    bad = {**SMALL, "units": 3, "initializer": "looks_linear"}
    answer, token = client.session(values=bad)
    frame = next_frame(answer, lambda frame: True)
    assert "even number of units" in frame["error"]
    client.ask("/order", {"token": token, "order": "play", "pace": 1})
    good = {"scene": "plane", "values": SMALL}
    client.ask("/order", {"token": token, "order": "choose", **good})
    assert next_frame(answer, lambda frame: "error" not in frame)["step"] == 0
    answer.close()


def test_a_training_that_turns_nan_is_shown_as_it_is(client, next_frame):
    hopeless = {**SMALL, "optimizer": "sgd", "rate": 10.0, "initializer": "too_large"}
    values = {**hopeless, "scale": 10.0, "layers": 4, "units": 8}
    answer, token = client.session(values=values)
    client.ask("/order", {"token": token, "order": "play", "pace": 5})
    frame = next_frame(answer, lambda frame: frame["runs"][0]["curve"][-1][1] == "NaN")
    run = frame["runs"][0]
    assert "no longer a number" in run["lesson"][1]
    assert run["accuracy"] == 0
    assert math.isnan(float(run["weights"][0][0][0]))
    answer.close()


def test_a_page_that_is_closed_trains_no_more(client, wait_until):
    answer, token = client.session(values=SMALL)
    client.ask("/order", {"token": token, "order": "play", "pace": 1})
    session = client.play._sessions[token]
    answer.close()
    wait_until(lambda: token not in client.play._sessions)
    assert token not in client.play._sessions
    wait_until(lambda: not session._thread.is_alive())
    assert not session._thread.is_alive()


def test_a_slow_page_slows_no_training_and_misses_frames(client, next_frame):
    answer, token = client.session(values=SMALL)
    session = client.play._sessions[token]
    client.ask("/order", {"token": token, "order": "play", "pace": 1})
    next_frame(answer, lambda frame: frame["step"] >= 1)
    before = session._number
    deadline = time.monotonic() + 30
    # Nothing reads: the socket is full after some frames, and steps continue.
    while session._number < before + 60 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert session._number >= before + 60
    assert isinstance(session._frame, dict)  # the newest one, and no queue
    answer.close()


def test_two_pages_do_not_disturb_each_other(client, next_frame):
    """A training has the same numbers in turns and alone."""
    values = {**SMALL, "seed": 5}
    pages = [client.session(values=values) for _ in range(2)]
    for _, token in pages:
        client.ask("/order", {"token": token, "order": "play", "pace": 20})
    curves = [
        dict(next_frame(answer, lambda f: f["step"] >= 60)["runs"][0]["curve"])
        for answer, _ in pages
    ]
    for step in (0, 20, 40, 60):
        assert curves[0][step] == curves[1][step]
    assert curves[0][0] > curves[0][60]
    for answer, _ in pages:
        answer.close()


def test_more_pages_than_a_browser_serves_are_refused(client, wait_until):
    wait_until(lambda: not client.play._sessions)
    pages = [client.session(values=SMALL)[0] for _ in range(MAX_SESSIONS)]
    code, _, body = client.ask("/session", {"scene": "plane", "values": {}})
    assert code == 429
    assert b"Close one" in body
    for page in pages:
        page.close()
    wait_until(lambda: not client.play._sessions)
    assert not client.play._sessions


def test_it_listens_on_this_machine_alone_and_a_taken_port_is_an_error(client):
    port = int(client.host.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        server(Play(all_scenes()), port)
    other = server(Play(all_scenes()), 0)
    assert other.socket.getsockname()[0] == "127.0.0.1"
    other.server_close()
