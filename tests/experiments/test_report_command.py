import gc
import importlib.util

import keras
import numpy as np
import pytest
from keras import layers

from keras_initkit.experiments.command_line import main
from keras_initkit.initializers.scaled_depth import ScaledDepth

ARRAYS = {
    "x": np.random.default_rng(0).normal(size=(40, 6)),
    "y": np.arange(40) % 3,
}


def make_model(path, compiled):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, "relu", kernel_initializer=ScaledDepth(4), name="hidden"),
            layers.Dense(3, "softmax", name="head"),
        ]
    )
    if compiled:
        model.compile("adam", "sparse_categorical_crossentropy")
    model.save(path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models")
    return {
        compiled: make_model(directory / f"{compiled}.keras", compiled)
        for compiled in (True, False)
    }


@pytest.fixture
def command(models, tmp_path):
    """A function that runs `keras-initkit report` on some arrays: its exit code."""

    def run(*options, arrays=ARRAYS, model=models[True]):
        data = tmp_path / "data.npz"
        if arrays is not None:
            np.savez(data, **arrays)
        try:
            return main(["report", str(model), "--data", str(data), *options])
        except SystemExit as exit_:
            return exit_.code

    return run


def test_report_prints_a_row_for_each_kernel(command, capsys):
    assert command() == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["hidden", "head"]
    assert "ScaledDepth(4)" in lines[2]
    assert lines[-1].startswith("gradient of the loss; 40 samples of ")
    assert err == ""


@pytest.mark.parametrize(
    ("arrays", "compiled", "reason"),
    [
        ({"x": ARRAYS["x"]}, True, "no y in the data"),
        ({"anything": ARRAYS["x"]}, True, "no y in the data"),
        (ARRAYS, False, "the model is not compiled with a loss"),
    ],
)
def test_without_a_loss_it_says_why(command, models, capsys, arrays, compiled, reason):
    assert command(arrays=arrays, model=models[compiled]) == 0
    assert reason in capsys.readouterr().out


def test_training_set_of_a_dataset_and_fewer_samples(command, capsys):
    arrays = {
        **{"x_train": ARRAYS["x"], "y_train": ARRAYS["y"]},
        **{"x_test": ARRAYS["x"][:1], "y_test": ARRAYS["y"][:1]},
    }
    assert command("--samples", "7", arrays=arrays) == 0
    assert "gradient of the loss; 7 samples" in capsys.readouterr().out


def test_table_fits_the_terminal(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert command() == 0
    *table, _, _ = capsys.readouterr().out.splitlines()
    assert max(map(len, table)) <= 80
    assert "ScaledDepth(4)" in "".join(table)


def test_plot_is_written(command, tmp_path, capsys):
    picture = tmp_path / "report.png"
    assert command("--plot", str(picture)) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.splitlines()[-1] == f"Picture: {picture}"


@pytest.mark.parametrize(
    ("arrays", "reasons"),
    [
        ({"x": np.ones((4, 5))}, ["(None, 6)", "(4, 5)"]),
        ({"x": np.full((4, 6), np.nan)}, ["must be finite"]),
        ({"x": np.ones((0, 6))}, ["must not be empty"]),
        ({"a": np.ones(3), "b": np.ones(3)}, ["x_train", "a, b"]),
        ({"x": np.array(["text", None], dtype=object)}, ["data.npz cannot be read"]),
        ({"x": ARRAYS["x"], "y": np.ones(39)}, ["each of the 40 samples"]),
        ({"x": 3.0}, ["x in the data", "axis of samples"]),
        ({"x": ARRAYS["x"], "y": 3.0}, ["y in the data", "axis of samples"]),
        ({"anything": 3.0}, ["anything in the data", "axis of samples"]),
        (None, ["data.npz cannot be read"]),
    ],
)
def test_wrong_data_is_one_line(command, capsys, arrays, reasons):
    assert command(arrays=arrays) == 2
    is_one_line(capsys, reasons)


@pytest.mark.filterwarnings("error")
def test_what_is_no_npz_file(command, tmp_path, capsys):
    for content in (b"", b"text", b"PK\x03\x04 no archive", b"\x80\x04 pickled?"):
        (tmp_path / "data.npz").write_bytes(content)
        assert command(arrays=None) == 2
        gc.collect()  # An unclosed file would raise a warning now.
        is_one_line(
            capsys, ["data.npz cannot be read", "it is no archive, or it is damaged"]
        )


def test_one_array_in_an_npy_file(command, tmp_path, capsys):
    with (tmp_path / "data.npz").open("wb") as file:
        np.save(file, ARRAYS["x"])
    assert command(arrays=None) == 2
    is_one_line(capsys, ["data.npz cannot be read"])


def test_what_tensorflow_says_is_shown_without_its_colours(command, tmp_path, capsys):
    parts = [layers.Embedding(5, 3), layers.Flatten(), layers.Dense(1)]
    keras.Sequential([keras.Input((6,)), *parts]).save(tmp_path / "words.keras")
    arrays = {"x": np.full((4, 6), 99)}
    assert command(model=tmp_path / "words.keras", arrays=arrays) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "keras-initkit: error: indices[0,0] = 99 is not in [0, 5)"


def test_wrong_model_is_one_line(command, models, tmp_path, capsys):
    assert command(model=tmp_path / "none.keras") == 2
    is_one_line(capsys, ["there is no model file"])
    whole = models[True].read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2]):
        (tmp_path / "bad.keras").write_bytes(content)
        assert command(model=tmp_path / "bad.keras") == 2
        is_one_line(capsys, ["bad.keras cannot be loaded", "or it is damaged"])


class Own(layers.Layer):
    """A layer that is not registered."""

    def call(self, x):
        return x


def own_activation(x):
    return x


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (Own(), "class 'Own'"),
        (layers.Dense(6, own_activation), "function 'own_activation'"),
    ],
)
def test_layer_of_the_users_own_is_named_with_the_way_out(
    command, tmp_path, capsys, layer, what
):
    path = tmp_path / "own.keras"
    keras.Sequential([keras.Input((6,)), layer, layers.Dense(2)]).save(path)
    assert command(model=path) == 2
    is_one_line(capsys, [what, "register_keras_serializable", "signal_report("])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--samples", "0"], "--samples must be at least 1"),
        (["--samples", "many"], "invalid int value"),
    ],
)
def test_wrong_options_are_one_line(command, capsys, options, reason):
    assert command(*options) == 2
    is_one_line(capsys, [reason])


def test_picture_that_cannot_be_written(command, tmp_path, capsys):
    for name in ("nowhere/report.png", "report.nothing"):
        assert command("--plot", str(tmp_path / name)) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "the picture cannot be written" in err


def test_missing_matplotlib_is_told_only_to_those_who_need_it(
    command, monkeypatch, capsys
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "matplotlib" else find_spec(name, *rest),
    )
    assert command() == 0
    assert command("--plot", "report.png") == 2
    assert "matplotlib not installed" in capsys.readouterr().err


def test_help_explains_every_heading_and_has_examples(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as exit_:
        main(["report", "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    for heading in ("fan in", "as intended", "gain", "gradient", "dead", "saturated"):
        assert heading in text
    assert "keras-initkit report model.keras --data digits.npz" in text
    assert max(map(len, text.splitlines())) <= 80


def is_one_line(capsys, reasons):
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("keras-initkit")
    assert err.count("\n") == 1
    for reason in reasons:
        assert reason in err
