import pytest

from keras_initkit.experiments.play.fields import (
    Choice,
    Number,
    checked,
    of_second,
    second,
)
from keras_initkit.experiments.play.scenes import all_scenes, chosen, described

FIELDS = (
    Number("layers", "Layers", 2, 1, 4, is_integer=True),
    Number("rate", "Rate", 0.1, 1e-5, 10.0, is_logarithmic=True),
    Choice("activation", "Activation", "relu", ("relu", "tanh")),
)


def test_what_is_not_given_has_its_default():
    assert checked(FIELDS, {"rate": 3}) == {
        "layers": 2,
        "rate": 3.0,
        "activation": "relu",
    }


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"layers": 5}, r"`layers` must be an integer from 1 to 4\. Rec.*layers=5"),
        ({"layers": 1.5}, r"`layers` must be an integer from 1 to 4\. Rec.*layers=1.5"),
        ({"layers": True}, r"`layers` must be an integer from 1 to 4"),
        ({"rate": 0}, r"`rate` must be a number from 1e-05 to 10\. Rec.*rate=0"),
        ({"rate": float("nan")}, r"`rate` must be a number from 1e-05 to 10"),
        ({"rate": "1"}, r"`rate` must be a number from 1e-05 to 10"),
        ({"rate": 10**400}, r"`rate` must be a number from 1e-05 to 10"),
        ({"activation": "os.system"}, r'`activation` must be "relu" or "tanh"'),
        ({"activation": ["relu"]}, r'`activation` must be "relu" or "tanh"'),
        ({"code": "1"}, r"named by one of layers, rate, activation.*'code'"),
        ([], r"must be a mapping from names to values\. Received: values=\[\]"),
    ],
)
def test_what_is_not_allowed_is_said_in_a_sentence(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        checked(FIELDS, given)


def test_the_second_start_has_the_values_of_its_own_fields():
    assert second(FIELDS[1]).name == "rate_b"
    values = {"rate": 1, "rate_b": 2, "layers": 3}
    assert of_second(values) | {"rate_b": None} == {
        "rate": 2,
        "rate_b": None,
        "layers": 3,
    }


def test_all_fields_of_all_scenes_take_their_ends_and_defaults():
    for scene in all_scenes().values():
        defaults = {field.name: field.default for field in scene.fields}
        assert checked(scene.fields, {}) == defaults
        for end in ("low", "high"):
            ends = {
                field.name: getattr(field, end)
                for field in scene.fields
                if isinstance(field, Number)
            }
            assert checked(scene.fields, ends) == {**defaults, **ends}


def test_a_scene_is_chosen_by_its_name():
    scenes = all_scenes()
    scene, values = chosen(scenes, "depth", {"layers": 3})
    assert (scene.name, values["layers"]) == ("depth", 3)
    with pytest.raises(ValueError, match=r"one of plane, depth, digits.*'deep'"):
        chosen(scenes, "deep", {})
    names = [scene["name"] for scene in described(scenes)["scenes"]]
    assert names == ["plane", "depth", "digits"]
