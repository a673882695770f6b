import numpy as np
import pytest

from keras_initkit.experiments.picture import draw
from keras_initkit.experiments.settings import INITIALIZERS

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
NAN, INF = np.nan, np.inf


def gradients(*values):
    return dict.fromkeys(
        ["gradient_variance_start", "gradient_variance_end"], np.array(values)
    )


RUNS = {
    "zeros": {"losses": np.full(3, 2.3), **gradients(0.0, 0.0, 0.0)},
    "diverged": {"losses": np.array([1e9, 1e8, 1e7])},
    "nan": {"losses": np.array([2.5, NAN, NAN]), **gradients(1.0, NAN, NAN)},
    "nan from the start": {"losses": np.full(3, NAN), **gradients(NAN, NAN, NAN)},
    "inf": {"losses": np.array([2.5, INF, NAN]), **gradients(INF, INF, 1.0)},
    "inf from the start": {"losses": np.full(3, INF), **gradients(INF, INF, INF)},
    "perfect": {"losses": np.array([2.5, 0.0, 0.0])},
}


@pytest.fixture
def drawn_text(tmp_path, monkeypatch):
    """A function that draws, checks the PNG, and returns all words in the picture."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    figures = []
    save = Figure.savefig

    def remember(figure, *args, **kwargs):
        figures.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", remember)

    def draw_and_read(results):
        networks = {"plain network": results, "another one": results[:1]}
        draw(networks, "digits", tmp_path / "compare.png")
        assert (tmp_path / "compare.png").read_bytes().startswith(PNG_SIGNATURE)
        return "\n".join(text.get_text() for text in figures[-1].findobj(Text))

    return draw_and_read


def test_all_initializers(make_result, drawn_text):
    text = drawn_text([make_result(name) for name in INITIALIZERS])
    assert all(name in text for name in INITIALIZERS)
    assert all(word in text for word in ("digits", "plain network", "another one"))


def test_what_went_wrong_is_at_the_bar(make_result, drawn_text):
    failed = make_result("zeros", test_accuracy=0.1, outcome="did not learn")
    text = drawn_text([make_result(), failed])
    assert "10.0 %: did not learn" in text
    assert " 95.0 %\n" in text


@pytest.mark.parametrize("run", RUNS)
def test_any_run_alone(make_result, drawn_text, run):
    drawn_text([make_result(run, **RUNS[run])])


def test_what_the_axes_cannot_show_is_written(make_result, drawn_text):
    runs = [make_result(name, **fields) for name, fields in RUNS.items()]
    text = drawn_text([make_result(), *runs])
    assert "zeros: 0 in every layer" in text
    assert "diverged: up to 1e+09, off the scale" in text
    assert "nan: not finite from step 23" in text
    assert "nan from the start: not finite from step 0" in text
    assert "inf: not finite from step 23" in text
    assert "he_normal:" not in text
