"""So that a clause of an exported contract that fails shows its values, and no property fails because the machine has
something else to do."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("kakitome.testing")

settings.register_profile("kakitome", deadline=None)
settings.load_profile("kakitome")
