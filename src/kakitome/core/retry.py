"""When to try again."""

from __future__ import annotations

from random import Random

from kakitome.core.policy import Policy


def delay(attempts: int, policy: Policy, random: Random) -> int:
    """Milliseconds to wait after `attempts` tries that were refused for now.

    Doubling, bounded, with "equal jitter": half is certain, so that no storm comes back at once, half is drawn, so
    that mails which failed together do not return together.
    """
    whole = min(policy.longest_delay, policy.first_delay << min(attempts - 1, 30)) if attempts > 0 else 0
    return whole // 2 + int(random.random() * (whole - whole // 2))
