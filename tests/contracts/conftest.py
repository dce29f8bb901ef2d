"""So that a clause which fails shows its values."""

import pytest

pytest.register_assert_rewrite("kakitome.testing")
