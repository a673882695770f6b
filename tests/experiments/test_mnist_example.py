import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "mnist.py"


def test_example_trains_from_a_file_and_logs(mnist_npz, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(SCRIPT), str(mnist_npz)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert capsys.readouterr().out.splitlines()[-1] == "tensorboard --logdir logs"
    assert list((tmp_path / "logs" / "layer_stats").glob("events.out.tfevents.*"))
