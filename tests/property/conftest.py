"""How far hypothesis looks: the same examples in each run, unless one goes exploring.

`HYPOTHESIS_PROFILE=explore` draws many new examples. What it finds becomes a row of a test.
"""

import os

from hypothesis import settings

# No deadline: timings say something about the machine, not about the code.
settings.register_profile("house", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))
