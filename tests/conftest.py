"""How the suite runs: clauses of exported contracts show their values when they fail, no property fails because the
machine has something else to do, and long plays do not wait for each other."""

from __future__ import annotations

import os
from itertools import groupby, pairwise

import pytest
from hypothesis import Phase, settings

pytest.register_assert_rewrite("kakitome.testing")

settings.register_profile("kakitome", deadline=None)
settings.register_profile("mutant", deadline=None, phases=[Phase.explicit, Phase.generate])  # that it fails is enough
settings.load_profile("mutant" if "KAKITOME_MUTANT" in os.environ else "kakitome")


@pytest.hookimpl(optionalhook=True)  # mutants are run without plugins
def pytest_xdist_auto_num_workers() -> int:
    """Two a processor, since the plays wait for clocks and processes most of the time."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the plays evenly over the run, so that no worker has them all, and none comes last."""
    plays = [list(some) for _, some in groupby((i for i in items if i.path.parent.name == "e2e"), lambda i: i.path)]
    rest = [item for item in items if item.path.parent.name != "e2e"]
    if plays:
        ends = [n * len(rest) // len(plays) for n in range(len(plays) + 1)]
        between = (rest[begin:end] for begin, end in pairwise(ends))
        items[:] = [item for play, some in zip(plays, between, strict=True) for item in (*play, *some)]
