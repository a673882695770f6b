"""The contract between the writer of the event files and the tab that reads them.

It imports only `json`: a slow or failing import here would slow down or stop every
TensorBoard on the machine.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

PLUGIN_NAME = "initkit"
METADATA_VERSION = 1
LAYER_TABLE_TAG = "layers"
INTERVAL_TAG = "recording/interval"
# The loss that Keras shows after each recorded step.
LOSS_TAG = "training/loss"
LEARNING_RATE_TAG = "training/learning_rate"
# The end of the group name of a layer's histograms.
HISTOGRAM = "_histogram"
# The tags of the findings as text for people, and as JSON.
FINDINGS_TAG = "findings"
FINDINGS_DATA_TAG = "findings_data"
# The attributes of a finding and their types; lists hold strings.
FINDING_TYPES = {
    "problem": str,
    "layers": list,
    "since": int,
    "severity": str,
    "evidence": str,
    "cause": str,
    "fix": str,
    "source": str,
    "consequences": list,
}


def epoch_tag(name: str) -> str:
    """The tag of a loss or metric at the end of each epoch: `epoch/val_accuracy`."""
    return f"epoch/{name}"


def parse_epoch_tag(tag: str) -> str | None:
    """The name of the loss or metric with this tag; None for other tags."""
    group, _, name = tag.partition("/")
    return name if group == "epoch" else None


def vector_tag(key: str) -> str:
    """The tag of one float32 vector over the layers, such as `initkit/weight_mean`."""
    return f"{PLUGIN_NAME}/{key}"


def parse_vector_tag(tag: str) -> str | None:
    """The name of the statistic with this tag of vectors; None for other tags."""
    plugin, *key = tag.split("/")
    return key[0] if plugin == PLUGIN_NAME and len(key) == 1 else None


def start_tag(key: str) -> str:
    """The tag of the first recorded vector, which TensorBoard cannot drop."""
    return f"{vector_tag(key)}/start"


def intended_tag(key: str) -> str:
    """The tag of the values that the layers' initializers intend."""
    return f"{vector_tag(key)}/intended"


def scalar_tag(key: str, number: int, layer: str, num_layers: int) -> str:
    """The tag of one layer's scalar, such as `gradient_variance/003_dense_3`.

    The number is padded with zeros, so TensorBoard's alphabetical order is the order of
    the layers.
    """
    digits = max(3, len(str(num_layers - 1)))
    return f"{key}/{number:0{digits}d}_{layer}"


def summary_name(key: str, logarithmic: bool) -> str:
    """The name of the percentiles of a statistic, or of its log10."""
    return f"log10_{key}" if logarithmic else key


def summary_tags(key: str, logarithmic: bool) -> tuple[str, str, str]:
    """The tags of the median, the 10th and the 90th percentile over the layers.

    The group comes first in TensorBoard's alphabetical order. It uses log10 for
    statistics that span decades, because the axes of bands are linear.
    """
    names = ("median", "10th_percentile", "90th_percentile")
    group = f"all_layers/{summary_name(key, logarithmic)}"
    median, low, high = (f"{group}/{name}" for name in names)
    return median, low, high


def histogram_tag(source: str, number: int, layer: str, num_layers: int) -> str:
    """The tag of one layer's histogram, such as `weight_histogram/003_dense_3`.

    The source is "weight", "gradient" or "pre_activation".
    """
    return scalar_tag(f"{source}{HISTOGRAM}", number, layer, num_layers)


def parse_histogram_tag(tag: str) -> str | None:
    """The source of the histograms with this tag; None for other tags."""
    group = tag.partition("/")[0]
    return group.removesuffix(HISTOGRAM) if group.endswith(HISTOGRAM) else None


def naming_key(keys: Iterable[str]) -> str:
    """The statistic of a run whose plugin data has the names of the layers.

    The others do not repeat them, because TensorBoard would send every copy to the tab.
    """
    return min(keys)


def plugin_content(layers: Sequence[str]) -> bytes:
    """The plugin data of a vector: the version and the names of the layers, as JSON."""
    return json.dumps({"version": METADATA_VERSION, "layers": list(layers)}).encode()


def parse_plugin_content(content: bytes) -> list[str]:
    """The names of the layers in the plugin data of a vector.

    Raises:
        ValueError: if a newer version than this one wrote the data, or if it is other
            data.
    """
    data = _parse_json(content)
    layers = data.get("layers") if isinstance(data, dict) else None
    if not _is_names(layers):
        raise ValueError(f"Expected the names of layers. Received: {content[:99]!r}")
    if data["version"] > METADATA_VERSION:
        raise ValueError(
            f"A newer keras_initkit wrote these statistics: expected metadata version "
            f"{METADATA_VERSION} or below. "
            f"Received: version={data['version']}"
        )
    return layers


def parse_findings(content: str | bytes) -> list[dict[str, Any]]:
    """The findings in the text under `FINDINGS_DATA_TAG`, by their attributes.

    Raises:
        ValueError: if it is other text.
    """
    findings = _parse_json(content)
    if not isinstance(findings, list) or not all(map(_is_finding, findings)):
        raise ValueError(f"Expected a list of findings. Received: {content[:99]!r}")
    return findings


def _parse_json(content: str | bytes) -> Any:
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("Expected flat JSON. Received: nested too deeply") from None


def _is_names(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_finding(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == FINDING_TYPES.keys()
        and all(isinstance(value[key], of) for key, of in FINDING_TYPES.items())
        and all(_is_names(part) for part in value.values() if isinstance(part, list))
    )
