"""What a mail must say of its sender is found where its reader sees it, and nowhere else."""

from __future__ import annotations

from html import escape

from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.content import Content, Mailbox
from kakitome.core.footer import Imprint, Missing, missing, told, unknown

LINK = "https://mail.example.com/u/0?a=1&b=2"
IMPRINT = Imprint(name="株式会社かきとめ舎 & Co.", address="〒100-0000 東京都千代田区文町1-2-3", contact="03-0000-0000")
PAGED = Imprint(name="Kakitome-sha", page="https://example.com/about")
PIECES = {"link": LINK, "name": IMPRINT.name, "address": IMPRINT.address, "contact": IMPRINT.contact}


def mail(html: str | None, text: str | None = None) -> Content:
    return Content(sender=Mailbox("a@example.com"), to=(Mailbox("b@example.com"),), subject="s", html=html, text=text)


def marked(what: str) -> str:
    return f'<a href="{escape(LINK)}">leave</a>' if what == "link" else f"<p>{escape(PIECES[what])}</p>"


@given(st.sets(st.sampled_from(sorted(PIECES))), st.sets(st.sampled_from(sorted(PIECES))))
def test_what_is_not_there_is_named(html: set[str], text: set[str]) -> None:
    """Each part by itself, and exactly what it lacks."""
    content = mail("".join(map(marked, sorted(html))), "\n".join(PIECES[what] for what in sorted(text)))
    lacking = {Missing("html", what) for what in PIECES.keys() - html}
    lacking |= {Missing("text", what) for what in PIECES.keys() - text}
    assert missing(content, IMPRINT, LINK) == lacking
    assert len(told(lacking, IMPRINT)) == len(lacking)


def test_hidden_words_do_not_count() -> None:
    """Comments, titles, styles and what is not displayed are not what a reader sees."""
    words = "".join(marked(what) for what in PIECES)
    for hidden in (f"<!--{words}-->", f"<title>{words}</title>", f'<div style="Display : none">{words}</div>',
                   f"<div hidden><br>{words}</div>", f"<head><style></style>{words}</head>"):  # fmt: skip
        assert {m.what for m in missing(mail(hidden + "<p>x"), IMPRINT, LINK)} == set(PIECES)
    assert missing(mail(f"<div style='display:none'>x<br></div>{words}"), IMPRINT, LINK) == set()


def test_spelling_that_readers_do_not_see() -> None:
    """Line breaks, spaces, width and case may differ: a footer is set as it fits."""
    text = f"{LINK}\n株式会社かきとめ舎　＆ CO.\n〒１００-００００\n東京都千代田区\n文町1-2-3  03-0000-0000"
    assert missing(mail(None, text), IMPRINT, LINK) == set()


def test_a_page_may_have_the_rest() -> None:
    """Address and contact may stand on a page that the mail links to; the name and the way out may not."""
    html = f'<a href="{escape(LINK)}">x</a><a href="{PAGED.page}">Kakitome-sha</a>'
    assert missing(mail(html), PAGED, LINK) == set()
    assert missing(mail("<p>x"), PAGED, LINK) == {Missing("html", "link"), Missing("html", "name")}
    assert (unknown(PAGED), unknown(Imprint())) == ([], ["name", "address", "contact"])


@given(st.text())
def test_no_html_is_too_broken(html: str) -> None:
    """Whatever a designer writes, the answer is an answer."""
    assert missing(mail(html), IMPRINT, "https://never.example.com") >= {Missing("html", "link")}
