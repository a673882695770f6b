import pytest

from tensorboard_plugin_initkit import metadata

KEY = "gradient_variance"


def test_tags_of_a_statistic():
    assert metadata.vector_tag(KEY) == "initkit/gradient_variance"
    assert metadata.start_tag(KEY) == "initkit/gradient_variance/start"
    assert metadata.intended_tag(KEY) == "initkit/gradient_variance/intended"


@pytest.mark.parametrize("num_layers", [1, 24, 1000, 1001, 12345])
def test_alphabetical_order_of_scalars_is_the_order_of_the_layers(num_layers):
    names = [f"layer_{-number}" for number in range(num_layers)]
    tags = [
        metadata.scalar_tag(KEY, number, name, num_layers)
        for number, name in enumerate(names)
    ]
    assert tags == sorted(tags)
    # TensorBoard groups by what is in front of the first slash.
    assert {tag.split("/")[0] for tag in tags} == {KEY}


def test_summary_tags_are_one_group():
    tags = metadata.summary_tags(KEY, False)
    assert len(set(tags)) == 3
    assert all(tag.startswith(f"all_layers/{KEY}/") for tag in tags)
    assert all("/log10_" in tag for tag in metadata.summary_tags(KEY, True))


def test_histograms_of_different_sources_are_different_groups():
    tags = {
        metadata.histogram_tag(source, 3, "net/dense", 5)
        for source in ("weight", "gradient", "pre_activation")
    }
    assert "weight_histogram/003_net/dense" in tags
    assert len({tag.split("/")[0] for tag in tags}) == 3


@pytest.mark.parametrize(
    "layers",
    [
        [],
        ["dense", "dense_1"],
        ["a/b", "<img src=x onerror=alert(1)>", '"', "\\", "\n", "ü 層 🧠", ""],
    ],
)
def test_names_of_layers_come_back(layers):
    assert metadata.parse_plugin_content(metadata.plugin_content(layers)) == layers


def test_of_a_newer_version_nothing_is_read():
    content = b'{"version": 2, "layers": ["dense"]}'
    assert metadata.METADATA_VERSION == 1
    with pytest.raises(ValueError, match=r"newer keras_initkit.*Received: version=2"):
        metadata.parse_plugin_content(content)
