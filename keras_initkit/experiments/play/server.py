"""What the browser asks for, and who may ask."""

import json
import math
import mimetypes
import socket
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import numpy as np
from werkzeug import Request, Response
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    MethodNotAllowed,
    NotFound,
    TooManyRequests,
)
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from keras_initkit.experiments.play.fields import Values, of_second
from keras_initkit.experiments.play.keras_code import keras_code
from keras_initkit.experiments.play.scene import Scene
from keras_initkit.experiments.play.scenes import PACE, chosen, described
from keras_initkit.experiments.play.session import Session

HOST = "127.0.0.1"
# A browser has six connections to one server, and each page holds one.
MAX_SESSIONS = 4
MAX_BODY = 10_000  # bytes
DIGITS = 4  # of a number in a frame
# The page and the charts of the tab.
FOLDERS = {"page": __package__, "charts": "tensorboard_plugin_initkit"}
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Answer = Callable[[Any], Response]


class Play:
    """The WSGI application.

    Route | answer
    --|--
    `GET /` | the page
    `GET /page/...`, `GET /charts/...` | its files, and those of the tab
    `GET /scenes` | JSON: the fields of all scenes
    `POST /session` | server-sent events: `token`, and then frames, until it is closed
    `POST /order` | 204: the session of the `token` does it
    `POST /still` | JSON: the part of a scene's picture that does not move
    `POST /code` | JSON: the `code` that trains the first start, or that `is_second`

    What is posted is JSON. A request for another host, or from another origin, is
    answered with 403, one that asks for what is not allowed with 400, and a sentence.

    Args:
        scenes: by their names.
    """

    def __init__(self, scenes: dict[str, Scene]) -> None:
        self._scenes = scenes
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._routes: dict[str, Answer] = {
            "/session": self._session,
            "/order": self._order,
            "/still": self._still,
            "/code": self._code,
        }

    def __call__(self, environ: dict, start_response: Callable) -> Any:
        request = Request(environ)
        request.max_content_length = MAX_BODY
        try:
            _check_source(request)
            response = self._answer(request)
        except HTTPException as refusal:
            sentence = refusal.description or refusal.name
            response = Response(sentence, refusal.code, mimetype="text/plain")
            if isinstance(refusal, MethodNotAllowed):
                response.allow.update(refusal.valid_methods or ())
        except ValueError as error:
            response = Response(str(error), 400, mimetype="text/plain")
        response.headers.extend(SECURITY)
        return response(environ, start_response)

    def close(self) -> None:
        """Ends all trainings."""
        for session in list(self._sessions.values()):
            session.close()

    def _answer(self, request: Request) -> Response:
        path = request.path
        if path in self._routes:
            if request.method != "POST":
                raise MethodNotAllowed(["POST"], "Only POST is answered here.")
            return self._routes[path](_content(request))
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET"], "Only GET is answered here.")
        if path == "/scenes":
            return _json(described(self._scenes))
        return _file(*("page", "index.html") if path == "/" else _parts(path))

    def _session(self, content: dict[str, Any]) -> Response:
        choice = self._chosen(content)
        with self._lock:
            if len(self._sessions) >= MAX_SESSIONS:
                raise TooManyRequests(
                    f"{MAX_SESSIONS} pages are open, and no more can train at a time. "
                    "Close one, and reload this one.",
                )
            session = Session(*choice)
            self._sessions[session.token] = session
        return Response(self._events(session), mimetype="text/event-stream")

    def _events(self, session: Session) -> Iterator[str]:
        try:
            yield _event({"token": session.token})
            for frame in session.frames():
                yield ": nothing new\n\n" if frame is None else _event(frame)
        finally:  # the page is closed
            with self._lock:
                del self._sessions[session.token]
            session.close()

    def _order(self, content: dict[str, Any]) -> Response:
        session = self._sessions.get(str(content.get("token")))
        if session is None:
            raise NotFound("This page trains nothing any more. Reload it.")
        match content.get("order"):
            case "choose":
                session.choose(*self._chosen(content))
            case "play":
                session.play(int(PACE.checked(content.get("pace"))))
            case "pause":
                session.play(0)
            case "step":
                session.step()
            case other:
                raise BadRequest(f"There is no order {other!r}.")
        return Response(status=204)

    def _still(self, content: dict[str, Any]) -> Response:
        scene, values = self._chosen(content)
        return _json(scene.still(values))

    def _code(self, content: dict[str, Any]) -> Response:
        step = content.get("step")
        if not isinstance(step, int) or step < 0:
            raise BadRequest(f"`step` must be an integer. Received: step={step!r}")
        scene, values = self._chosen(content)
        if content.get("is_second"):
            values = of_second(values)
        return _json({"code": keras_code(scene, values, step)})

    def _chosen(self, content: dict[str, Any]) -> tuple[Scene, Values]:
        return chosen(self._scenes, content.get("scene"), content.get("values"))


def server(play: Play, port: int) -> BaseWSGIServer:
    """A server of the application on this machine alone, which listens already.

    Args:
        play: the application.
        port: 0 for a free one; `server.port` says which.

    Raises:
        OSError: the port is taken, or not allowed.
    """
    # A socket of ours: Werkzeug ends the process where the port is taken.
    listening = socket.create_server((HOST, port))
    with listening:
        return make_server(
            *(HOST, port, play),
            threaded=True,
            request_handler=_Quiet,
            fd=listening.fileno(),
        )


class _Quiet(WSGIRequestHandler):
    def log_request(self, *args: Any) -> None:
        """The terminal is for the address, not for each request."""


def _check_source(request: Request) -> None:
    """Nobody's page but our own may ask: no other origin, no other name for us."""
    port = request.environ["SERVER_PORT"]
    hosts = [f"{name}:{port}" for name in (HOST, "localhost")]
    if request.host not in hosts:
        raise Forbidden(f"This server is {hosts[0]} and has no other name.")
    origin = request.headers.get("Origin")
    is_foreign = origin is not None and origin != f"http://{request.host}"
    if is_foreign or (request.method == "POST" and origin is None):
        raise Forbidden("Only the page of this server may ask for this.")


def _content(request: Request) -> dict[str, Any]:
    content = request.get_json(silent=True) if request.is_json else None
    if not isinstance(content, dict):
        raise BadRequest("A JSON object was expected.")
    return content


def _parts(path: str) -> tuple[str, str]:
    folder, _, name = path.strip("/").partition("/")
    return folder, name


def _file(folder: str, name: str) -> Response:
    package = FOLDERS.get(folder)
    files = {}
    if package is not None:
        page = resources.files(package).joinpath("page")
        files = {file.name: file for file in page.iterdir() if file.is_file()}
    if name not in files:
        raise NotFound("There is no such page.")
    kind, _ = mimetypes.guess_type(name)
    return Response(files[name].read_bytes(), mimetype=kind)


def _json(content: Any) -> Response:
    return Response(json.dumps(_plain(content)), mimetype="application/json")


def _event(content: Any) -> str:
    return f"data: {json.dumps(_plain(content))}\n\n"


def _plain(content: Any) -> Any:
    """As JSON has it: numbers of four digits, and "NaN" or "Infinity" as words."""
    match content:
        case dict():
            return {name: _plain(value) for name, value in content.items()}
        case list() | tuple():
            return [_plain(value) for value in content]
        case np.ndarray() | np.generic():
            return _plain(content.tolist())
        case float() if math.isnan(content):
            return "NaN"
        case float() if math.isinf(content):
            return "Infinity" if content > 0 else "-Infinity"
        case float():
            return float(f"{content:.{DIGITS}g}")
        case _:
            return content
