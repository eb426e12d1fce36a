"""What holds for all tests."""

import hypothesis

# A machine that is busy is no failure: no test here times anything.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
