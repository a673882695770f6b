import pytest

from keras_initkit.experiments.settings import RANGES, Settings


@pytest.mark.parametrize("name", RANGES)
def test_numbers_are_in_their_range(name):
    least, most = RANGES[name]
    for number in (least, most):
        assert getattr(Settings(**{"depth": 1, name: number}), name) == number
    rule = f"`{name}` must be from {least} to {most}.* Received: {name}="
    for number in (least - 1, most + 1, 10**30):
        with pytest.raises(ValueError, match=f"{rule}{number}$"):
            Settings(**{"depth": 1, name: number})


def test_the_kernels_fit_into_memory():
    assert Settings(depth=10, width=10_000).width == 10_000
    with pytest.raises(ValueError, match=r"at most 10000 at this.*width=10001$"):
        Settings(depth=10, width=10_001)


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf")])
def test_learning_rate_is_positive(rate):
    with pytest.raises(ValueError, match=r"`learning_rate` must be positive"):
        Settings(learning_rate=rate)


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
