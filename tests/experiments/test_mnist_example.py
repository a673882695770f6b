def test_example_trains_from_a_file_and_logs(run, mnist_npz):
    printed, directory = run("mnist.py", str(mnist_npz))
    assert printed.splitlines()[-1] == "tensorboard --logdir logs"
    assert list(directory.glob("logs/layer_stats/events.out.tfevents.*"))
