import numpy as np
import tensorflow as tf

from keras_initkit.stats.tap_tensorflow import Ring, dense, run_if, vector_if


def test_ring_keeps_the_newest_rows_with_number_and_step():
    ring = Ring(capacity=3, width=2)
    assert (ring.read()[:, 0] == -1).all()
    for step in (10, 20, 30, 2**40):
        ring.append(
            tf.constant(step, tf.int64), tf.constant([step / 2, 0.0], tf.float64)
        )
    assert ring.read().tolist() == [
        [3, 2**40, 2**39, 0],
        [1, 20, 10, 0],
        [2, 30, 15, 0],
    ]


def test_if_runs_its_body_only_where_the_predicate_is_true():
    runs = tf.Variable(0)

    def body():
        runs.assign_add(1)
        return tf.ones((2,), tf.float64)

    def step(predicate):
        run_if(predicate, lambda: (body(), None)[1])
        return vector_if(predicate, body, 2)

    compiled = {
        "graph": tf.function(step),
        "xla": tf.function(step, jit_compile=True),
        "eager": step,
    }
    for name, function in compiled.items():
        runs.assign(0)
        assert function(tf.constant(False)).numpy().tolist() == [0, 0], name
        assert runs.numpy() == 0, name
        assert function(tf.constant(True)).numpy().tolist() == [1, 1], name
        assert runs.numpy() == 2, name


def test_a_step_that_is_not_selected_runs_nothing_of_the_branch():
    """The graph holds the branch as one `If`, which is not spread over the graph."""

    @tf.function
    def step(predicate, x):
        return vector_if(
            predicate, lambda: tf.cast(tf.linalg.diag_part(x), tf.float64), 3
        )

    graph = step.get_concrete_function(
        tf.TensorSpec((), tf.bool), tf.TensorSpec((3, 3))
    ).graph
    types = [operation.type for operation in graph.get_operations()]
    assert "If" in types
    assert not {"Switch", "MatrixDiagPartV3", "Cast"} & set(types)


def test_dense_adds_rows_that_occur_twice():
    slices = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([1, 1]), (2, 3))
    np.testing.assert_array_equal(dense(slices), [[0, 0, 0], [2, 2, 2]])
