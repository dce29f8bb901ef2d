"""What is looked at before a list starts: who sends it, how one leaves, and whether the guard has paused it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kakitome.config import Config, load
from kakitome.core.content import Content, Mailbox
from kakitome.core.errors import ConfigurationError, Refused, StateError
from kakitome.core.footer import Imprint
from kakitome.core.guard import Figures, Level, Verdict
from kakitome.core.ids import RunId
from kakitome.core.message import Run
from kakitome.core.policy import Kind, Policy
from kakitome.mailing import Mailing
from kakitome.ports.guards import Watched
from kakitome.start import check_footer, check_guard

LINK = "https://mail.example.com/u/0"
IMPRINT = Imprint(name="かきとめ舎", address="東京都千代田区", contact="03-0000-0000")
BARE = Content(sender=Mailbox("a@example.com"), to=(Mailbox("b@example.com"),), subject="s", text=f"Hello\n{LINK}")
SES = '[lanes.ses]\nprovider = "ses"\nregion = "us-east-1"\n'


def configured(folder: Path, text: str) -> Config:
    (folder / "kakitome.toml").write_text(text, "utf-8")
    return load(folder / "kakitome.toml", {})


def test_the_law_refuses_what_others_are_warned_of() -> None:
    """Each missing thing is a sentence that says what to write; with `jp` nothing is sent."""
    told = check_footer([BARE], IMPRINT, LINK, "warn")
    assert len(told) == 3 and all("{{ sender_" in sentence for sentence in told)
    with pytest.raises(Refused, match="Nothing was sent") as refused:
        check_footer([BARE], IMPRINT, LINK, "jp")
    assert refused.value.data["missing"] == told
    assert check_footer([BARE], IMPRINT, LINK, "off") == []
    with pytest.raises(Refused, match="has no name"):
        check_footer([BARE], Imprint(), LINK, "jp")


def test_a_list_that_leaves_needs_an_address(tmp_path: Path) -> None:
    """Over a real lane without public_url it is refused; on this machine, and for single mails, it is not."""
    with pytest.raises(Refused, match="public_url"):
        Mailing(configured(tmp_path, SES)).check_reachable("bulk")
    Mailing(configured(tmp_path, SES)).check_reachable("transactional")
    Mailing(configured(tmp_path, SES + '[http]\npublic_url = "https://m.example.com/"\n')).check_reachable("bulk")
    Mailing(configured(tmp_path, SES + 'endpoint = "http://127.0.0.1:1"\n')).check_reachable("bulk")
    for elsewhere in ('[lanes.s]\nprovider = "ses-smtp"\nregion = "us-east-1"\nendpoint = "http://127.0.0.1:1"\n',):
        with pytest.raises(Refused, match="public_url"):  # only its limits are asked for on this machine
            Mailing(configured(tmp_path, elsewhere)).check_reachable("bulk")
    here = Mailing(configured(tmp_path, ""))
    here.check_reachable("bulk")
    assert here.letterhead("bulk").sample.startswith("http://127.0.0.1:8700/u/")
    with pytest.raises(ConfigurationError, match="https"):
        configured(tmp_path, '[http]\npublic_url = "http://mail.example.com"\n')


def test_what_the_guard_paused_needs_a_person() -> None:
    """To repeat the start is not a decision; the refusal names the command that is."""
    verdict = Verdict(level=Level.PAUSED, kind="bounces", count=10, sent=100, rate=10.0, limit=5.0)
    run = Run(id=RunId(1), name="letter", stream="bulk", state="paused", policy=Policy(kind=Kind.BULK), campaign=True)
    with pytest.raises(StateError, match="campaign resume letter"):
        check_guard([Watched(run, Figures(level=Level.PAUSED), verdict)])
    check_guard([Watched(run, Figures())])
