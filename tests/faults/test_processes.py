"""Killed and simultaneous processes, on files alone."""

import itertools
import os
import random
import signal
import struct
import time

import pytest
from tensorboard.backend.event_processing.event_file_loader import (
    LegacyEventFileLoader,
)
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from keras_initkit.experiments.run_directory import fresh_run_directory
from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.runs import new_run

NUMBER = struct.Struct("<q")


def event(step, tag="a"):
    summary = Summary(value=[Summary.Value(tag=tag * (step % 50 + 1), simple_value=1)])
    return Event(step=step, wall_time=1.0, summary=summary)


def events_of(run):
    return [
        event
        for path in sorted(run.glob("*tfevents*"))
        for event in LegacyEventFileLoader(str(path)).Load()
    ]


def in_a_process(function):
    """Starts a function in its own process, which ends with the test."""
    process = os.fork()
    if not process:
        try:
            function()
        finally:
            os._exit(0)
    return process


def write_until_killed(run, written):
    with EventFile(run) as file:
        for step in itertools.count(1):
            file.add(event(step))
            os.write(written, NUMBER.pack(step))


@pytest.mark.parametrize("seed", range(10))
def test_what_was_written_survives_a_kill_at_any_time(tmp_path, seed):
    acknowledged, written = os.pipe()
    process = in_a_process(lambda: write_until_killed(tmp_path, written))
    os.close(written)
    os.read(acknowledged, NUMBER.size)  # it has begun
    time.sleep(random.Random(seed).uniform(0, 0.05))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    with os.fdopen(acknowledged, "rb") as pipe:
        steps = [step for (step,) in NUMBER.iter_unpack(pipe.read())]
    last = steps[-1] if steps else 1
    found = [event.step for event in events_of(tmp_path)]
    assert found == list(range(len(found)))
    assert len(found) - 1 >= last
    with EventFile(tmp_path) as file:  # the resumed training
        file.add(event(len(found)))
    assert events_of(tmp_path)[-1].step == len(found)


@pytest.mark.parametrize(
    "make_run", [lambda logs: new_run(logs, "net"), fresh_run_directory]
)
def test_processes_that_begin_at_once_have_a_run_each(tmp_path, make_run):
    ready, go = os.pipe()

    def train(tag):
        os.close(go)
        os.read(ready, 1)  # ends for all of them when `go` closes
        with EventFile(make_run(tmp_path / "logs")) as file:
            for step in range(1, 20):
                file.add(event(step, tag))

    processes = [in_a_process(lambda tag=tag: train(tag)) for tag in "abcdefgh"]
    os.close(go)
    for process in processes:
        os.waitpid(process, 0)
    os.close(ready)
    runs = list((tmp_path / "logs").iterdir())
    networks = [
        {value.tag[0] for event in events_of(run) for value in event.summary.value}
        for run in runs
    ]
    assert sorted(map(sorted, networks)) == [[tag] for tag in "abcdefgh"]
