"""What the page behind the link to unsubscribe says, in each language. `{…}` are its facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ask", "ask_all", "left", "barred", "single", "unknown", "trouble", "unclear"]


@dataclass(frozen=True, slots=True)
class Words:
    heading: str
    lines: tuple[str, ...] = ()
    button: str = ""
    note: str = ""


FACTS = {"en": ("Sender", "List", "To"), "ja": ("送信者", "配信", "宛先")}
EVERYTHING = {"en": "all mail of this sender", "ja": "この送信者からのすべての配信"}

_EN: dict[State, Words] = {
    "ask": Words(
        "Unsubscribe?",
        ("One press, and you get no more of this mail. You need not say why, nor log in anywhere.",),
        "Unsubscribe",
        "Mail that concerns you alone, such as a booking or a receipt, still comes.",
    ),
    "ask_all": Words(
        "Unsubscribe from everything?",
        ("One press, and this sender writes to you no more. You need not say why, nor log in anywhere.",),
        "Unsubscribe",
        "Mail that concerns you alone, such as a booking or a receipt, does not come any more, either.",
    ),
    "left": Words(
        "You are unsubscribed",
        ("You get no more of this mail, from this moment on.",),
        "Subscribe again",
        "You may close this page. Was it a slip? The button takes it back.",
    ),
    "barred": Words(
        "You get none of this mail",
        ("Nothing is sent to this address: mail to it came back, or somebody asked for no more of it.",),
        note="Do you want it again? Write to the sender.",
    ),
    "single": Words(
        "There is nothing to unsubscribe from",
        ("This mail was for you alone and belongs to no list.",),
    ),
    "unknown": Words(
        "This link leads nowhere",
        ("It may have been cut off. Open it from the mail itself, or answer the mail.",),
    ),
    "trouble": Words(
        "That did not work just now",
        ("Nothing has changed. Please try again in a few minutes.",),
    ),
    "unclear": Words(
        "Nothing has changed",
        ("The request did not say what you want. Open the link from the mail once more.",),
    ),
}
_JA: dict[State, Words] = {
    "ask": Words(
        "配信を停止しますか",
        ("ボタンを押すと、今後このメールは届きません。理由の入力やログインは要りません。",),
        "配信を停止する",
        "ご予約やお支払いなど、お客様個人宛てのメールはこれまでどおり届きます。",
    ),
    "ask_all": Words(
        "すべての配信を停止しますか",
        ("ボタンを押すと、今後この送信者からのメールは届きません。理由の入力やログインは要りません。",),
        "すべて停止する",
        "ご予約やお支払いなど、お客様個人宛てのメールも届かなくなります。",
    ),
    "left": Words(
        "配信を停止しました",
        ("ただいまから、このメールは届きません。",),
        "もう一度受け取る",
        "このページは閉じていただいて構いません。押し間違いのときは、ボタンで元に戻せます。",
    ),
    "barred": Words(
        "このメールは届きません",
        ("メールが戻ったか、送らないようお申し出があったため、この宛先には送っていません。",),
        note="再び受け取りたいときは、送信者へご連絡ください。",
    ),
    "single": Words("停止する配信はありません", ("このメールはお客様お一人に宛てたもので、一斉配信ではありません。",)),
    "unknown": Words(
        "リンクが正しくありません",
        ("途中で切れているかもしれません。メールからもう一度開くか、メールにご返信ください。",),
    ),
    "trouble": Words("ただいま手続きができません", ("何も変わっていません。数分後にもう一度お試しください。",)),
    "unclear": Words(
        "何も変わっていません", ("ご希望を読み取れませんでした。メールのリンクをもう一度開いてください。",)
    ),
}
WORDS = {"en": _EN, "ja": _JA}


def language(accepted: str) -> str:
    """Of Accept-Language (RFC 9110 §12.5.4), the one of ours that is liked best; English where neither is."""
    liked = {"en": 0.0, "ja": 0.0}
    for part in accepted.split(","):
        name, _, quality = part.strip().lower().partition(";")
        tongue = name.strip().partition("-")[0]
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        if tongue in liked:
            liked[tongue] = max(liked[tongue], weight)
    return "ja" if liked["ja"] > liked["en"] else "en"
