"""The course of a run, from a data provider."""

from tensorboard.data.provider import ScalarDatum

from tensorboard_plugin_initkit.course import read_course
from tensorboard_plugin_initkit.metadata import LOSS_TAG


class Resumed:
    """At step 30 the training went back to a checkpoint of step 20."""

    def read_scalars(self, context, run_tag_filter, **arguments):
        assert list(run_tag_filter.tags) == [LOSS_TAG]
        assert list(run_tag_filter.runs) == ["run"]
        written = [(0, 4.0), (10, 3.0), (20, 9.0), (30, 8.0), (20, 2.0)]
        return {"run": {LOSS_TAG: [ScalarDatum(s, 0.0, loss) for s, loss in written]}}


def test_steps_that_were_lived_twice_are_there_once():
    course = read_course(Resumed(), "context", "id", LOSS_TAG, 1000, ["run"])
    assert course == {"run": {"steps": [0, 10, 20], "values": [4.0, 3.0, 2.0]}}
