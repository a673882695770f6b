import re


def accuracies(printed):
    return [float(percent) for percent in re.findall(r"([\d.]+)%", printed)]


def test_convolutions_learn_from_orthogonal_kernels(run, mnist_npz):
    printed, directory = run(
        "deep_convolutions.py", "--mnist-path", str(mnist_npz), "--layers", "4"
    )
    assert len(accuracies(printed)) == 2
    for name in ("he_normal", "delta_orthogonal"):
        assert list(directory.glob(f"logs/{name}/layer_stats/events.out.tfevents.*"))


def test_a_thousandth_of_the_ten_thousand_layers_is_recorded(run, mnist_npz):
    printed, directory = run(
        "ten_thousand_layers.py",
        *("--mnist-path", str(mnist_npz), "--layers", "10", "--steps", "4"),
    )
    assert len(accuracies(printed.splitlines()[-2])) == 1
    assert list(directory.glob("logs/layer_stats/events.out.tfevents.*"))
