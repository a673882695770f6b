"""Measures the costs of recording: time per training step, compiling, memory, disk.

    python benchmarks/callback_overhead.py
    python benchmarks/callback_overhead.py --backend jax --networks 4x2048
    python benchmarks/callback_overhead.py --others --jit --alone 0 --fits 0
    python benchmarks/callback_overhead.py --variants "*every step" --repeats 1
    python benchmarks/callback_overhead.py --leak
    python benchmarks/callback_overhead.py --profile

Every variant is a `model.fit` of the same dense network on MNIST-shaped input, with
batches of 128, 469 steps per epoch, and Adam.

Table 1: time per step, as a ratio to no callback. The variants take turns of 5 steps in
a rotating order, so a slow moment of the machine affects all of them. A turn ends when
the device is done. Ten turns, 50 steps, are one period of the default schedule and one
round. At its end, the records are fetched and written, which also counts. Each round
has a ratio. The table shows the median and the quartiles over all rounds, and the ratio
of the sums, which includes the ends of epochs. "Steps per record" is the interval of
the callback. Each repeat builds everything again in its own process, because the place
of a network in memory matters more than the measured effect: "no callback, again" shows
how far two equal trainings differ.

Table 2: each variant alone in a process, beyond no callback. It shows the seconds from
the call of `fit` to the end of the first step and of the 51st, when every function of
the variant is compiled; the peak memory of the process; and the growth of the event
file with each record after that. A tiny network is trained first, so one-time costs of
the framework do not count, here and in table 3.

Table 3: seconds from the call of `fit` to the end of its first step, which is recorded,
in three fits of the same model, beyond no callback: with the same callback in all of
them, or with a new one in each.

Table 4, with --leak: MB by which a process grows with each model that is trained for
three steps and forgotten (`keras.backend.clear_session()`), beyond no callback. It
needs Linux.

With --profile: the ops that the callback adds to a step of TensorFlow.
"""

import argparse
import fnmatch
import importlib
import multiprocessing
import os
import platform
import statistics
from typing import Any, NamedTuple

NETWORKS = ("10x256", "50x64", "4x2048")
FITS = 3
MODELS = 20


class Variant(NamedTuple):
    """A variant to measure: see `overhead_trainings.make_callback`."""

    name: str
    kind: str
    options: dict[str, Any] = {}  # noqa: RUF012


BASELINE = Variant("no callback", "none")
AGAIN = Variant("no callback, again", "none")
DEFAULT = Variant("default", "layer_stats")
OURS = (
    DEFAULT,
    Variant("every step", "layer_stats", {"update_freq": 1}),
    Variant("all", "layer_stats", {"statistics": "all"}),
    Variant("all, every step", "layer_stats", {"statistics": "all", "update_freq": 1}),
    Variant("histograms", "layer_stats", {"histogram_steps": 50}),
)
OTHERS = (
    Variant("GradientTape in a callback, compiled", "tape, compiled"),
    Variant("GradientTape in a callback, eager", "tape, eager"),
    Variant("keras TensorBoard(histogram_freq=1)", "tensorboard"),
)
LEAKING = Variant(
    "all, histograms", "layer_stats", {"statistics": "all", "histogram_steps": 1}
)


def in_new_process(function: str, *arguments: Any) -> Any:
    """Calls a function of `overhead_trainings` in its own process.

    The module imports Keras, which this process does not.
    """
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(_call, (function, arguments))


def _call(function: str, arguments: tuple) -> Any:
    return getattr(importlib.import_module("overhead_trainings"), function)(*arguments)


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def print_head(title: str, *names: str) -> None:
    print(f"\n{title}:\n")
    print_row(*names)
    print(f"|{'---|' * len(names)}", flush=True)


def print_steps(options: argparse.Namespace) -> None:
    """Table 1."""
    print_head(
        f"1. Time per step, {options.repeats} x {options.rounds} rounds of 50 steps",
        "network",
        "variant",
        "ms per step",
        "ratio",
        "quartiles",
        "ratio of sums",
        "steps per record",
    )
    variants = [BASELINE, AGAIN, *options.variants]
    for network in options.networks:
        times: dict[str, list[float]] = {v.name: [] for v in variants}
        intervals: dict[str, list[int]] = {v.name: [] for v in variants}
        for repeat in range(options.repeats):
            # The first network has the best place in memory.
            first = repeat % len(variants)
            order = variants[first:] + variants[:first]
            measured = in_new_process(
                "measure_together", network, order, options.rounds, options.jit
            )
            for name, (seconds, interval) in measured.items():
                times[name] += seconds
                intervals[name] += [] if interval is None else [interval]
        plain = times[BASELINE.name]
        for name, seconds in times.items():
            ratios = [s / p for s, p in zip(seconds, plain, strict=True)]
            low, _, high = quartiles(ratios)
            print_row(
                network,
                name,
                f"{1e3 * statistics.median(seconds):.2f}",
                f"{statistics.median(ratios):.3f}",
                f"{low:.3f} - {high:.3f}",
                f"{sum(seconds) / sum(plain):.3f}",
                f"{statistics.median(intervals[name]):.0f}" if intervals[name] else "",
            )


def quartiles(values: list[float]) -> list[float]:
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, method="inclusive")


def print_alone(options: argparse.Namespace) -> None:
    """Table 2."""
    print_head(
        f"2. Alone, medians of {options.alone}, beyond no callback",
        "network",
        "variant",
        "s to the first step",
        "s to step 51",
        "peak memory, MB",
        "bytes per record",
    )
    for network in options.networks:
        plain: dict[str, float] = {}
        for variant in (BASELINE, *options.variants):
            runs = [
                in_new_process("measure_alone", network, variant, options.jit)
                for _ in range(options.alone)
            ]
            median = {k: statistics.median(run[k] for run in runs) for k in runs[0]}
            name = variant.name
            if variant is BASELINE:
                name += " (all of it)"
            bytes_a_record = median["bytes"]
            print_row(
                network,
                name,
                f"{median['first'] - plain.get('first', 0):.2f}",
                f"{median['settled'] - plain.get('settled', 0):.2f}",
                f"{median['memory'] - plain.get('memory', 0):.0f}",
                f"{bytes_a_record:,.0f}" if bytes_a_record == bytes_a_record else "",
            )
            plain = plain or median


def print_fits(options: argparse.Namespace) -> None:
    """Table 3."""
    print_head(
        f"3. Seconds to the first step, medians of {options.fits}, beyond no callback",
        "network",
        "variant",
        "callback",
        *(f"fit {number + 1}" for number in range(FITS)),
    )
    for network in options.networks:
        plain = [0.0] * FITS
        for variant in (BASELINE, *options.variants):
            for is_new in (False,) if variant is BASELINE else (False, True):
                runs = [
                    in_new_process(
                        "measure_fits", network, variant, is_new, FITS, options.jit
                    )
                    for _ in range(options.fits)
                ]
                medians = [statistics.median(fit) for fit in zip(*runs, strict=True)]
                kept = "new in each fit" if is_new else "the same"
                print_row(
                    network,
                    variant.name,
                    "(all of it)" if variant is BASELINE else kept,
                    *(f"{m - p:.2f}" for m, p in zip(medians, plain, strict=True)),
                )
                if variant is BASELINE:
                    plain = medians


def print_leak(options: argparse.Namespace) -> None:
    """Table 4."""
    print_head(
        f"4. Memory left behind, {options.leak} models in a row",
        "network",
        "variant",
        "MB per model",
        "beyond no callback",
    )
    for network in options.networks:
        plain = None
        for variant in (BASELINE, LEAKING):
            slope = in_new_process(
                "measure_leak", network, variant, options.leak, options.jit
            )
            beyond = "" if plain is None else f"{slope - plain:.2f}"
            print_row(network, variant.name, f"{slope:.2f}", beyond)
            plain = slope


def print_profile(options: argparse.Namespace) -> None:
    """The ops of a step, and their origin."""
    print_head(
        "Ops of a step",
        "network",
        "without a callback",
        "ours between records",
        "ours on a recorded step",
        "steps between records without Keras's own function",
    )
    for network in options.networks:
        print_row(network, *map(str, in_new_process("profile", network, DEFAULT)))


def parse() -> argparse.Namespace:
    names = "\n  ".join(variant.name for variant in OURS + OTHERS)
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"variants:\n  {names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--backend",
        choices=("tensorflow", "jax", "torch"),
        default="tensorflow",
        help="of Keras (default: tensorflow)",
    )
    add("--jit", action="store_true", help="compile the steps of TensorFlow with XLA")
    add(
        "--networks",
        nargs="+",
        default=NETWORKS,
        metavar="DxW",
        help=f"hidden layers x units (default: {' '.join(NETWORKS)})",
    )
    add(
        "--variants",
        nargs="+",
        default=["*"],
        metavar="PATTERN",
        help="names from the list below, or patterns as for file names (default: all)",
    )
    add(
        "--others",
        action="store_true",
        help="also compare with other tools; TensorFlow only",
    )
    for option, default, what in (
        ("--repeats", 5, "processes for each network of table 1; 0: no table 1"),
        ("--rounds", 8, "rounds of 50 steps in each of them"),
        ("--alone", 3, "processes for each line of table 2; 0: no table 2"),
        ("--fits", 3, "processes for each line of table 3; 0: no table 3"),
    ):
        help_text = f"{what} (default: {default})"
        add(option, type=int, metavar="N", default=default, help=help_text)
    add(
        "--leak",
        type=int,
        nargs="?",
        const=MODELS,
        metavar="N",
        help=f"only table 4, with this many models (default: {MODELS})",
    )
    add("--profile", action="store_true", help="the ops of a step, without a table")
    options = parser.parse_args()
    if options.backend != "tensorflow":
        for name in ("jit", "others", "profile"):
            if getattr(options, name):
                parser.error(f"--{name} needs --backend tensorflow")
    if options.profile and options.jit:
        parser.error("--profile cannot look into one XLA op: omit --jit")
    if options.leak is not None and options.leak < MODELS // 4:
        parser.error(f"--leak needs at least {MODELS // 4} models")
    options.variants = [
        variant
        for variant in (*OURS, *(OTHERS if options.others else ()))
        if any(fnmatch.fnmatchcase(variant.name, p) for p in options.variants)
    ]
    return options


def main() -> None:
    options = parse()
    os.environ["KERAS_BACKEND"] = options.backend  # for the processes to come
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {in_new_process('versions')}"
        f"{', XLA' if options.jit else ''}"
    )
    if options.profile:
        print_profile(options)
    elif options.leak:
        print_leak(options)
    else:
        for processes, print_table in (
            (options.repeats, print_steps),
            (options.alone, print_alone),
            (options.fits, print_fits),
        ):
            if processes:
                print_table(options)


if __name__ == "__main__":
    main()
