import dataclasses
import math

import numpy as np
import pytest

from keras_initkit.diagnosis.course import batch_losses, course_findings
from keras_initkit.diagnosis.facts import NetworkFacts
from keras_initkit.diagnosis.finding import CRITICAL, Finding, ranked
from keras_initkit.diagnosis.start import Suspicion
from keras_initkit.stats.history import History, Records

STEPS = np.array([*range(20), 50, 100, 150, 200, 250])
CHANCE = math.log(10)
NETWORK = NetworkFacts(optimizer="Adam", learning_rate=1e-3, chance_loss=CHANCE)
SUSPECT = Suspicion(
    Finding("weights_too_large", ("hidden",), 0, CRITICAL, "", "", "", ""), False
)


def history(losses, gradient=1.0, weight=1.0, steps=STEPS):
    losses = np.broadcast_to(np.asarray(losses, "float64"), steps.shape)
    values = np.empty((len(steps), 2, 2))
    values[:, 0] = np.broadcast_to(weight, (len(steps), 2))
    values[:, 1] = np.broadcast_to(gradient, (len(steps), 2))
    made = History(["hidden", "output"], ["weight_l2_norm", "gradient_l2_norm"])
    skipped, rates = np.zeros(len(steps), bool), np.full(len(steps), 1e-3)
    made.append(Records(steps, values, skipped, losses, rates))
    return made


def problems(records, network=NETWORK, suspicions=(), **options):
    findings = course_findings(network, suspicions, records, **options)
    return [finding.problem for finding in ranked(findings)]


def test_the_losses_between_records():
    batches = np.random.default_rng(0).uniform(size=40)
    means = np.concatenate(
        [np.cumsum(epoch) / np.arange(1, 21) for epoch in np.split(batches, 2)]
    )
    steps = np.array([0, 1, 2, 9, 19, 20, 25])
    expected = [
        *batches[:3],
        *(batches[3:10].mean(), batches[10:20].mean()),
        *(batches[20], batches[21:26].mean()),
    ]
    np.testing.assert_allclose(batch_losses(steps, means[steps], 20), expected)
    np.testing.assert_array_equal(batch_losses(steps, means[steps], None), means[steps])


def test_what_learns_is_healthy_however_it_began():
    falling = CHANCE * np.exp(-STEPS / 100)
    assert problems(history(falling), suspicions=[SUSPECT]) == []


def test_what_is_suspect_and_does_not_learn_is_a_finding():
    assert problems(history(CHANCE)) == []
    assert problems(history(CHANCE), suspicions=[SUSPECT]) == ["weights_too_large"]


def test_a_signal_that_shrinks_may_come_through_late():
    small = SUSPECT._replace(
        finding=dataclasses.replace(SUSPECT.finding, problem="weights_too_small")
    )
    late = np.where(STEPS < 120, CHANCE, 0.2 * CHANCE)
    for number in range(20, len(STEPS) + 1):
        so_far = history(late[:number], steps=STEPS[:number])
        assert problems(so_far, suspicions=[small]) == []
    assert problems(history(CHANCE), suspicions=[small]) == ["weights_too_small"]
    # A kernel that is too large does not recover.
    assert problems(history(late[:21], steps=STEPS[:21]), suspicions=[SUSPECT])


def test_nothing_is_said_before_there_has_been_time_to_learn():
    early = history(CHANCE, steps=np.arange(20))
    assert problems(early, suspicions=[SUSPECT]) == []


def test_a_learning_rate_that_makes_the_loss_rise():
    rising = CHANCE * np.exp(STEPS / 100)
    assert problems(history(rising)) == ["learning_rate_too_high"]
    # If the start explains it, the start is the cause.
    assert problems(history(rising), suspicions=[SUSPECT]) == ["weights_too_large"]


def test_a_loss_that_rises_may_be_that_of_a_gan():
    rising = CHANCE * (1 + STEPS / 50)
    assert problems(history(rising), NetworkFacts()) == []


def test_a_negative_loss_has_no_multiples():
    network = NETWORK._replace(chance_loss=math.nan)
    rising = np.where(STEPS < 50, -1.0, -0.9)
    assert problems(history(rising), network) == []


def test_a_learning_rate_that_changes_nothing():
    network = NETWORK._replace(learning_rate=1e-6)
    assert problems(history(CHANCE), network) == ["learning_rate_too_low"]
    assert problems(history(CHANCE)) == []


@pytest.mark.parametrize(
    ("before", "rate", "problem"),
    [
        (1.0, 1e-3, "non_finite"),
        (50.0, 1e-3, "learning_rate_too_high"),
        (1.0, 1.0, "learning_rate_too_high"),
    ],
)
def test_a_loss_that_is_nan_from_some_step_on(before, rate, problem):
    losses = np.where(STEPS > 5, np.nan, before)
    losses[0] = 2.0
    network = NETWORK._replace(learning_rate=rate)
    findings = ranked(course_findings(network, [], history(losses)))
    assert findings[0].problem == problem
    assert findings[0].since == 6


def test_a_kernel_that_is_infinite():
    weight = np.where(STEPS > 5, np.inf, 1.0)[:, None]
    findings = course_findings(NETWORK, [], history(np.nan, weight=weight))
    assert [(f.problem, f.since) for f in findings] == [("non_finite", 6)]


def test_a_layer_without_any_gradient():
    gradient = np.ones((len(STEPS), 2))
    gradient[10:, 0] = 0
    [finding] = course_findings(NETWORK, [], history(1.0, gradient))
    assert (finding.problem, finding.layers) == ("dead_units", ("hidden",))
    assert finding.since == 10
    assert problems(history(1.0, np.zeros((len(STEPS), 2)))) == []
