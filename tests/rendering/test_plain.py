"""HTML read as plain text."""

from __future__ import annotations

import pytest

from kakitome.rendering.plain import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>Title</h1><p>One\n two</p><p>Three</p>", "Title\n\nOne two\n\nThree"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<ul><li>one</li><li>two <b>bold</b></li></ul>after", "- one\n- two bold\n\nafter"),
        ("<ol><li>one<li>two</ol>", "1. one\n2. two"),
        ("<ul><li>a<ul><li>b</li></ul></li></ul>", "- a\n- b"),
        ('<a href="https://example.com/x">Read on</a> now', "Read on (https://example.com/x) now"),
        ('<a href="https://example.com/">example.com</a>', "example.com"),
        ('<a href="mailto:a@example.com">a@example.com</a>', "a@example.com"),
        ('<a href="mailto:a@example.com">Write</a>', "Write (a@example.com)"),
        ('<a href="#top">Up</a> <a href="javascript:x()">no</a>', "Up no"),
        ('<a href="https://e.com"><img src="x" alt="Logo"></a>', "Logo (https://e.com)"),
        ("<table><tr><th>Name</th><td>Taro</td></tr><tr><td>x</td></tr></table>", "Name Taro\nx"),
        ("<head><title>no</title><style>p{}</style></head><body>yes<script>no</script></body>", "yes"),
        ('<div style="display:none">no<br><b>no</b></div>yes', "yes"),
        ("<p hidden>no</p>yes", "yes"),
        ("&lt;b&gt; &amp; ㈱ &nbsp;x", "<b> & ㈱ \xa0x"),
        ("日本　語", "日本　語"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<!-- no --><!--[if mso]>no<![endif]-->yes", "yes"),
        ("a<hr>b", "a\n--------------------\nb"),
        ("<p>a</p><div>&#8202;</div><p>&nbsp;&zwnj;&nbsp;</p>", "a"),
        ("", ""),
        ("<p>a<p><p><p>b", "a\n\nb"),
        ("</ul></ol></a></pre>x", "x"),
    ],
)
def test_reading(html: str, text: str) -> None:
    """What a reader sees, in the order in which he sees it; broken HTML too."""
    assert html_to_text(html) == text
