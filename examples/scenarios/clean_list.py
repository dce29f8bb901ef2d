"""Lists that SES would not forgive: the guard warns, then pauses; a person sets them right, or ends them."""

from __future__ import annotations

import sys

from own_ses import FOLDER, PATIENCE, OwnSes, readers, write_list

from stage import check, say, wait_until


def clean_list(ses: OwnSes) -> None:
    say("5  A bad list: bounces at most 5 %, or SES looks into the account.")
    bad = [f"bounce+{k:02}@simulator.example" for k in range(1, 41)]
    people = readers("old", 400)
    ses.start("old-list", write_list("old-list", people), show=False)
    ses.wait_for_all("old-list", 400)
    say("   400 of its readers have it. Then come 18 bad addresses.")
    people += bad[:18]  # behind the others: in whatever order they bounce, it is never 5 %
    ses.start("old-list", write_list("old-list", people))
    ses.wait_for_all("old-list", 18)
    wait_until(lambda: _warnings() != [], PATIENCE, "The guard did not warn")
    print(f"  {_warnings()[0].strip()}", file=sys.stderr)
    check(len(_warnings()) == 1, "At 4 % the guard warns, once.")
    say("   22 more, and 300 readers behind them.")
    ses.limit(rate=5)  # so slow that the list is not out before the play gives up waiting for the guard
    ses.start("old-list", write_list("old-list", [*people, *bad[18:], *readers("older", 300)]))
    wait_until(lambda: ses.level("old-list") == "paused", PATIENCE, "The guard did not pause")
    ses.stage.run("campaign", "status", "old-list")
    left = ses.open("old-list")
    check(left > 0, "At 5 % it is paused, with a sentence, and the rest is kept back.")
    say("   A person takes the bad addresses out, and lets it go on.")
    ses.stage.ask("suppression", "add", *bad, "--who", "aya", "--note", "old addresses")
    ses.provider.limit(rate=300)
    ses.stage.run("campaign", "resume", "old-list", "--who", "aya", "--note", "bad addresses are out")
    rows = ses.wait_for_all("old-list")["rows"]
    sent = rows["sent"] + rows["suppressed"] + rows["already"] + rows["duplicate"]
    check(sent == rows["read"], "The rest went out; what counts is what was sent from there on.")


def complaints(ses: OwnSes) -> None:
    say("   Complaints: below 0.1 %.")
    bad = [f"complaint+{k}@simulator.example" for k in range(1, 11)]  # three do; a throttled one goes to the end
    people = readers("annoyed", 100)
    ses.start("annoying", write_list("annoying", people), show=False)
    ses.wait_for_all("annoying", 100)
    ses.limit(rate=5)
    ses.start("annoying", write_list("annoying", [*people, *bad, *readers("next", 300)]), show=False)
    wait_until(lambda: ses.level("annoying") == "paused", PATIENCE, "The guard did not pause")
    verdict = ses.told("annoying")["guard"]
    check(verdict["kind"] == "complaints" and verdict["limit"] == 0.1, "A few complaints pause a list, too.")
    ses.stage.run("campaign", "cancel", "annoying", "--who", "aya")
    ses.wait_for_all("annoying")
    ses.wait_for_events()
    ses.limit(rate=200)


def _warnings() -> list[str]:
    return [line for line in _log() if "old-list:" in line and "the limit is 4 %" in line]


def _log() -> list[str]:
    """What `serve` has said."""
    return (FOLDER / "serve.log").read_text("utf-8").splitlines()
