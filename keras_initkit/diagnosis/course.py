"""Rules of the course: recorded steps, with what the start made suspect."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from keras_initkit.diagnosis.facts import NetworkFacts
from keras_initkit.diagnosis.finding import CRITICAL, WARNING, Finding
from keras_initkit.diagnosis.remedies import default_learning_rate, kernel_fix
from keras_initkit.diagnosis.start import Suspicion
from keras_initkit.stats.history import History

# By this step, a network that learns is below the loss of a constant output.
ENOUGH_STEPS = 50
FIRST_STEPS = 15
LEARNS_BELOW = 0.97
# A network without suspicions may start higher and learn more slowly.
HIGH_START, SLOW_FALL = 1.4, 0.7
DIVERGES_ABOVE = 2.0
# Multiples of the usual learning rate.
HIGH_RATE, LOW_RATE = 30.0, 1 / 30
# By this step, a sensible learning rate brings the loss below this share of the first.
SLOW_STEPS = 200
SLOW_ABOVE = 0.8
EARLY_RECORDS = 5
# Problems that can make a loss grow until it is infinite.
GROW = ("unscaled_data", "weights_too_large", "exploding_gradient")
# Records in a row in which a dead layer's gradient is exactly 0.
DEAD_RECORDS = 3


def course_findings(
    network: NetworkFacts,
    suspicions: Sequence[Suspicion],
    history: History,
    steps_per_epoch: int | None = None,
    final_loss: float | None = None,
) -> list[Finding]:
    """The findings that are certain by now, in no particular order.

    Args:
        network: the facts from the first batch.
        suspicions: the suspicions from the first batch.
        history: the records so far.
        steps_per_epoch: the number of steps after which Keras restarts its mean loss;
            None if unknown.
        final_loss: the mean loss of the last epoch, if the training has ended.
    """
    findings = [s.finding for s in suspicions if s.is_certain]
    kept = ~history.skipped
    if not kept.any():
        return findings
    steps = history.steps[kept]
    losses = batch_losses(steps, history.losses[kept], steps_per_epoch)
    broken = _first_broken(history, kept, losses)
    if broken is not None:
        at = int(steps[broken])
        findings.append(_not_finite(at))
        findings += _why_broken(network, suspicions, at, losses[:broken])
        losses, steps = losses[:broken], steps[:broken]
    uncertain = [s.finding for s in suspicions if not s.is_certain]
    late = _late_loss(steps, losses, ENOUGH_STEPS, final_loss)
    chance = network.chance_loss
    if not chance > 0 and len(losses):
        chance = losses[:EARLY_RECORDS].max()
    fails = late > LEARNS_BELOW * chance
    slow = _late_loss(steps, losses, SLOW_STEPS, final_loss) > SLOW_FALL * chance
    # A signal that grows keeps the loss above chance after the first steps, too.
    early = _late_loss(steps, losses, FIRST_STEPS, final_loss)
    first = losses[0] if len(losses) else math.nan
    begins_high = early > chance or first > HIGH_START * network.chance_loss
    if slow:
        findings += uncertain
    elif fails or begins_high:
        # A network with a shrinking signal may still start to learn after 100 steps.
        findings += [f for f in uncertain if f.problem in GROW]
    if fails and not uncertain:
        findings += _rate(network, steps, losses)
    findings += _slow(network, steps, losses, final_loss)
    # Records after the breakdown look dead.
    kept &= np.cumsum(kept) <= len(steps)
    dead = list(_dead(network, history, kept))
    if dead and dead[0].since > 0:
        findings += _rate(network, steps, losses)
    findings += dead
    return findings


def batch_losses(
    steps: np.ndarray, shown: np.ndarray, steps_per_epoch: int | None
) -> np.ndarray:
    """The mean loss of the steps since the record before, from the means of an epoch.

    >>> batch_losses(np.array([0, 1, 2]), np.array([4.0, 3.0, 3.0]), 100)
    array([4., 2., 3.])

    Args:
        steps: the recorded steps.
        shown: the mean loss over the epoch so far, after each of them.
        steps_per_epoch: the number of steps in an epoch; None if unknown, which returns
            `shown`.
    """
    if not steps_per_epoch:
        return shown
    epochs, inside = np.divmod(steps, steps_per_epoch)
    totals = shown * (inside + 1)
    losses = shown.copy()
    same = np.flatnonzero(epochs[1:] == epochs[:-1]) + 1
    with np.errstate(invalid="ignore"):
        of_steps = (totals[same] - totals[same - 1]) / (inside[same] - inside[same - 1])
    # A loss that has become infinite has no difference.
    losses[same] = np.where(np.isfinite(of_steps), of_steps, shown[same])
    return losses


def _first_broken(history: History, kept: np.ndarray, losses: np.ndarray) -> int | None:
    """The first record in which the loss or a kernel is not finite."""
    is_broken = np.isinf(losses)
    # Without any loss all of them are NaN.
    if not np.isnan(losses).all():
        is_broken |= np.isnan(losses)
    # Each of these shows a bad value anywhere in a kernel.
    keys = ("weight_l2_norm", "weight_variance", "weight_mean")
    for key in [key for key in keys if key in history][:1]:
        is_broken |= ~np.isfinite(history[key][kept]).all(axis=1)
    found = np.flatnonzero(is_broken)
    return int(found[0]) if len(found) else None


def _not_finite(step: int) -> Finding:
    return Finding(
        "non_finite",
        (),
        step,
        CRITICAL,
        f"the loss or a kernel is NaN or infinite from step {step} on",
        "it broke from one record to the next, as it does when the data hold NaN",
        "x = np.nan_to_num(x, posinf=0, neginf=0)\n"
        "y = np.nan_to_num(y, posinf=0, neginf=0)",
        "IEEE 754",
    )


def _why_broken(
    network: NetworkFacts,
    suspicions: Sequence[Suspicion],
    step: int,
    losses: np.ndarray,
) -> list[Finding]:
    """The causes of a loss that grew before; empty if it broke without growing."""
    suspects = [s.finding for s in suspicions if s.finding.problem in GROW]
    usual = default_learning_rate(network.optimizer)
    is_high = network.learning_rate > HIGH_RATE * usual
    grew = len(losses) > 1 and losses[-1] > DIVERGES_ABOVE * losses[0]
    if not suspects and step > 0 and (is_high or grew):
        return [_too_high(network, f"the loss is not finite from step {step} on", step)]
    return suspects


def _late_loss(
    steps: np.ndarray, losses: np.ndarray, enough: int, final_loss: float | None
) -> float:
    """The final loss, or else the median from a step on; NaN if there is none yet."""
    if final_loss is not None:
        return final_loss
    late = losses[(steps >= enough) & np.isfinite(losses)]
    return float(np.median(late)) if len(late) else math.nan


def _rate(
    network: NetworkFacts, steps: np.ndarray, losses: np.ndarray
) -> Iterator[Finding]:
    if not network.optimizer:
        return  # the loss of an unknown network may rise, as those of a GAN do
    usual = default_learning_rate(network.optimizer)
    # Several records, because batches differ.
    first, last = losses[:EARLY_RECORDS].max(), np.median(losses[-EARLY_RECORDS:])
    start = first if math.isnan(network.chance_loss) else network.chance_loss
    rises = last > DIVERGES_ABOVE * max(start, first) > 0
    if rises or network.learning_rate > HIGH_RATE * usual:
        yield _too_high(
            network, f"the loss went from {first:.3g} to {last:.3g}", int(steps[0])
        )


def _too_high(network: NetworkFacts, seen: str, since: int) -> Finding:
    usual = default_learning_rate(network.optimizer)
    rate = network.learning_rate
    better = usual if not rate <= 2 * usual else rate / 10
    return Finding(
        "learning_rate_too_high",
        (),
        since,
        CRITICAL,
        f"{seen}; learning_rate={rate:.3g} (usual for "
        f"{network.optimizer or 'the optimizer'}: {usual:g})",
        "the steps are larger than the loss surface allows",
        f"learning_rate={better:.3g}",
        "Goodfellow, Bengio and Courville, 2016, Deep Learning, section 11.4.1",
    )


def _slow(
    network: NetworkFacts,
    steps: np.ndarray,
    losses: np.ndarray,
    final_loss: float | None,
) -> Iterator[Finding]:
    usual = default_learning_rate(network.optimizer)
    late = _late_loss(steps, losses, SLOW_STEPS, final_loss)
    early = losses[(steps < SLOW_STEPS) & np.isfinite(losses)][:EARLY_RECORDS]
    if not len(early) or not network.learning_rate < LOW_RATE * usual:
        return
    first = float(np.mean(early))
    if late > SLOW_ABOVE * first:
        yield Finding(
            "learning_rate_too_low",
            (),
            0,
            WARNING,
            f"the loss has gone from {first:.3g} to {late:.3g}; "
            f"learning_rate={network.learning_rate:.3g} (usual for "
            f"{network.optimizer}: {usual:g})",
            "the updates are too small to change the loss much",
            f"learning_rate={usual:g}",
            "Goodfellow, Bengio and Courville, 2016, Deep Learning, section 11.4.1",
        )


def _dead(
    network: NetworkFacts, history: History, kept: np.ndarray
) -> Iterator[Finding]:
    if "gradient_l2_norm" not in history:
        return
    norms = history["gradient_l2_norm"][kept]
    if len(norms) < DEAD_RECORDS:
        return
    recent = norms[-DEAD_RECORDS:]
    is_dead = (recent == 0).all(axis=0)
    if not is_dead.any() or is_dead.all():
        return
    names = tuple(
        str(name) for name, dead in zip(history.layers, is_dead, strict=True) if dead
    )
    of_layers = norms[:, is_dead]
    first = int(np.flatnonzero((of_layers == 0).all(axis=1))[0])
    yield Finding(
        "dead_units",
        names,
        int(history.steps[kept][first]),
        CRITICAL,
        f"the gradient of {len(names)} layers is exactly 0 in the last "
        f"{DEAD_RECORDS} records; the gradient of the other layers is not",
        "no unit of these layers has a slope for any sample, so they cannot learn",
        kernel_fix(network, names) or f"learning_rate={network.learning_rate / 10:.3g}",
        "Lu et al., 2019, Dying ReLU and Initialization",
    )
