"""So that a clause of an exported contract that fails shows its values."""

import pytest

pytest.register_assert_rewrite("kakitome.testing")
