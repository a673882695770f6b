import re


def test_both_networks_are_recorded_and_small_kernels_pass_no_gradient(run):
    printed, directory = run("gan.py", "--steps", "2")
    he, small = map(float, re.findall(r"norm of ([\d.e-]+);", printed))
    assert he > 0.01
    assert small < 1e-6
    for start in ("he_normal", "normal_0.02"):
        for network in ("generator", "discriminator"):
            run_of_network = directory / "logs" / start / "layer_stats" / network
            assert len(list(run_of_network.glob("events.out.tfevents.*"))) == 1
