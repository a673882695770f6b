"""The entry point through which TensorBoard gets the tab."""

import argparse
from typing import Any

from tensorboard.plugins import base_plugin

from tensorboard_plugin_initkit.metadata import PLUGIN_NAME

# The number of steps that TensorBoard keeps of each statistic: the columns of a screen.
# For other plugins, TensorBoard keeps 100, or 10 with `--load_fast=false`.
SAMPLES = 1000


class InitkitLoader(base_plugin.TBLoader):
    """Makes the tab, and makes TensorBoard keep enough of its data.

    `tensorboard --samples_per_plugin=initkit=5000` keeps more, and 0 keeps all.
    """

    def fix_flags(self, flags: argparse.Namespace) -> None:
        if flags.samples_per_plugin is not None:
            flags.samples_per_plugin.setdefault(PLUGIN_NAME, SAMPLES)

    def load(self, context: base_plugin.TBContext) -> Any:
        from tensorboard_plugin_initkit.plugin import InitkitPlugin

        return InitkitPlugin(context)
