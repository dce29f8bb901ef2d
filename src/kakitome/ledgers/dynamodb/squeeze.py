"""A message's body in fewer octets: a write is paid by the begun KB, and each of a message's writes has all of it.

Deflate (RFC 1951) with a dictionary of what every such body says: a mail that was sent and delivered is 1.6 KB without
and 0.4 KB with it, for 20 µs. The dictionary belongs to what is stored: it is never changed; another one gets another
first octet. None of them can begin a body that is not squeezed (a MessagePack array), so both are read.
"""

from __future__ import annotations

import zlib
from typing import Final

FIRST: Final = b"\x01"

_FOR_FIRST: Final = (
    b'"hard_bounced""complained""rejected""deferred""uncertain""unavailable""released"'
    b"suppressed cancelled expired unresolved in_doubt resend silence deadline proof evidence lease_over worker_gone "
    b"bounced permanent transient mailbox_full no_such_user smtp; 550 5.1.1 user unknown opened clicked https://www."
    b'{"email":"@gmail.com","name":"@yahoo.co.jp@docomo.ne.jp@example.co.jp@example.com","city":"","number":""}'
    b'"reply":{"code":250,"protocol":"smtp","text":"2.0.0 Ok: queued as ","enhanced":"2.0.0"'
    b'"reply":{"code":202,"protocol":"http","error":"","headers":{"x-message-id":"server":"nginx","date":"'
    b"admitted_with_claim accepted claimed released retry_later sendgrid:"
    b"\xa6worker\xa4lane\xa5lease\xcf\x00\x00\x01\xa2\x03\xb1provider_accepted\xcf\x00\x00\x01\xa2\x03"
    b'{"outcome":"accepted","provider_message_id":"010001-0000-4000-8000-000000","reply":{"code":200,"protocol":"http",'
    b'"error":"SUCCESS","request_id":"-4000-8000-","headers":{"x-amzn-requestid":"-4000-9000-",'
    b'"content-type":"application/json","content-length":"19","connection":"keep-alive","date":"Mon, Tue, Wed, Thu, '
    b'Fri, Sat, Sun, Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec 2026 2027 2028 GMT","server":""},"latency_ms":1}}'
    b"\xd9Gsha256:\xa7claimed\x83\xa6worker\xb4w-1\xa4lane\xa3ses\xa5lease\xcf\x00\x00\x01\xa2\x03"
    b"\x94\xcf\x00\x00\x01\xa2\x03\xb1provider_accepted\x81\xa5fence\x01\x01"
    b"\xd9,ses:\xa4sent\xcf\x00\x00\x01\xa2\x03\xa3ses\xd9<010001\xc0\xc0\xc0\xa0\xc0\xb1msg_4000g\xa11\xc0"
    b"\xd9,ses:\xa9delivered\xcf\x00\x00\x01\xa2\x03\xa3ses\xd9<010001\xc0\xc0\xc0\xac250 2.0.0 OK"
    b"\xc0\xb1msg_4000g\xa11"
    b"\x94\xcf\x00\x00\x01\xa2\x03\xa5event\x83\xa5event\xd9,ses:\xa9happening\xa4sent\xa5fence\x01\x01"
    b"\x94\xcf\x00\x00\x01\xa2\x03\xa5event\x83\xa5event\xd9,ses:\xa9happening\xa9delivered\xa5fence\x01\x01"
)
_LEVEL: Final = 6
_RAW: Final = -15  # without zlib's header and checksum: the item is whole or it is not there


def squeezed(body: bytes) -> bytes:
    press = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, zdict=_FOR_FIRST)
    return FIRST + press.compress(body) + press.flush()


def loosened(body: bytes) -> bytes:
    """The body as it was; one that was never squeezed is that already."""
    if not body.startswith(FIRST):
        return body
    press = zlib.decompressobj(_RAW, zdict=_FOR_FIRST)
    return press.decompress(body[1:]) + press.flush()
