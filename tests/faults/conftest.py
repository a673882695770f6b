"""Properties are tested with the same examples each time, and in bounded time."""

import hypothesis

hypothesis.settings.register_profile(
    "bounded", derandomize=True, database=None, deadline=None, max_examples=60
)
hypothesis.settings.load_profile("bounded")
