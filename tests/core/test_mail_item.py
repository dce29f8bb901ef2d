"""A mail that a person put into a table by hand."""

from __future__ import annotations

import pytest

from kakitome.core.errors import Refused
from kakitome.core.mail_item import is_html, template_of

ITEM = {"mail_id": "hello", "subject": "Hi", "body": "Dear reader"}


@pytest.mark.parametrize(
    "body",
    ["<p>x", "<!DOCTYPE html><x>", "a<br/>b", '<a href="https://example.com">x</a>', "x</DIV>", "<h2 class='a'>x"],
)
def test_elements_make_a_body_html(body: str) -> None:
    """One is enough, in any spelling."""
    assert is_html(body)


@pytest.mark.parametrize(
    "body",
    [
        "plain",
        "a < b and c > d",
        "<someone@example.com>",
        "if a<b then b>a",
        "<3",
        "<http://example.com/>",
        "{{ name }}",
    ],
)
def test_angles_alone_make_no_html(body: str) -> None:
    """Addresses, links and sums stay text."""
    assert not is_html(body)


def test_the_items_sender_wins() -> None:
    """Over the one of the deployment, which is taken where the item names none."""
    assert template_of("hello", ITEM | {"from": "own@example.com"}, "usual@example.com").sender == "own@example.com"
    assert template_of("hello", ITEM, "usual@example.com").sender == "usual@example.com"


@pytest.mark.parametrize("sender", [None, ""])
def test_without_a_sender_nothing_begins(sender: str | None) -> None:
    """Neither the item's nor a deployment's: it is said."""
    with pytest.raises(Refused, match="from"):
        template_of("hello", ITEM, sender)


@pytest.mark.parametrize("lacking", ["subject", "body"])
def test_half_a_mail_is_none(lacking: str) -> None:
    """It is said what is not there, or is nothing."""
    with pytest.raises(Refused, match=f"no {lacking}"):
        template_of("hello", {name: value for name, value in ITEM.items() if name != lacking}, "a@example.com")
    with pytest.raises(Refused, match=f"no {lacking}"):
        template_of("hello", ITEM | {lacking: " \n"}, "a@example.com")
