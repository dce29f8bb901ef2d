"""One POST to where people listen. It may fail, and it must not hang, wander off or swallow the memory."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from kakitome.core.errors import KakitomeError
from kakitome.core.reply import printable

PATIENCE = 10.0  # seconds for all of it, from the name to the answer
ANSWER_LIMIT = 4_096  # bytes that are read of an answer


class NotTold(KakitomeError):
    """The message did not arrive, or nobody said so. It is sent again later."""

    slug = "not-told"


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    """The answer, `200 ok`. No redirect is followed, and no proxy of the environment is asked.

    Raises `NotTold` with the answer; never with the URL, which is a secret: only its host is named.
    """
    import aiohttp

    host = urlsplit(url).hostname or "?"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE), trust_env=False) as session,
            session.post(url, data=body, headers=dict(headers), allow_redirects=False) as answer,
        ):
            text = (await answer.content.read(ANSWER_LIMIT)).decode("utf-8", "replace")
            said = f"{answer.status} {printable(text, 200)}".strip()  # it goes into the log
            if not 200 <= answer.status < 300:
                raise NotTold(f"{host} answered {said}.", _remedy(answer.status))
            return said
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise NotTold(f"{host} cannot be reached ({type(error).__name__}).", "It is tried again by itself.") from None


def _remedy(status: int) -> str:
    if status in (301, 302, 303, 307, 308):
        return "A redirect is not followed: configure the address that it leads to."
    if status in (400, 401, 403, 404, 410):
        return "Is the address still the right one? It is tried again by itself."
    return "It is tried again by itself."
