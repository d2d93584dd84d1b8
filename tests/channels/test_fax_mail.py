"""Provider `fax_mail` against a real mail server, and the options that it shares with `smtp`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from channels.fax_mail import FaxMail
from channels.registry import CAPABILITIES, open_channel
from channels.smtp import Smtp
from tests.standins.smtp import PASSWORD, SECRET_ENV, MailServer, mail_server, smtp_sender
from waves.errors import SendRefused
from waves.message import Message
from waves.outcomes import Action, Reason
from waves.senders import Sender

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as made:
        yield made


WRONG: list[tuple[dict[str, object], str]] = [
    ({"host": "mail.example.com"}, "`tls: none` is for a mail server on this machine only"),
    ({"host": "smtp://x"}, "host: Value error, write the name of the mail server alone"),
    ({"user": "news"}, "`user` and `secret_env` go together"),
    ({"user": "news", "secret_env": "hunter2"}, "secret_env: Value error, write the NAME"),
    ({"mail_from": "x\r\nBcc: y@example.com"}, "mail_from: Value error"),
    ({"unsubscribe_to": "a@example.com>,<b"}, "unsubscribe_to: Value error"),
    ({"user": "news", "secret_env": "MULTIWAVE_NOT_SET"}, "MULTIWAVE_NOT_SET is not set"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_options_that_cannot_be_are_refused_without_showing_a_secret(options, message):
    with pytest.raises(SendRefused) as error:
        Smtp(CAPABILITIES["email"], smtp_sender(25, options), {SECRET_ENV: PASSWORD})
    assert message in str(error.value)
    assert "hunter2" not in str(error.value)


def fax(port: int, **options: object) -> Sender:
    return smtp_sender(port, {"to": "{number}@fax.example.com", **options}, channel="fax", provider="fax_mail")


@pytest.mark.parametrize(("number", "to"), [("digits", "15125550123"), ("e164", "+15125550123")])
def test_a_fax_is_a_mail_to_its_number(server, tmp_path, number, to):
    faxes = open_channel(fax(server.port, number=number), tmp_path)
    assert isinstance(faxes, FaxMail)
    message = Message(
        "F0000", "fax", "+15125550123", "Ada", "en", {"body": "One page"}, "c", "w", unsubscribe_url="https://x"
    )
    nobody = Message("F0001", "fax", "12, Main St", "Ada", "en", {"body": "One page"}, "c", "w")
    receipts = faxes.send([message, nobody], NOW)
    why, found = faxes.reachable(), faxes.find(["F0000"])
    faxes.close()
    assert [(r.result, r.reason, r.action) for r in receipts] == [
        ("accepted", None, Action.OK),
        ("refused", Reason.INVALID_ADDRESS, Action.NEXT_CHANNEL),
    ]
    assert (why, found) == (None, None)
    (mail,) = server.mails()
    assert (mail["To"], mail["Message-ID"]) == (f"{to}@fax.example.com", "<F0000@example.com>")
    assert mail["List-Unsubscribe"] is None
    assert mail.get_content().strip() == "One page"


@pytest.mark.parametrize("to", ["{number}", "fax@example.com", "{number}{number}@example.com", "{number} @example.com"])
def test_a_gateway_that_has_no_place_for_the_number_is_refused(to):
    with pytest.raises(SendRefused, match="write the address of a number at the gateway"):
        FaxMail(CAPABILITIES["fax"], fax(25, to=to), {})
