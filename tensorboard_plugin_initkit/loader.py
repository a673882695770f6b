"""What TensorBoard calls, by the entry point, to get the tab."""

import argparse
from typing import Any

from tensorboard.plugins import base_plugin

from tensorboard_plugin_initkit.metadata import PLUGIN_NAME

# How many steps TensorBoard keeps of each statistic: as many as a screen has columns.
# TensorBoard would keep 100 of a foreign plugin, or 10 with `--load_fast=false`.
SAMPLES = 1000


class InitkitLoader(base_plugin.TBLoader):
    """Makes the tab, and has TensorBoard keep enough of its data.

    `tensorboard --samples_per_plugin=initkit=5000` keeps more, and 0 keeps all.
    """

    def fix_flags(self, flags: argparse.Namespace) -> None:
        if flags.samples_per_plugin is not None:
            flags.samples_per_plugin.setdefault(PLUGIN_NAME, SAMPLES)

    def load(self, context: base_plugin.TBContext) -> Any:
        from tensorboard_plugin_initkit.plugin import InitkitPlugin

        return InitkitPlugin(context)
