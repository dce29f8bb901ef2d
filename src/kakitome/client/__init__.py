"""Hand mail in and ask what became of it, from any Python program.

    client = Client("https://mail.example.com", key)
    sent = client.send(to="guest@example.com", template="booking-made", variables={"name": "Hanako"})
    client.status(sent.id).messages[0].status

Nothing but the standard library. Everything here blocks; call it from a thread where an event loop must go on.
"""

from kakitome.client.answers import Handle, KakitomeApiError, MessageStatus, Sent, Status
from kakitome.client.client import Client

__all__ = ["Client", "Handle", "KakitomeApiError", "MessageStatus", "Sent", "Status"]
