"""Which ops run in a training step because of a callback, and for how long.

An op belongs to the callback if the optimized graph of a step without it does not have
it, by name and type. One that the step's own graph has runs in every step; one that it
has not ran inside of a branch. TensorFlow traces those ops of which it believes that
they take more than a microsecond or two.
"""

import collections
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

ASYNCHRONOUS = "ExecutorState::ProcessAsync::Start"  # the name is in its stats
SETTLE_SECS = 0.1  # what ends after the step's result is there is traced too
PICOSECONDS = 1e-6  # in microseconds

Graph = set[str]
Trace = dict[str, list[float]]
Counts = dict[str, tuple[int, float]]


@contextlib.contextmanager
def collected_graph() -> Iterator[Graph]:
    """Fills a set with the ops of the training step that is first called within.

    An op is `"name:type"`, as in `trace`. Branches have graphs of their own, which are
    left out.
    """
    ops: Graph = set()
    context.context().enable_graph_collection()
    try:
        yield ops
        metadata = context.context().export_run_metadata()
    finally:
        context.context().disable_graph_collection()
    for graph in metadata.partition_graphs:
        if any(node.op == "IteratorGetNext" for node in graph.node):
            ops.update(f"{node.name}:{node.op}" for node in graph.node)


def trace(step: Callable[[], Any]) -> Trace:
    """The ops that run in a step: for each the microseconds of all its executions."""
    with tempfile.TemporaryDirectory() as directory:
        tf.profiler.experimental.start(directory)
        step()
        time.sleep(SETTLE_SECS)
        tf.profiler.experimental.stop()
        (file,) = Path(directory).rglob("*.xplane.pb")
        space = XSpace.FromString(file.read_bytes())
    ops: Trace = collections.defaultdict(list)
    for plane in space.planes:
        for line in plane.lines:
            for name, microseconds in _own_times(plane, line):
                ops[name].append(microseconds)
    return ops


def table(
    plain_graph: Graph, plain_step: Trace, graph: Graph, selected: Trace, other: Trace
) -> str:
    """What two steps with a callback have more than one without, by type of op.

    Args:
        plain_graph: of the step without the callback.
        plain_step: such a step.
        graph: of the step with it.
        selected: a step that the callback records.
        other: one that it does not.
    """
    steps = [
        {op: times for op, times in step.items() if op not in plain_graph}
        for step in (other, selected)
    ]
    outside = [_by_type(step, lambda op: op in graph) for step in steps]
    inside = [_by_type(step, lambda op: op not in graph) for step in steps]
    gone = _by_type(plain_step, lambda op: op not in graph)
    whole = [_total(_by_type(step)) for step in (plain_step, other, selected)]
    return "\n".join(
        [
            "| op | not selected: count | us | selected: count | us |",
            "|---|---|---|---|---|",
            _row("**all of the step**", *whole[1:]),
            _row("**ours, in every step**", *map(_total, outside)),
            *_rows(*outside),
            _row("**ours, in branches**", *map(_total, inside)),
            *_rows(*inside),
            "",
            f"A step without the callback: {_said(*whole[0])}.",
            *(f"It has {op} where ours has others: {_said(*gone[op])}." for op in gone),
        ]
    )


def _own_times(plane: Any, line: Any) -> Iterator[tuple[str, float]]:
    """The ops of a thread, without the times of those that ran within them."""
    ops = [(_op(plane, event), event) for event in line.events]
    ops = [(op, event) for op, event in ops if op]
    ops.sort(key=lambda pair: (pair[1].offset_ps, -pair[1].duration_ps))
    own = [event.duration_ps for _, event in ops]
    running: list[int] = []
    for number, (_, event) in enumerate(ops):
        while running and _end(ops[running[-1]][1]) <= event.offset_ps:
            running.pop()
        if running:
            own[running[-1]] -= event.duration_ps
        running.append(number)
    for (op, _), duration in zip(ops, own, strict=True):
        yield op, PICOSECONDS * duration


def _end(event: Any) -> int:
    return event.offset_ps + event.duration_ps


def _op(plane: Any, event: Any) -> str | None:
    """`"name:type"`; None for what is no op."""
    metadata = plane.event_metadata[event.metadata_id]
    if metadata.name == ASYNCHRONOUS:
        stats = {
            plane.stat_metadata[stat.metadata_id].name: stat.ref_value
            for stat in event.stats
        }
        name, kind = (
            plane.stat_metadata[stats[k]].name for k in ("name", "kernel_type")
        )
        return f"{name}:{kind}"
    kind = metadata.display_name
    return metadata.name if kind and metadata.name.endswith(f":{kind}") else None


def _by_type(step: Trace, chosen: Callable[[str], bool] = lambda op: True) -> Counts:
    """How many ops of each type, and their microseconds; the longest first."""
    counts: Counts = {}
    for op, times in step.items():
        if chosen(op):
            kind = op.rpartition(":")[2]
            count, microseconds = counts.get(kind, (0, 0.0))
            counts[kind] = count + len(times), microseconds + sum(times)
    return dict(sorted(counts.items(), key=lambda item: -item[1][1]))


def _total(counts: Counts) -> tuple[int, float]:
    return sum(n for n, _ in counts.values()), sum(us for _, us in counts.values())


def _rows(other: Counts, selected: Counts) -> list[str]:
    kinds = dict.fromkeys((*selected, *other))
    none = (0, 0.0)
    return [
        _row(kind, other.get(kind, none), selected.get(kind, none)) for kind in kinds
    ]


def _row(head: str, *cells: tuple[int, float]) -> str:
    return f"| {head} | " + " | ".join(f"{n} | {us:,.1f}" for n, us in cells) + " |"


def _said(count: int, microseconds: float) -> str:
    return f"{count} ops, {microseconds:,.1f} us"
