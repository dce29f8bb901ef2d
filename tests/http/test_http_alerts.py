"""What is wrong, for programs."""

from __future__ import annotations

from house import House, mail


def test_alerts_are_listed(unsent: House) -> None:
    """A list, empty where nothing is wrong; mail that a lane cannot take yet is no alert before its time."""
    assert unsent.post(mail("guest@example.com")).status == 202
    answer = unsent.ask("GET", "/v1/alerts")
    assert (answer.status, answer.json) == (200, {"alerts": []})


def test_an_alert_has_its_words_and_its_facts(unsent: House) -> None:
    """The same that people are told, and who was."""
    from kakitome.core.alert import Facts, Finding, Kind, Late

    late = {"stream:late": Late(stream="late", run=1, since=1_800_000_000_000, count=2)}
    facts = Facts(why="no-worker", late=late, were=late)
    finding = Finding(key="late:x", kind=Kind.GUARD, since=1_800_000_000_000, facts=facts, lasting=False)
    alerts = unsent.instance.ledger.alerts
    assert unsent._run(alerts.raise_(finding, ["slack"], 1_800_000_600_000, 1_800_000_600_000)) is not None
    [alert] = unsent.ask("GET", "/v1/alerts").json["alerts"]
    assert alert["id"].startswith("alr_") and alert["why"] == "no-worker"
    assert (alert["kind"], alert["since"]) == ("guard", "2027-01-15T08:00:00.000Z")
    assert alert["told"] == [{"part": "raised", "channel": "slack", "at": None}]
