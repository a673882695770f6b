"""Tests properties with the same examples each time, in bounded time."""

from hypothesis import Phase, settings

settings.register_profile(
    "bounded",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    phases=[Phase.explicit, Phase.generate],  # to shrink an example takes minutes
)
settings.load_profile("bounded")
