"""SES's SMTP interface, judged with smtplib and with bare sockets."""

from __future__ import annotations

import hashlib
import json
import smtplib
import socket
import ssl
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from playground import READER, SENDER, Stage, mail, stage

from kakitome_simulator import Endpoint

SIGN_IN = b"EHLO me\r\nAUTH PLAIN AHVzZXIAcGFzcw==\r\n"


def trusting(simulator: Stage) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=simulator.simulator.authority.certificate.decode())


def said(connection: socket.socket, *, until: bytes) -> bytes:
    heard = b""
    while until not in heard:
        chunk = connection.recv(65536)
        assert chunk, heard
        heard += chunk
    return heard


def test_a_mail_through_starttls_and_auth_is_accepted_and_written_down() -> None:
    """The certificate verifies for localhost, the reply is SES's, and the judge has the line."""
    body = mail("Grüße, 髙橋", Message_ID="<ours@example.com>")
    with stage() as simulator, smtplib.SMTP("localhost", simulator.simulator.smtp_port, timeout=10) as client:
        client.starttls(context=trusting(simulator))
        client.login("user", "password")
        client.mail(SENDER)
        client.rcpt(READER)
        code, reply = client.data(body)
        (line,) = simulator.simulator.accepted
    assert (code, reply) == (250, f"Ok {line.provider_message_id}".encode())
    assert (line.provider, line.sender, line.recipient) == ("ses", SENDER, READER)
    assert (line.subject, line.header_message_id) == ("Grüße, 髙橋", "<ours@example.com>")
    assert (line.size, line.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert (line.message, line.attempt) == (None, None)


def test_implicit_tls_is_served_on_its_own_port() -> None:
    """`smtps` speaks TLS from the first byte and offers no STARTTLS."""
    with (
        stage(smtps=Endpoint()) as simulator,
        smtplib.SMTP_SSL("localhost", simulator.simulator.smtps.port, context=trusting(simulator)) as client,  # type: ignore[union-attr]
    ):
        client.login("user", "password")
        assert not client.has_extn("starttls")
        assert client.sendmail(SENDER, [READER], mail()) == {}
        assert len(simulator.simulator.accepted) == 1


def test_what_was_sent_before_tls_is_forgotten() -> None:
    """A command smuggled behind STARTTLS in the clear is not answered, and EHLO must come again (RFC 3207)."""
    with stage() as simulator, simulator.socket() as plain:
        plain.sendall(SIGN_IN + b"STARTTLS\r\nMAIL FROM:<evil@example.com>\r\n")
        said(plain, until=b"220 Ready to start TLS\r\n")
        with trusting(simulator).wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"MAIL FROM:<a@example.com>\r\nEHLO me\r\nQUIT\r\n")
            assert said(secure, until=b"221").startswith(b"530 Authentication required\r\n250-")


def test_a_failed_handshake_ends_only_its_own_connection() -> None:
    """A client that does not trust the certificate leaves; the next one is served."""
    with stage() as simulator:
        with pytest.raises(ssl.SSLError), smtplib.SMTP("localhost", simulator.simulator.smtp_port) as client:
            client.starttls(context=ssl.create_default_context())
        simulator.send()
        assert len(simulator.simulator.accepted) == 1


def test_each_recipient_of_a_transaction_has_its_line_under_one_id() -> None:
    """Three RCPT, three lines, one provider message id."""
    with stage() as simulator:
        simulator.send("a@example.com", "b@example.com", "c@example.com")
        lines = simulator.simulator.accepted
    assert [line.recipient for line in lines] == ["a@example.com", "b@example.com", "c@example.com"]
    assert len({line.provider_message_id for line in lines}) == 1


def test_a_pipelined_batch_is_answered_in_order() -> None:
    """Envelope, data and the next envelope in one write; the replies come in one piece (RFC 2920)."""
    one = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
    with stage() as simulator, simulator.socket() as connection:
        connection.sendall(SIGN_IN + (one + b"Subject: x\r\n\r\nbody\r\n.\r\n") * 3 + b"QUIT\r\n")
        heard = said(connection, until=b"221").decode().splitlines()
        ids = [line.provider_message_id for line in simulator.simulator.accepted]
    assert heard[-13:-1] == [line for i in ids for line in ("250 Ok", "250 Ok", GO_AHEAD, f"250 Ok {i}")]


GO_AHEAD = "354 End data with <CR><LF>.<CR><LF>"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_data_may_arrive_in_any_pieces(size: int) -> None:
    """Dots are unstuffed and the end is found wherever the network cuts; an empty mail is a mail."""
    envelope = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
    stuffed = b"..first\r\nSubject: x\r\n\r\n..\r\n..two\r\n.\n.\r\n\r\n"
    talk = SIGN_IN + envelope + stuffed + b".\r\n" + envelope + b".\r\nQUIT\r\n"
    with stage() as simulator, simulator.socket() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(talk), size):
            connection.sendall(talk[start : start + size])
        said(connection, until=b"221")
        first, second = simulator.simulator.accepted
    assert first.sha256 == hashlib.sha256(b".first\r\nSubject: x\r\n\r\n.\r\n.two\r\n\n.\r\n\r\n").hexdigest()
    assert second.size == 0


def test_a_bare_line_feed_ends_no_mail() -> None:
    """LF, dot, LF inside the data belongs to the data: no second mail can be smuggled in."""
    envelope = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
    with stage() as simulator, simulator.socket() as connection:
        connection.sendall(SIGN_IN + envelope + b"x\n.\nMAIL FROM:<evil@example.com>\r\n.\r\nQUIT\r\n")
        said(connection, until=b"221")
        assert [line.sender for line in simulator.simulator.accepted] == ["a@example.com"]


def test_tags_and_configuration_set_are_read_and_taken_out(tmp_path: Path) -> None:
    """Our ids come from X-SES-MESSAGE-TAGS; the mail that goes on has SES's Message-ID and Date and no X-SES field."""
    fields = {
        "X_SES_MESSAGE_TAGS": "kakitome_message=m1, kakitome_attempt=a1",
        "X_SES_CONFIGURATION_SET": "set",
        "Message_ID": "<ours@example.com>",
        "Date": "Mon, 01 Jan 2024 00:00:00 +0000",
    }
    with stage(mailbox=tmp_path) as simulator:
        simulator.send(**fields)
        (line,) = simulator.simulator.accepted
    (file,) = tmp_path.iterdir()
    seen = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (line.message, line.attempt) == ("m1", "a1")
    assert file.name == f"{line.provider_message_id}.eml"
    assert seen.get_all("message-id") == [f"<{line.provider_message_id}@email.amazonses.com>"]
    assert len(seen.get_all("date", [])) == 1
    assert seen["date"].datetime.year != 2024
    assert [name for name in seen if name.lower().startswith("x-ses")] == []
    assert seen["subject"] == "Hello"
    assert seen.get_content().strip() == "Good morning."


def test_old_japanese_addresses_need_quotes() -> None:
    """`a..b.@docomo.ne.jp` is 553 as it stands and accepted with a quoted local part."""
    with stage() as simulator, simulator.smtp() as client:
        client.mail(SENDER)
        assert client.docmd("RCPT TO:<a..b@docomo.ne.jp>")[0] == 553
        assert client.docmd("RCPT TO:<a.@docomo.ne.jp>")[0] == 553
        assert client.docmd('RCPT TO:<"a..b."@docomo.ne.jp>')[0] == 250
        client.data(mail())
        assert [line.recipient for line in simulator.simulator.accepted] == ['"a..b."@docomo.ne.jp']


def test_addresses_outside_ascii_are_refused() -> None:
    """SES has no SMTPUTF8."""
    with stage() as simulator, simulator.socket() as connection:
        connection.sendall(SIGN_IN + "MAIL FROM:<髙@example.com>\r\nQUIT\r\n".encode())
        assert b"\r\n553 " in said(connection, until=b"221")


def test_authentication_is_asked_for() -> None:
    """530 before AUTH, 535 for wrong credentials, and both mechanisms take the right ones."""
    with stage(credentials=("user", "right")) as simulator:
        with smtplib.SMTP("127.0.0.1", simulator.simulator.smtp_port) as client:
            client.ehlo()
            assert client.mail(SENDER) == (530, b"Authentication required")
            with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                client.login("user", "wrong")
            assert (caught.value.smtp_code, caught.value.smtp_error) == (535, b"Authentication Credentials Invalid")
        for mechanism in ("PLAIN", "LOGIN"):
            with smtplib.SMTP("127.0.0.1", simulator.simulator.smtp_port) as client:
                client.ehlo()
                client.user, client.password = "user", "right"
                client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"), initial_response_ok=False)
                assert client.mail(SENDER)[0] == 250


def test_tls_can_be_demanded() -> None:
    """With `require_tls` neither AUTH nor MAIL is taken in the clear."""
    with stage(require_tls=True) as simulator, smtplib.SMTP("127.0.0.1", simulator.simulator.smtp_port) as client:
        client.ehlo()
        assert client.docmd("AUTH PLAIN AHVzZXIAcGFzcw==") == (530, b"Must issue a STARTTLS command first")
        assert client.mail(SENDER)[0] == 530


def test_commands_out_of_order_are_refused() -> None:
    """503 where RFC 5321 asks for another order; 502 for what is not there; 501 for what is no path."""
    with stage() as simulator, simulator.smtp() as client:
        assert client.docmd("RCPT TO:<a@example.com>")[0] == 503
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("MAIL FROM:<>")[0] == 501
        assert client.docmd("MAIL TO:<a@example.com>")[0] == 501
        assert client.docmd("EXPN list")[0] == 502
        assert client.mail(SENDER)[0] == 250
        assert client.mail(SENDER)[0] == 503
        assert client.docmd("RCPT TO:nobody")[0] == 501
        assert client.docmd("DATA")[0] == 503


def test_mails_that_are_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """552 at once for a declared size, and after the data for one that was not declared; the session goes on."""
    monkeypatch.setattr("kakitome_simulator.ses_smtp.MAX_SIZE", 1000)
    with stage() as simulator, simulator.smtp() as client:
        assert client.docmd(f"MAIL FROM:<{SENDER}> SIZE=41943041") == (552, b"Message is too long.")
        for length in (998, 100_000):
            client.mail(SENDER)
            client.rcpt(READER)
            assert client.data(b"." * length + b"\r\n")[0] == (250 if length < 1000 else 552)
        assert client.noop()[0] == 250
        assert [line.size for line in simulator.simulator.accepted] == [1000]


def test_fifty_recipients_are_the_most() -> None:
    """SES says so after the data, and takes the mail for nobody."""
    crowd = [f"r{number}@example.com" for number in range(51)]
    with stage() as simulator, simulator.smtp() as client:
        assert client.sendmail(SENDER, crowd[:50], mail()) == {}
        with pytest.raises(smtplib.SMTPDataError) as caught:
            client.sendmail(SENDER, crowd, mail())
        assert (caught.value.smtp_code, len(simulator.simulator.accepted)) == (554, 50)


def test_a_line_without_end_ends_the_connection() -> None:
    """What a client sends is bounded."""
    with stage() as simulator, simulator.socket() as connection:
        connection.sendall(b"X" * 5000)
        assert b"\r\n500 " in said(connection, until=b"500 Line too long\r\n")
        assert connection.recv(1) == b""


def test_accepted_lines_have_exactly_the_promised_keys(tmp_path: Path) -> None:
    """The file that other judges read has these keys and no more."""
    file = tmp_path / "accepted.jsonl"
    with stage(accepted=file) as simulator:
        simulator.send()
        (line,) = file.read_text().splitlines()
    keys = "at provider sender recipient provider_message_id header_message_id message attempt subject size sha256"
    assert list(json.loads(line)) == keys.split()
