"""Measures what TensorBoard needs for our vectors: disk, time, memory.

    python benchmarks/tensorboard_load.py
    python benchmarks/tensorboard_load.py --layers 20 --steps 1000 --rounds 1
    python benchmarks/tensorboard_load.py --loaders fast

The benchmark writes the same statistics of a long training of a deep network in two
ways: as `LayerStatsCallback` writes them, and as one scalar tag for each layer and
statistic, in one event per step, which is the shortest way to write those. A real
TensorBoard loads each, with its fast loader and with the slow one.

The first table shows the seconds from the moment when TensorBoard prints its address
until it serves the last step, and the resident memory of all of its processes two
seconds later, in total and beyond an empty log directory. All take turns, so a slow
moment of the machine affects all of them. The table shows medians over the rounds.

The second table shows the additional costs of our tab, for several such runs and for as
many small ones: the time from opening the page until it is ready in headless Chromium
(the page alone, without TensorBoard around it), the time of one request, and the growth
of TensorBoard's memory, with the runs and again with the requests of all views of the
page. Without Chromium, only requests are timed.

The last line is the cost of the tab at every start of TensorBoard, with or without
data: the import of the plugin's loader, after the TensorBoard module that it imports.

Memory comes from /proc, so the benchmark needs Linux.
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorboard
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from keras_initkit.stats.history import Records
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.layer_stats_writer import LayerStatsWriter

KEYS = tuple(
    f"{source}_{name}"
    for source in ("weight", "gradient")
    for name in ("mean", "variance", "l2_norm")
)
SHOWN = "gradient_variance"  # the first view of the page
SMALL = (10, 50)  # layers and steps of a small run
EMPTY, OURS, SCALARS = "no data", "ours, vectors", "a scalar per layer"
LOADERS = {"fast": "true", "slow": "false"}  # values of --load_fast
SETTLING = 2  # seconds after which memory is read
PATIENCE = 1800  # seconds
REQUESTS = 20
OPENINGS = 10
IMPORTS = 15
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# The time until the page is ready, in milliseconds after the request.
WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("main[data-state=ready]")) return;
  window.readyAt = performance.now();
  observer.disconnect();
}).observe(document, { attributes: true, childList: true, subtree: true });
"""


class Load(NamedTuple):
    """The costs of loading a directory in TensorBoard.

    Attributes:
        seconds: the time from its address to the last step.
        memory: the resident memory of all its processes, in bytes.
    """

    seconds: float
    memory: int


class Tab(NamedTuple):
    """The costs of our tab for the runs of a directory.

    Attributes:
        request: seconds for one statistic of one run.
        ready: seconds from opening the page to its being ready; None without a browser.
        loaded: bytes of memory with the runs.
        used: bytes of memory after all of the requests.
    """

    request: float
    ready: float | None
    loaded: int
    used: int


class TensorBoard:
    """A TensorBoard process that serves a directory.

    Args:
        log_dir: the directory.
        load_fast: the value of its flag.
    """

    def __init__(self, log_dir: Path, load_fast: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tensorboard.main", "--logdir", str(log_dir)),
                *("--port", "0", "--host", "127.0.0.1", "--load_fast", load_fast),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        found = None
        while not found:
            assert self.process.stderr is not None
            line = self.process.stderr.readline()
            if not line:
                raise RuntimeError("TensorBoard does not start.")
            found = re.search(r"http://(\S+?)/", line)
        self.host = found[1]

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)

    def get(self, route: str, **query: str) -> bytes:
        """The answer, or nothing in case of an error."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request("GET", f"/data/{route}?{urllib.parse.urlencode(query)}")
            response = connection.getresponse()
            answer = response.read()
            return answer if response.status == 200 else b""
        finally:
            connection.close()

    def memory(self) -> int:
        """Bytes in memory, including its child processes."""
        pages = 0
        family = {self.process.pid}
        for pid, parent, resident in sorted(_processes()):
            if pid in family or parent in family:
                family.add(pid)
                pages += resident
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running(log_dir: Path, load_fast: str) -> Iterator[TensorBoard]:
    """A TensorBoard that is closed at the end."""
    server = TensorBoard(log_dir, load_fast)
    try:
        yield server
    finally:
        server.close()


def _processes() -> Iterator[tuple[int, int, int]]:
    """The number of each process, its parent's, and its pages in memory."""
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended
                status = (directory / "stat").read_text().rpartition(")")[2].split()
                yield int(directory.name), int(status[1]), int(status[21])


def layer_names(count: int) -> list[str]:
    return [f"network/block_{number}/dense" for number in range(count)]


def values_of(layers: int, steps: int) -> np.ndarray:
    """Numbers of shape (steps, statistics, layers), over many powers of ten."""
    rng = np.random.default_rng(0)
    return 10 ** rng.normal(-4, 2, size=(steps, len(KEYS), layers))


def write_ours(directory: Path, layers: int, steps: int) -> None:
    """Writes like `LayerStatsCallback` with its default statistics."""
    values = values_of(layers, steps)
    with EventFile(directory) as file:
        writer = LayerStatsWriter(file, KEYS, layer_names(layers), "")
        writer.write_interval(0, 1)
        writer.write_intended("weight_variance", values[0, 1])
        skipped, others = np.zeros(steps, bool), np.zeros((2, steps))
        writer.write(Records(np.arange(steps), values, skipped, *others))


def write_scalars(directory: Path, layers: int, steps: int) -> None:
    """Writes one scalar for each layer and statistic."""
    tags = [f"{key}/{name}" for key in KEYS for name in layer_names(layers)]
    event = Event(summary=Summary(value=[Summary.Value(tag=tag) for tag in tags]))
    with EventFile(directory) as file:
        for step, values in enumerate(values_of(layers, steps)):
            event.step, event.wall_time = step, time.time()
            for value, number in zip(event.summary.value, values.flat, strict=True):
                value.simple_value = number
            file.add(event)


def size_of(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("events.out.*"))


def wait_for(condition: Callable[[], Any]) -> None:
    begin = time.monotonic()
    while not condition():
        elapsed = time.monotonic() - begin
        if elapsed > PATIENCE:
            raise TimeoutError("TensorBoard does not load what was written.")
        # Asked too often, the slow loader would be slower.
        time.sleep(0.01 + elapsed / 20)


def serves_all_of_ours(server: TensorBoard, steps: int, runs: int = 1) -> bool:
    found = json.loads(server.get("plugin/initkit/runs") or '{"runs": []}')["runs"]
    return [run.get("last_step") for run in found] == [steps - 1] * runs


def serves_all_scalars(server: TensorBoard, layers: int, steps: int) -> bool:
    tag = f"{KEYS[-1]}/{layer_names(layers)[-1]}"
    answer = server.get("plugin/scalars/scalars", run="run", tag=tag)
    return bool(answer) and json.loads(answer)[-1][1] == steps - 1


def measure_load(
    log_dir: Path, load_fast: str, is_loaded: Callable[[TensorBoard], bool]
) -> Load:
    """Starts TensorBoard, and waits until everything is there."""
    with running(log_dir, load_fast) as server:
        begin = time.perf_counter()
        wait_for(lambda: is_loaded(server))
        seconds = time.perf_counter() - begin
        time.sleep(SETTLING)
        return Load(seconds, server.memory())


def measure_tab(
    log_dir: Path, load_fast: str, steps: int, runs: int, browser: Any
) -> Tab:
    """Starts TensorBoard, and opens the page again and again."""
    with running(log_dir, load_fast) as server:
        wait_for(lambda: serves_all_of_ours(server, steps, runs))
        time.sleep(SETTLING)
        loaded = server.memory()
        seconds = []
        for _ in range(REQUESTS):
            begin = time.perf_counter()
            answer = server.get("plugin/initkit/profiles", run="0", statistic=SHOWN)
            seconds.append(time.perf_counter() - begin)
            assert answer
        ready = None
        if browser is not None:
            url = f"http://{server.host}/data/plugin_entry.html?name=initkit"
            times = [open_page(browser, url) for _ in range(OPENINGS)]
            ready = statistics.median(times)
            for view in ("heatmap", "compare", "weights_gradients"):
                open_page(browser, f"{url}#initkit&p.initkit.view={view}")
        used = server.memory()
    return Tab(statistics.median(seconds), ready, loaded, used)


def open_page(browser: Any, url: str) -> float:
    """Seconds until the page is ready."""
    browser.get("about:blank")
    browser.get(url)
    wait_for(lambda: browser.execute_script("return window.readyAt"))
    return browser.execute_script("return window.readyAt") / 1000


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser without a cache, or None."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver_path = shutil.which("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        path = None
    if not (path and driver_path):
        yield None
        return
    options = webdriver.ChromeOptions()
    options.binary_location = path
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=driver_path)
    driver = webdriver.Chrome(options=options, service=service)
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    try:
        yield driver
    finally:
        driver.quit()


def import_seconds() -> float:
    """The seconds to import the plugin's loader, as a median of new processes."""
    code = (
        "import time; from tensorboard.plugins import base_plugin;"
        "begin = time.perf_counter(); import tensorboard_plugin_initkit.loader;"
        "print(time.perf_counter() - begin)"
    )
    command = [sys.executable, "-c", code]
    return statistics.median(
        float(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(IMPORTS)
    )


def print_loads(
    root: Path, layers: int, steps: int, rounds: int, loaders: list[str]
) -> None:
    """The first table."""
    cases: dict[str, Callable[[TensorBoard], bool]] = {
        EMPTY: lambda server: True,
        OURS: lambda server: serves_all_of_ours(server, steps),
        SCALARS: lambda server: serves_all_scalars(server, layers, steps),
    }
    directories = {name: root / str(i) for i, name in enumerate(cases)}
    directories[EMPTY].mkdir()
    write_ours(directories[OURS] / "run", layers, steps)
    write_scalars(directories[SCALARS] / "run", layers, steps)
    turns = [(name, loader) for loader in loaders for name in cases]
    loads: dict[tuple[str, str], list[Load]] = {turn: [] for turn in turns}
    for _ in range(rounds):
        for name, loader in turns:
            load = measure_load(directories[name], LOADERS[loader], cases[name])
            loads[name, loader].append(load)
        turns.append(turns.pop(0))
    print(
        f"\n{layers} layers x {len(KEYS)} statistics x {steps:,} steps, {rounds} "
        "rounds:\n\n| written | MB on disk | loader | s to the last step "
        "| MB in memory | MB more than no data |\n|---|---|---|---|---|---|"
    )
    for loader in loaders:
        for name in cases:
            found, nothing = (
                Load(*map(statistics.median, zip(*loads[key], strict=True)))
                for key in ((name, loader), (EMPTY, loader))
            )
            print(
                f"| {name} | {size_of(directories[name]) / 1e6:.1f} | {loader} "
                f"| {found.seconds:.1f} | {found.memory / 1e6:.0f} "
                f"| {(found.memory - nothing.memory) / 1e6:.0f} |",
                flush=True,
            )


def print_tab(
    root: Path, sizes: list[tuple[int, int]], runs: int, loaders: list[str]
) -> None:
    """The second table."""
    print(
        f"\nThe tab, of {runs} runs:\n\n| layers x steps of a run | loader "
        "| ms per request | s to the page | MB with the runs | MB more after all views "
        "|\n|---|---|---|---|---|---|"
    )
    empty = root / "empty"
    empty.mkdir()
    with chromium() as browser:
        for layers, steps in sizes:
            log_dir = root / f"{layers}x{steps}"
            for run in range(runs):
                write_ours(log_dir / str(run), layers, steps)
            for loader in loaders:
                load_fast = LOADERS[loader]
                nothing = measure_load(empty, load_fast, lambda server: True).memory
                tab = measure_tab(log_dir, load_fast, steps, runs, browser)
                ready = "" if tab.ready is None else f"{tab.ready:.2f}"
                print(
                    f"| {layers} x {steps:,} | {loader} | {1e3 * tab.request:.1f} "
                    f"| {ready} | {(tab.loaded - nothing) / 1e6:.0f} "
                    f"| {(tab.used - tab.loaded) / 1e6:.0f} |",
                    flush=True,
                )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default, words in (
        ("--layers", 100, "layers of the network"),
        ("--steps", 10_000, "recorded steps"),
        ("--runs", 3, "runs of the second table"),
        ("--rounds", 3, "rounds of the first table, which shows their median"),
    ):
        parser.add_argument(
            name,
            type=int,
            metavar="N",
            default=default,
            help=f"{words} (default: {default})",
        )
    parser.add_argument(
        "--loaders",
        nargs="+",
        choices=list(LOADERS),
        default=list(LOADERS),
        help="TensorBoard's ways of loading; for the slow one, a round takes minutes "
        "(default: both)",
    )
    return parser.parse_args()


def main() -> None:
    options = parse()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, TensorBoard {tensorboard.__version__}"
    )
    size = options.layers, options.steps
    with tempfile.TemporaryDirectory() as directory:
        print_loads(Path(directory), *size, options.rounds, options.loaders)
    with tempfile.TemporaryDirectory() as directory:
        print_tab(Path(directory), [size, SMALL], options.runs, options.loaders)
    print(f"\nImport of the plugin's loader: {1e3 * import_seconds():.1f} ms")


if __name__ == "__main__":
    main()
