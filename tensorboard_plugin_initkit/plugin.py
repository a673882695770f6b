"""The tab: its routes and their answers."""

import functools
from collections.abc import Callable
from importlib import resources
from typing import Any

from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from tensorboard_plugin_initkit.course import read_course, read_metrics
from tensorboard_plugin_initkit.findings import read_findings
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
`findings`, `loss`, `learning_rate` and `metrics`, null where none are recorded; and \
for each of their `statistics` its scale
    `/profiles?run=...&statistic=...` | bytes, as `Profiles.to_bytes` makes them
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
        run, key = (request.args.get(name) for name in ("run", "statistic"))
        if run is None or key is None:
            return _sentence(
                request, "The parameters `run` and `statistic` are required.", 400
            )
        source = _source(request)
        runs = {found["name"]: found for found in self._reader.runs(*source)}
        if run not in runs:
            return _sentence(request, f"There is no run {run!r}.", 404)
        if "error" in runs[run]:
            return _sentence(request, runs[run]["error"], 400)
        if key not in (known := runs[run]["statistics"]):
            return _sentence(
                request,
                f"Parameter `statistic` must be one of {', '.join(known)}. "
                f"Received: statistic={key!r}",
                400,
            )
        try:
            profiles = self._reader.read(*source, run, key, len(runs[run]["layers"]))
        except UNREADABLE as error:
            return _sentence(request, why_unreadable(error), 400)
        if not len(profiles.steps):
            return _sentence(
                request,
                f"Run {run!r} has two networks, trained one after the other. "
                "Give each its own directory.",
                400,
            )
        data = profiles.to_bytes()
        return http_util.Respond(request, data, "application/octet-stream")


def _source(request: wrappers.Request) -> tuple[Any, str]:
    """The context and the experiment of a request, for hosted TensorBoards."""
    environ = request.environ
    return plugin_util.context(environ), plugin_util.experiment_id(environ)


def _file(name: str, request: wrappers.Request) -> wrappers.Response:
    content = resources.files(__package__).joinpath("page", name).read_bytes()
    return http_util.Respond(request, content, PAGE[name])


def _guarded(answer: Answer, request: wrappers.Request) -> wrappers.Response:
    if request.method in METHODS:
        response = answer(request)
    else:
        response = _sentence(request, "This route answers only GET.", 405)
        response.headers["Allow"] = ", ".join(METHODS)
    response.headers["Content-Security-Policy"] = POLICY
    return response


def _sentence(request: wrappers.Request, text: str, code: int) -> wrappers.Response:
    return http_util.Respond(request, text, "text/plain", code=code)
