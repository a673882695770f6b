"""The tab: its routes and their answers."""

import functools
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from tensorboard_plugin_initkit.course import read_course, read_metrics
from tensorboard_plugin_initkit.findings import read_findings
from tensorboard_plugin_initkit.histograms import read_histograms, read_sources
from tensorboard_plugin_initkit.metadata import (
    LEARNING_RATE_TAG,
    LOSS_TAG,
    PLUGIN_NAME,
)
from tensorboard_plugin_initkit.profiles import ProfileReader
from tensorboard_plugin_initkit.scales import scale
from tensorboard_plugin_initkit.unreadable import (
    UNREADABLE,
    read_apart,
    why_unreadable,
)

EVERYTHING = 1_000_000_000
METHODS = ("GET", "HEAD")
# No answer is a page: opened as one, it may load, run and frame nothing. The page in
# the tab is TensorBoard's, with its own policy.
POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
# The files to serve from the disk, with their types.
PAGE = {
    "axis.js": "text/javascript",
    "charts.css": "text/css",
    "colour_scales.js": "text/javascript",
    "colours.js": "text/javascript",
    "controls.css": "text/css",
    "controls.js": "text/javascript",
    "data.js": "text/javascript",
    "distribution.js": "text/javascript",
    "dom.js": "text/javascript",
    "downloads.js": "text/javascript",
    "findings.css": "text/css",
    "findings.js": "text/javascript",
    "frame.js": "text/javascript",
    "heatmap.css": "text/css",
    "heatmap.js": "text/javascript",
    "heatmap_drawing.js": "text/javascript",
    "heatmap_layout.js": "text/javascript",
    "heatmap_legend.js": "text/javascript",
    "heatmap_views.js": "text/javascript",
    "host.js": "text/javascript",
    "index.js": "text/javascript",
    "layers.js": "text/javascript",
    "messages.js": "text/javascript",
    "numbers.js": "text/javascript",
    "overview.css": "text/css",
    "overview.js": "text/javascript",
    "panel.js": "text/javascript",
    "paths.js": "text/javascript",
    "player.js": "text/javascript",
    "profile_chart.js": "text/javascript",
    "profile_drawing.js": "text/javascript",
    "profile_legend.js": "text/javascript",
    "ranges.js": "text/javascript",
    "redraw.js": "text/javascript",
    "state.js": "text/javascript",
    "style.css": "text/css",
    "time_series.js": "text/javascript",
    "tip.js": "text/javascript",
    "views.js": "text/javascript",
    "zoom.js": "text/javascript",
}

Answer = Callable[[wrappers.Request], wrappers.Response]


class InitkitPlugin(base_plugin.TBPlugin):
    """Serves the page, the list of runs, and one statistic of one run at a time.

    Route | answer
    --|--
    `/runs` | JSON: `runs`, as `ProfileReader.runs` has them, each with its \
`findings`, `histograms`, `loss`, `learning_rate` and `metrics`, null where none are \
recorded; and for each of their `statistics` its scale
    `/profiles?run=...&statistic=...` | bytes, as `Profiles.to_bytes` makes them
    `/histograms?run=...&source=...&layer=...` | JSON, as `read_histograms` has it
    `/index.js` and the other names of `PAGE` | the file

    The answer to a missing or wrong parameter is 400, to an unknown run 404, and to a
    method other than GET 405, each with a sentence. Every answer has the
    Content-Security-Policy `POLICY`.
    """

    plugin_name = PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        super().__init__(context)
        hints = context.sampling_hints or {}
        self._provider = context.data_provider
        self._most = hints.get(PLUGIN_NAME) or EVERYTHING
        self._reader = ProfileReader(self._provider, self._most)

    def get_plugin_apps(self) -> dict[str, Any]:
        answers: dict[str, Answer] = {
            "/runs": self._runs,
            "/profiles": self._profiles,
            "/histograms": self._histograms,
            **{f"/{name}": functools.partial(_file, name) for name in PAGE},
        }
        return {
            route: wrappers.Request.application(functools.partial(_guarded, answer))
            for route, answer in answers.items()
        }

    def is_active(self) -> bool:
        return False  # TensorBoard itself looks for data with our name

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        return base_plugin.FrontendMetadata(
            es_module_path="/index.js", tab_name="Initkit"
        )

    def _runs(self, request: wrappers.Request) -> wrappers.Response:
        source = _source(request)
        runs = self._reader.runs(*source)
        course = functools.partial(read_course, self._provider, *source)
        parts: dict[str, functools.partial[dict[str, Any]]] = {
            "findings": functools.partial(read_findings, self._provider, *source),
            "histograms": functools.partial(read_sources, self._provider, *source),
            "loss": functools.partial(course, LOSS_TAG, self._most),
            "learning_rate": functools.partial(course, LEARNING_RATE_TAG, self._most),
            "metrics": functools.partial(read_metrics, self._provider, *source),
        }
        for key, read in parts.items():
            names = [run["name"] for run in runs if "error" not in run]
            found, faults = read_apart(read, names)
            for run in runs:
                run[key] = found.get(run["name"])
                if run["name"] in faults:
                    run["error"] = faults[run["name"]]
        keys = {key for run in runs for key in run.get("statistics", ())}
        statistics = {key: scale(key)._asdict() for key in sorted(keys)}
        content = {"runs": runs, "statistics": statistics}
        return http_util.Respond(request, content, "application/json")

    def _profiles(self, request: wrappers.Request) -> wrappers.Response:
        name, key = _parameters(request, "run", "statistic")
        source = _source(request)
        run = self._run(source, name)
        _check("statistic", key, run["statistics"])
        profiles = _readable(self._reader.read, *source, name, key, len(run["layers"]))
        if not len(profiles.steps):
            raise _RefusedError(
                f"Run {name!r} has two networks, trained one after the other. "
                "Give each its own directory."
            )
        data = profiles.to_bytes()
        return http_util.Respond(request, data, "application/octet-stream")

    def _histograms(self, request: wrappers.Request) -> wrappers.Response:
        name, of, layer = _parameters(request, "run", "source", "layer")
        source = _source(request)
        layers = self._run(source, name)["layers"]
        sources = read_sources(self._provider, *source, [name]).get(name, [])
        _check("source", of, sources)
        _check("layer", layer, layers)
        content = _readable(
            read_histograms, self._provider, *source, name, of, layers, layer
        )
        return http_util.Respond(request, content, "application/json")

    def _run(self, source: tuple[Any, str], name: str) -> dict[str, Any]:
        runs = {found["name"]: found for found in self._reader.runs(*source)}
        if name not in runs:
            raise _RefusedError(f"There is no run {name!r}.", 404)
        if "error" in runs[name]:
            raise _RefusedError(runs[name]["error"])
        return runs[name]


class _RefusedError(Exception):
    """An answer with a sentence and its code."""

    def __init__(self, sentence: str, code: int = 400) -> None:
        super().__init__(sentence)
        self.sentence, self.code = sentence, code


def _parameters(request: wrappers.Request, *names: str) -> list[str]:
    given = [request.args[name] for name in names if name in request.args]
    if len(given) < len(names):
        *others, last = (f"`{name}`" for name in names)
        raise _RefusedError(
            f"The parameters {', '.join(others)} and {last} are required."
        )
    return given


def _check(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise _RefusedError(
            f"Parameter `{name}` must be one of {', '.join(known)}. "
            f"Received: {name}={value!r}"
        )


def _readable(read: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except UNREADABLE as error:
        raise _RefusedError(why_unreadable(error)) from error


def _source(request: wrappers.Request) -> tuple[Any, str]:
    """The context and the experiment of a request, for hosted TensorBoards."""
    environ = request.environ
    return plugin_util.context(environ), plugin_util.experiment_id(environ)


def _file(name: str, request: wrappers.Request) -> wrappers.Response:
    content = resources.files(__package__).joinpath("page", name).read_bytes()
    return http_util.Respond(request, content, PAGE[name])


def _guarded(answer: Answer, request: wrappers.Request) -> wrappers.Response:
    try:
        if request.method not in METHODS:
            raise _RefusedError("This route answers only GET.", 405)
        response = answer(request)
    except _RefusedError as refusal:
        text = refusal.sentence
        response = http_util.Respond(request, text, "text/plain", code=refusal.code)
        if refusal.code == 405:
            response.headers["Allow"] = ", ".join(METHODS)
    response.headers["Content-Security-Policy"] = POLICY
    return response
