"""A wrong scale, repaired: by DynamicRescaling, by hand, and by the callback.

Ten ReLU layers start with He's kernels times 0.3. Each layer multiplies the signal's
variance by 0.09, and hardly anything reaches the end. The initializer can repair the
scale, or the callback before the first step, or you by hand during training, with a
factor of 1.5 whenever a variance is out of its range.
"""

import keras
import numpy as np
from matplotlib.figure import Figure

from keras_initkit import DynamicRescaling, DynamicRescalingCallback
from keras_initkit.experiments.networks import dense_network, pre_activation_variances
from keras_initkit.experiments.picture import STYLES
from keras_initkit.experiments.study import Findings, Lab, run_study

DEPTH = 10
WIDTH = 64
BATCH_SIZE = 64
HIDDEN = "hidden_*"
WRONG = 0.3
BAND = (0.5, 2.0)  # the range of pre-activation variance for the rule by hand
CHECK_FREQ = 10
HAND_FACTOR = 1.5  # what a PyTorch user might multiply the weights by


def main(arguments=None):
    """Runs the study from the command line."""
    return run_study("dynamic_rescaling", study, __doc__, arguments)


def study(lab: Lab) -> Findings:
    """Trains the same network with each remedy."""
    digits = lab.digits(2000 if lab.quick else 12_000, 2000)
    findings, variances = {}, {}
    for name in remedies(lab.quick):
        model = network(digits, name, lab.seed)
        remedy = callback(name, digits.x_train[:BATCH_SIZE], lab.log_dir)
        trained = lab.fit(
            name,
            model,
            digits.x_train,
            digits.y_train,
            epochs=2,
            batch_size=BATCH_SIZE,
            callbacks=[remedy] if remedy else [],
            statistics=("pre_activation_variance",),
            layers=HIDDEN,
            update_freq=CHECK_FREQ,
        )
        answers = keras.ops.convert_to_numpy(model(digits.x_test)).argmax(axis=1)
        variance = trained.layers["pre_activation_variance"]
        variances[name] = trained.layers.steps, variance
        in_band = (variance >= BAND[0]) & (variance <= BAND[1])
        findings[name] = {
            "lowest variance at step 0": variance[0].min(),
            "in the band": in_band.mean(),
            "rescalings": len(remedy.events) if remedy else 0,
            "loss": trained.logs["loss"][-1],
            "test accuracy": np.mean(answers == digits.y_test),
        }
    lab.save(picture(variances, findings, digits.name), "dynamic_rescaling")
    return findings


def remedies(quick):
    """The names of the runs, each a way to handle the wrong scale."""
    repairs = ("nothing", "DynamicRescaling", "by hand", "callback")
    return repairs if quick else (*repairs, "right from the start")


def network(digits, name, seed):
    """Builds ten layers with He's kernels times 0.3, unless the remedy says else."""
    seeds = keras.random.SeedGenerator(seed)
    he = keras.initializers.HeNormal(seeds)
    # He's variance is 2 / fan_in.
    wrong = keras.initializers.VarianceScaling(2 * WRONG**2, seed=seeds)
    hidden = [he if name == "right from the start" else wrong] * DEPTH
    if name == "DynamicRescaling":
        before = [None] + ["relu"] * (DEPTH - 1)
        hidden = [DynamicRescaling(wrong, activation) for activation in before]
    model = dense_network(
        digits.num_features, digits.num_classes, WIDTH, "relu", [*hidden, he]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    return model


def callback(name, x, log_dir):
    """The callback that rescales during training, if there is one."""
    if name == "by hand":
        return ByHand(x)
    if name == "callback":
        return DynamicRescalingCallback(
            check_freq=CHECK_FREQ, layers=HIDDEN, log_dir=log_dir / name
        )
    return None


class ByHand(keras.callbacks.Callback):
    """Multiplies or divides a kernel by 1.5 while its variance is out of range."""

    def __init__(self, x):
        super().__init__()
        self.x = x
        self.step = 0
        self.events = []

    def on_train_batch_begin(self, batch, logs=None):
        if self.step % CHECK_FREQ == 0:
            variances = pre_activation_variances(self.model, self.x)
            for number, variance in enumerate(variances):
                if not BAND[0] <= variance <= BAND[1]:
                    factor = HAND_FACTOR if variance < 1 else 1 / HAND_FACTOR
                    kernel = self.model.get_layer(f"hidden_{number:03d}").kernel
                    kernel.assign(kernel * factor)
                    self.events.append((self.step, number, factor))
        self.step += 1


def picture(variances, findings, digits):
    """Draws the lowest and the highest variance of the ten layers over the steps."""
    figure = Figure(figsize=(3.8 * len(variances), 3.6), layout="constrained")
    panels = figure.subplots(1, len(variances), sharex=True, sharey=True)
    for (name, (steps, variance)), panel in zip(variances.items(), panels, strict=True):
        (line, _), (area, _) = STYLES[3], STYLES[2]
        # A logarithmic axis cannot show 0.
        shown = np.maximum(variance, np.finfo("float32").tiny)
        panel.axhspan(*BAND, color="#009E73", alpha=0.3, linewidth=0)
        panel.fill_between(
            steps, shown.min(1), shown.max(1), color=area, alpha=0.5, linewidth=0
        )
        panel.plot(steps, np.median(shown, 1), color=line)
        found = findings[name]
        panel.set(
            yscale="log",
            xlabel="training step",
            ylabel="pre-activation variance",
            title=f"{name}: {found['test accuracy']:.1%} right, "
            f"{found['rescalings']:.0f} rescalings",
        )
        panel.label_outer()
    figure.suptitle(
        f"He's kernels times {WRONG} on {digits}, and what is done about it. Line: the "
        "median layer; blue: from the lowest to the highest; green: the healthy band"
    )
    return figure


if __name__ == "__main__":
    raise SystemExit(main())
