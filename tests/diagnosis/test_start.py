import math

import pytest

from keras_initkit.diagnosis.facts import LayerFacts, NetworkFacts
from keras_initkit.diagnosis.problems import PROBLEMS
from keras_initkit.diagnosis.start import SCALE, suspicions

DEPTH = 6


def layer(number, **facts):
    healthy = {
        "name": f"hidden_{number}",
        "units": 64,
        "activation": "relu",
        "power": 2.0,
        "mean_square": 0.5,
        "mean_square_slope": 0.5,
        "input_mean": 0.0,
        "input_mean_square": 1.0,
        "z_variance": 2.0,
        "gradient_variance": 1e-3,
        "dead": 0.0,
        "saturated": 0.4,
        "identical": 0.0,
    }
    return LayerFacts(**{**healthy, **facts})


def network(change=lambda number: {}, **facts):
    hidden = [layer(number, **change(number)) for number in range(DEPTH)]
    output = layer(DEPTH, name="output", activation="softmax", units=10)
    healthy = {
        "layers": (*hidden, output),
        "output": "output",
        "output_units": 10,
        "output_activation": "softmax",
        "loss": "sparse_categorical_crossentropy",
        "optimizer": "Adam",
        "learning_rate": 1e-3,
        "target_low": 0.0,
        "target_high": 9.0,
        "chance_loss": math.log(10),
    }
    return NetworkFacts(**{**healthy, **facts})


def found(facts):
    return {s.finding.problem: s for s in suspicions(facts)}


def test_a_healthy_network():
    assert found(network()) == {}


def test_nothing_is_known():
    assert found(NetworkFacts()) == {}


@pytest.mark.parametrize("name", ["bad_inputs", "bad_targets"])
def test_data_that_is_not_finite(name):
    suspicion = found(network(**{name: 0.01}))["non_finite"]
    assert suspicion.is_certain
    data = {"bad_inputs": "x", "bad_targets": "y"}[name]
    assert suspicion.finding.fix.startswith(f"{data} = np.nan_to_num({data}")
    assert "1.00%" in suspicion.finding.evidence


def test_a_kernel_that_is_not_finite():
    suspicion = found(network(lambda n: {"power": math.nan} if n == 2 else {}))
    assert suspicion["non_finite"].finding.layers == ("hidden_2",)


MISMATCHES = [
    ({"output_units": 1, "loss": "binary_crossentropy", "target_high": 1.0}, "sigmoid"),
    ({"output_units": 1, "loss": "mean_squared_error"}, "linear"),
    ({"output_activation": "relu"}, "softmax"),
    ({"output_activation": "linear"}, "softmax"),
    ({"output_activation": "relu", "from_logits": True}, "linear"),
    (
        {"output_activation": "linear", "loss": "binary_crossentropy"}
        | {"target_high": 1.0, "output_units": 1},
        "sigmoid",
    ),
    ({"output_activation": "sigmoid", "loss": "mean_squared_error"}, "linear"),
    (
        {"output_activation": "tanh", "loss": "mean_squared_error", "target_low": -9.0},
        "linear",
    ),
]


@pytest.mark.parametrize(("facts", "activation"), MISMATCHES)
def test_a_last_activation_that_does_not_fit_the_loss(facts, activation):
    suspicion = found(network(**facts))["loss_activation_mismatch"]
    assert suspicion.is_certain
    assert suspicion.finding.layers == ("output",)
    assert suspicion.finding.fix == f'activation="{activation}"  # in output'


MATCHES = [
    {},
    {"from_logits": True, "output_activation": "linear"},
    # Keras uses its logits.
    {"from_logits": True, "output_activation": "softmax"},
    {"loss": "mean_squared_error", "output_activation": "linear"},
    {"loss": "mean_squared_error", "output_activation": "relu"},
    {"loss": "mean_squared_error", "output_activation": "sigmoid", "target_high": 1.0},
    {"loss": "binary_crossentropy", "output_activation": "sigmoid", "target_high": 1.0},
    {"loss": "my_own", "output_activation": "relu"},
    {"loss": "", "output_activation": "relu"},
]


@pytest.mark.parametrize("facts", MATCHES)
def test_a_last_activation_that_fits(facts):
    assert found(network(**facts)) == {}


def test_classes_without_a_unit():
    suspicion = found(network(target_high=12.0))["loss_activation_mismatch"]
    assert suspicion.finding.fix == "units=13  # in output"


def test_labels_outside_of_what_the_loss_takes():
    facts = {"loss": "binary_crossentropy", "output_activation": "sigmoid"}
    suspicion = found(network(**facts, target_low=-1.0, target_high=1.0))
    fix = suspicion["loss_activation_mismatch"].finding.fix
    assert fix == "y = (y - y.min()) / (y.max() - y.min())"


@pytest.mark.parametrize(
    ("mean", "mean_square", "fix"),
    [
        (76.8, 76.8**2 + 96.4**2, "x = (x - 76.8) / 96.4"),
        (100.0, 100.0**2 + 1.0, "x = (x - 100) / 1"),
    ],
)
def test_data_that_is_not_scaled(mean, mean_square, fix):
    inputs = {"input_mean": mean, "input_mean_square": mean_square}
    suspicion = found(network(lambda n: inputs if n == 0 else {}))["unscaled_data"]
    assert suspicion.finding.fix == fix
    # Some networks still learn.
    assert not suspicion.is_certain


def test_equal_units():
    def change(number):
        is_equal = number in (1, 2)
        # Before a random kernel, their gradients differ.
        return {"identical": float(number == 1), "identical_weights": float(is_equal)}

    finding = found(network(change))["symmetric_units"].finding
    assert finding.layers == ("hidden_1", "hidden_2")
    assert finding.fix == 'kernel_initializer="he_normal"  # in hidden_1, hidden_2'
    random_gradients = network(lambda n: {"identical_weights": 1.0})
    assert "symmetric_units" not in found(random_gradients)


def test_a_head_of_zeros_is_no_fault():
    facts = network()
    head = facts.layers[-1]._replace(identical=1.0, power=0.0)
    assert found(facts._replace(layers=(*facts.layers[:-1], head))) == {}


@pytest.mark.parametrize(
    ("factor", "problem"), [(100, "weights_too_large"), (0.01, "weights_too_small")]
)
def test_kernels_of_another_scale(factor, problem):
    def change(number):
        return {"power": 2.0 * factor, "z_variance": 2.0 * factor**number}

    suspicion = found(network(change))[problem]
    assert suspicion.is_certain
    assert suspicion.finding.layers == tuple(f"hidden_{n}" for n in range(DEPTH))
    fix = 'kernel_initializer="he_normal"  # in every hidden layer'
    assert suspicion.finding.fix == fix

    # Normalization hides a scale from the signal; a large one slows the training down.
    normalized = found(network(change, is_normalized=True))
    assert set(normalized) & set(SCALE) == {problem} - {"weights_too_small"}
    assert not any(s.is_certain for s in normalized.values())


def test_a_residual_sum_that_grows():
    growing = network(lambda n: {"z_variance": 4.0**n}, is_residual=True)
    suspicion = found(growing)["weights_too_large"]
    assert suspicion.finding.layers == tuple(f"hidden_{n}" for n in range(DEPTH))
    scaled = f"kernel_initializer=keras_initkit.ScaledDepth({DEPTH})"
    assert suspicion.finding.fix == f"{scaled}  # in every hidden layer"
    assert not suspicion.is_certain
    shrinking = network(lambda n: {"z_variance": 0.1**n}, is_residual=True)
    assert found(shrinking) == {}


def test_one_kernel_of_another_scale_is_only_suspect():
    def change(number):
        return {"power": 200.0 if number == 3 else 2.0}

    suspicion = found(network(change))["weights_too_large"]
    assert suspicion.finding.layers == ("hidden_3",)
    assert not suspicion.is_certain


@pytest.mark.parametrize("decades", [-6.0, 6.0])
def test_what_one_kernel_explains_is_blamed_on_no_other(decades):
    def change(number):
        power = 0.02 if number == 0 else 2.0
        return {"power": power, "z_variance": 10 ** (decades * number / DEPTH)}

    assert found(network(change))["weights_too_small"].finding.layers == ("hidden_0",)
    assert "weights_too_large" not in found(network(change))


def test_units_that_the_bias_has_killed():
    def change(number):
        return {"dead": 1.0, "saturated": 1.0, "bias_mean_square": 25.0}

    suspicion = found(network(change))["dead_units"]
    assert suspicion.is_certain
    assert suspicion.finding.fix == 'bias_initializer="zeros"  # in every hidden layer'


def test_a_tanh_layer_of_zeros_is_not_dead():
    zeros = {"dead": 1.0, "saturated": 0.0, "activation": "tanh"}
    assert "dead_units" not in found(network(lambda n: zeros if n == 2 else {}))


def test_an_effect_that_is_certain_makes_its_cause_certain():
    def change(number):
        return {"activation": "tanh", "power": 200.0, "saturated": 0.95}

    suspicion = found(network(change))
    assert suspicion["saturated_units"].is_certain
    assert suspicion["weights_too_large"].is_certain


def test_labels_that_do_not_exclude_each_other():
    facts = {"loss": "categorical_crossentropy", "targets_sum_to_one": False}
    finding = found(network(**facts))["loss_activation_mismatch"].finding
    first, second = finding.fix.split("\n")
    assert first == 'activation="sigmoid"  # in output'
    assert second == 'loss="binary_crossentropy"'


def test_a_gradient_that_vanishes_in_the_slope_of_a_sigmoid():
    def change(number):
        gradient = 10.0 ** (-3 * (DEPTH - number))
        return {"activation": "sigmoid", "gradient_variance": gradient}

    finding = found(network(change))["vanishing_gradient"].finding
    assert finding.fix == 'activation="tanh"  # in every hidden layer'
    assert set(PROBLEMS) >= set(found(network(change)))
    residual = network(change, is_residual=True)
    assert "vanishing_gradient" not in found(residual)
