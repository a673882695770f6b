import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_initkit.stats import log_bins, tap_tensorflow
from keras_initkit.stats.measures import widen, zero_fraction
from keras_initkit.stats.tap_tensorflow import Ring, dense, run_if, scratch, slope


def as_ways_of_running(function):
    return {
        "graph": tf.function(function),
        "xla": tf.function(function, jit_compile=True),
        "eager": function,
    }


# -- Ring, scratch, run_if -------------------------------------------------------------


def append(ring, *steps):
    for step in steps:
        ring.append(
            tf.constant(step, tf.int64), tf.constant([step / 2, 0.0], tf.float64)
        )


def test_ring_hands_each_row_out_once():
    ring = Ring(capacity=3, width=2)
    assert ring.read().shape == (0, 3)
    append(ring, 10, 20)
    assert ring.pending() == 2
    assert ring.read().tolist() == [[10, 5, 0], [20, 10, 0]]
    assert ring.pending() == 0
    assert ring.read().shape == (0, 3)
    append(ring, 30)
    assert ring.read().tolist() == [[30, 15, 0]]
    assert ring.lost == 0


def test_ring_keeps_the_newest_rows_and_counts_those_it_lost():
    ring = Ring(capacity=3, width=2)
    append(ring, 10, 20, 30, 2**40)
    assert ring.pending() == 4
    assert ring.read()[:, 0].tolist() == [20, 30, 2**40]
    assert ring.lost == 1
    append(ring, *range(8))
    assert ring.read()[:, 0].tolist() == [5, 6, 7]
    assert ring.lost == 6


def test_ring_keeps_rows_of_the_same_step_in_their_order():
    ring = Ring(capacity=4, width=1)
    for value in (3.0, 1.0, np.nan, 2.0, 5.0):
        ring.append(tf.constant(7, tf.int32), tf.constant([value], tf.float64))
    np.testing.assert_array_equal(ring.read(), [[7, 1], [7, np.nan], [7, 2], [7, 5]])


def test_ring_holds_statistics_exactly():
    values = np.array([np.float32(0.1), 2.0**-149, np.finfo("float32").max, -np.inf])
    ring = Ring(capacity=2, width=4)
    ring.append(tf.constant(2**53 - 1, tf.int64), tf.constant(values, tf.float64))
    assert ring.read()[0].tolist() == [2**53 - 1, *values.tolist()]


def test_ring_is_written_in_a_graph():
    ring = Ring(capacity=5, width=1)

    def step(number):
        run_if(number % 2 == 0, lambda: ring.append(number, tf.ones((1,), tf.float64)))

    for name, run in as_ways_of_running(step).items():
        for number in range(6):
            run(tf.constant(number, tf.int64))
        assert ring.read()[:, 0].tolist() == [0, 2, 4], name


def test_scratch_is_made_in_a_graph_and_keeps_what_is_left_there():
    made = []

    @tf.function
    def first(value):
        if not made:
            made.append(scratch((2,), "float32"))
        made[0].assign(value)

    second = tf.function(lambda: made[0] + 1)
    first(tf.constant([1.0, 2.0]))
    assert second().numpy().tolist() == [2, 3]
    assert not made[0].trainable
    assert scratch((3, 2)).dtype == tf.float64
    assert not scratch((3, 2)).numpy().any()


def test_if_runs_its_body_only_where_the_predicate_is_true():
    runs = tf.Variable(0)
    part = scratch((2,))

    def body():
        runs.assign_add(1)
        part.assign(tf.ones((2,), tf.float64))

    for name, step in as_ways_of_running(lambda p: run_if(p, body)).items():
        runs.assign(0)
        part.assign([0, 0])
        step(tf.constant(False))
        assert (runs.numpy(), part.numpy().tolist()) == (0, [0, 0]), name
        step(tf.constant(True))
        assert (runs.numpy(), part.numpy().tolist()) == (1, [1, 1]), name


def test_a_step_that_is_not_selected_runs_nothing_of_the_branch():
    """The graph holds the branch as one `If`, which is not spread over the graph."""
    part = scratch((3,))

    @tf.function
    def step(predicate, x):
        run_if(
            predicate, lambda: part.assign(tf.cast(tf.linalg.diag_part(x), tf.float64))
        )

    graph = step.get_concrete_function(
        tf.TensorSpec((), tf.bool), tf.TensorSpec((3, 3))
    ).graph
    types = [operation.type for operation in graph.get_operations()]
    assert not {"Switch", "MatrixDiagPartV3", "Cast", "AssignVariableOp"} & set(types)
    assert len([name for name in types if name.endswith("If")]) == 1


# -- gradients -------------------------------------------------------------------------


def test_dense_adds_rows_that_occur_twice():
    slices = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([1, 1]), (2, 3))
    np.testing.assert_array_equal(dense(slices, (2, 3)), [[0, 0, 0], [2, 2, 2]])


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("linear", np.ones_like),
        ("relu", lambda z: np.where(z > 0, 1.0, 0)),
        ("tanh", lambda z: np.cosh(z) ** -2.0),
        ("sigmoid", lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
        ("softplus", lambda z: 1 / (1 + np.exp(-z))),
        ("elu", lambda z: np.where(z > 0, 1, np.exp(z))),
    ],
)
def test_slope_is_the_derivative_at_every_entry(activation, formula):
    z = np.linspace(-8, 8, 80).reshape(2, 4, 10)
    function = keras.activations.get(activation)
    for run in as_ways_of_running(lambda tensor: slope(function, tensor)).values():
        result = run(tf.constant(z, tf.float32))
        # tanh' = 1 - tanh^2 has lost most of its digits at 8.
        np.testing.assert_allclose(result, formula(z), rtol=1e-5, atol=1e-6)


def test_the_slope_of_a_constant_is_zero():
    z = tf.ones((3, 2))
    assert not slope(lambda x: tf.ones((3, 2)), z).numpy().any()


# -- sum_of_squares --------------------------------------------------------------------


def test_sum_of_squares_equals_numpy_in_float64():
    array = np.random.default_rng(0).normal(3, 1, size=(2000, 1000)).astype("float32")
    expected = np.sum(array.astype("float64") ** 2)
    for run in as_ways_of_running(tap_tensorflow.sum_of_squares).values():
        np.testing.assert_allclose(run(tf.constant(array)), expected, rtol=2e-6)


def test_zeros_in_the_gradient_of_an_embedding():
    """Only rows that occur in the batch have one; in a branch its shape is unknown."""
    embedding = keras.layers.Embedding(50, 8)
    embedding.build()
    part = scratch((1,), "float32")

    def zeros(indices, predicate):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(embedding(indices))
        gradient = tape.gradient(loss, embedding.embeddings.value)
        run_if(
            predicate,
            lambda: part.assign([zero_fraction(dense(gradient, (50, 8)))]),
        )

    indices = tf.constant([[3, 3, 7], [9, 20, 3]])
    for name, run in as_ways_of_running(zeros).items():
        part.assign([-1])
        run(indices, tf.constant(True))
        assert float(part[0]) == pytest.approx(46 / 50), name


# -- histogram -------------------------------------------------------------------------

POSITIVE = log_bins.edges()[log_bins.BINS_PER_SIGN + 1 :]
MIDDLE = log_bins.BINS_PER_SIGN


def in_numpy(values):
    """The histogram of absolute values, of both signs, as a mirror has it."""
    values = np.asarray(values, "float64")
    edges = np.array([0, *POSITIVE[:-1], np.inf])  # half open: [left, right)
    positive, _ = np.histogram(values[values >= 0], edges)
    negative, _ = np.histogram(-values[values < 0], edges)
    middle = positive[0] + negative[0]
    return np.concatenate([negative[:0:-1], [middle], positive[1:]])


@pytest.fixture(params=["eager", "graph", "xla"])
def histogram(request):
    run = as_ways_of_running(tap_tensorflow.histogram)[request.param]

    def of_float32(values):
        return run(tf.constant(np.asarray(values, "float32"))).numpy()

    return of_float32


@pytest.mark.parametrize("scale", [1e-15, 1e-12, 1e-6, 1e-3, 1, 1e4, 1e8, 1e20])
def test_histogram_equals_numpy_at_any_scale(histogram, scale):
    values = np.random.default_rng(0).normal(size=(50, 4, 50)) * scale
    values = values.astype("float32")
    counts = histogram(values)
    assert (counts.dtype, counts.shape) == ("float64", (log_bins.NUM_BINS,))
    np.testing.assert_array_equal(counts, in_numpy(values))
    assert counts.sum() == values.size


def test_histogram_equals_numpy_over_all_scales_at_once(histogram):
    rng = np.random.default_rng(1)
    values = 2 ** rng.uniform(-60, 40, 100_000) * rng.choice([-1, 1], 100_000)
    values = values.astype("float32")
    np.testing.assert_array_equal(histogram(values), in_numpy(values))


def test_an_edge_belongs_to_the_bin_that_is_farther_from_zero(histogram):
    np.testing.assert_array_equal(histogram(POSITIVE), in_numpy(POSITIVE))
    np.testing.assert_array_equal(histogram(-POSITIVE), in_numpy(-POSITIVE))
    for number, edge in enumerate(POSITIVE[:-1], start=1):
        if number % 37 == 1:
            below = np.nextafter(np.float32(edge), np.float32(0))
            counts = histogram([edge, -edge, below, -below])
            assert counts[MIDDLE + number] == counts[MIDDLE - number] == 1
            inner = counts[MIDDLE + number - 1] + counts[MIDDLE - number + 1]
            assert inner == (4 if number == 1 else 2)  # the middle is there twice


def test_what_is_next_to_zero_is_in_the_middle(histogram):
    values = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 9e-13, -9e-13]
    assert histogram(values)[MIDDLE] == len(values)
    assert histogram([1e-12, -1e-12])[MIDDLE] == 0


def test_what_is_huge_is_in_the_outermost_bins(histogram):
    largest = np.finfo("float32").max
    counts = histogram([2.0**24, 1e30, largest, -(2.0**24), -largest])
    assert (counts[0], counts[-1], counts.sum()) == (2, 3, 5)


def test_what_is_not_finite_is_in_no_bin(histogram):
    assert histogram([np.nan, -np.nan, np.inf, -np.inf, 1.0]).sum() == 1
    assert histogram([np.nan] * 10).sum() == 0


def test_histogram_of_half_precision():
    values = np.random.default_rng(0).normal(size=1000).astype("float16")
    values[:5] = [6e-8, 65504, -65504, 0, np.inf]
    counts = tap_tensorflow.histogram(widen(values))
    finite = values[np.isfinite(values)]
    np.testing.assert_array_equal(counts, in_numpy(finite))


def test_histogram_of_float64():
    values = np.array([1e300, -1e300, 1e39, 1e-300, 0.1, np.inf, np.nan])
    counts = tap_tensorflow.histogram(tf.constant(values)).numpy()
    np.testing.assert_array_equal(counts, in_numpy(values[:5]))
