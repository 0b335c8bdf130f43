"""Property tests try the same values in every run, so that a change is judged by what it changes.

`HYPOTHESIS_PROFILE=search pytest tests/unit` looks for new ones; what it finds becomes an `@example` of its test.
"""

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
