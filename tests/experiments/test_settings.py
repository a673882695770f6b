import pytest

from keras_initkit.experiments.settings import Settings


@pytest.mark.parametrize("name", ["depth", "width", "epochs", "batch_size"])
def test_counts_are_at_least_1(name):
    assert getattr(Settings(**{name: 1}), name) == 1
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1.*{name}=0"):
        Settings(**{name: 0})


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan")])
def test_learning_rate_is_positive(rate):
    with pytest.raises(ValueError, match=r"`learning_rate` must be positive"):
        Settings(learning_rate=rate)


def test_seed_is_not_negative():
    with pytest.raises(ValueError, match=r"`seed` must be at least 0.*seed=-1"):
        Settings(seed=-1)


def test_unknown_optimizer():
    with pytest.raises(ValueError, match=r"one of momentum, sgd.*optimizer='lion'"):
        Settings(optimizer="lion")


@pytest.mark.parametrize(
    ("initializers", "received"),
    [((), r"\(\)"), (("zeros", "zeros"), "zeros twice")],
)
def test_initializers_are_named_once(initializers, received):
    with pytest.raises(ValueError, match=f"`initializers` must .*{received}$"):
        Settings(initializers)


def test_description_names_the_rate_that_is_used():
    assert Settings(residual=True, depth=24, optimizer="adam").describe() == (
        "residual network, depth 24, width 128, relu; adam at 0.001"
    )
    assert Settings(learning_rate=0.3).describe().endswith("momentum at 0.3")
