import email
import email.policy
import json
import os
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.mail_file import head_of, mail_bytes
from channels.outbox import Outbox, read_outbox
from channels.registry import CAPABILITIES, open_channel
from waves.errors import SendRefused
from waves.message import Message
from waves.outcomes import Reason
from waves.senders import Sender

NOW = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
FIELDS = {
    "email": {"subject": "Your offer", "body": "Good day"},
    "sms": {"body": "Good day"},
    "web_push": {"title": "Offer", "url": "https://example.com/o", "body": "Good day"},
}
TO = {"email": "customer-1@example.com", "sms": "+12025550100", "web_push": "https://push.example.com/1"}


def message(channel="email", token="A" * 20, fields=(), **other):
    made = {"address": TO[channel], "name": "Customer 1", "language": "en", "campaign": "c", "wave": "w", **other}
    return Message(token=token, channel=channel, fields={**FIELDS[channel], **dict(fields)}, **made)


def opened(path):
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def outbox_sender(channel: str) -> Sender:
    return Sender(sender="outbox", channel=channel, provider="outbox")


@pytest.mark.parametrize("channel", FIELDS)
def test_each_message_is_one_line(tmp_path, channel):
    outbox = open_channel(outbox_sender(channel), tmp_path / "outbox")
    receipts = outbox.send([message(channel), message(channel, "B" * 20, variant=2)], NOW)
    assert [(r.token, r.result) for r in receipts] == [("A" * 20, "accepted"), ("B" * 20, "accepted")]
    first, second = (json.loads(line) for line in (tmp_path / "outbox" / f"{channel}.jsonl").read_text().splitlines())
    assert first == {
        "token": "A" * 20,
        "channel": channel,
        "to": TO[channel],
        "name": "Customer 1",
        "language": "en",
        "fields": FIELDS[channel],
        "campaign": "c",
        "wave": "w",
        "variant": 0,
        "at": "2026-12-01T14:00:00+00:00",
    }
    assert second["variant"] == 2


def test_a_mail_opens_as_it_was_written(tmp_path):
    body = "Добрий день, «Марія»!\n\n=?utf-8?q?not a word?=\nFrom here\n.\n" + "long " * 400 + "\nend  \n"
    subject = "Ваша пропозиція на осінь — депозит з відсотками, які не змінюються до кінця року"
    sent = message(fields={"subject": subject, "body": body}, name="Іван, «мол.»")
    Outbox(CAPABILITIES["email"], tmp_path, "Банк <bank@example.org>").send([sent], NOW)
    mail = opened(tmp_path / "email" / f"{'A' * 20}.eml")
    assert mail["Subject"] == subject
    assert mail["From"].addresses[0].display_name == "Банк"
    assert mail["From"].addresses[0].addr_spec == "bank@example.org"
    assert [(a.display_name, a.addr_spec) for a in mail["To"].addresses] == [("Іван, «мол.»", TO["email"])]
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"] == f"<{'A' * 20}@example.org>"
    assert mail.get_content().replace("\r\n", "\n") == body
    assert max(map(len, (tmp_path / "email" / f"{'A' * 20}.eml").read_bytes().split(b"\r\n"))) <= 998


@given(
    subject=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1).filter(str.strip),
    body=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    name=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)
def test_no_text_escapes_its_place_in_a_mail(subject, body, name):
    content = mail_bytes(head_of("a <a@example.com>", NOW), "example.com", "T", (name, TO["email"]), subject, body)
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert sorted(mail.keys()) == sorted(
        ["From", "Date", "MIME-Version", "Content-Type", "To", "Subject", "Message-ID", "Content-Transfer-Encoding"]
    )
    assert [a.addr_spec for a in mail["To"].addresses] == [TO["email"]]
    assert mail["Subject"].split() == subject.split()
    sent = mail.get_payload(decode=True).decode().replace("\r\n", "\n").removesuffix("\n")
    assert sent == body.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


@pytest.mark.parametrize(
    ("channel", "changes", "reason"),
    [
        ("email", {"fields": {"subject": "Hi\r\nBcc: all@example.com"}}, Reason.CONTENT),
        ("email", {"fields": {"subject": "Hi\nBcc: all@example.com"}}, Reason.CONTENT),
        ("email", {"fields": {"subject": "Hi\u2028Bcc: all@example.com"}}, Reason.CONTENT),
        ("email", {"fields": {"subject": " "}}, Reason.CONTENT),
        ("email", {"fields": {"body": " \n"}}, Reason.CONTENT),
        ("email", {"fields": {"body": "lone \ud800"}}, Reason.CONTENT),
        ("email", {"name": "lone \ud800"}, Reason.CONTENT),
        ("email", {"address": "a@example.com\nBcc: b@example.com"}, Reason.INVALID_ADDRESS),
        ("email", {"address": "a@example.com, b@example.com"}, Reason.INVALID_ADDRESS),
        ("email", {"address": ""}, Reason.INVALID_ADDRESS),
        ("email", {"token": "../../etc/passwd"}, Reason.CONFIG),
        ("sms", {"fields": {"body": ""}}, Reason.CONTENT),
        ("sms", {"address": ""}, Reason.INVALID_ADDRESS),
        ("web_push", {"fields": {"title": ""}}, Reason.CONTENT),
        ("web_push", {"fields": {"url": "https://example.com/\n"}}, Reason.CONTENT),
    ],
)
def test_what_cannot_be_carried_is_refused_alone(tmp_path, channel, changes, reason):
    good = message(channel, "B" * 20)
    receipts = open_channel(outbox_sender(channel), tmp_path).send([message(channel, **changes), good], NOW)
    assert [(r.result, r.reason) for r in receipts] == [("refused", reason), ("accepted", None)]
    lines, _ = read_outbox(tmp_path / f"{channel}.jsonl")
    assert [line["token"] for line in lines] == ["B" * 20]
    assert [p.stem for p in tmp_path.rglob("*.eml")] == (["B" * 20] if channel == "email" else [])


def test_a_name_with_a_line_end_stays_out_of_the_header(tmp_path):
    Outbox(CAPABILITIES["email"], tmp_path).send([message(name="A\r\nBcc: b@example.com")], NOW)
    mail = opened(tmp_path / "email" / f"{'A' * 20}.eml")
    assert mail["Bcc"] is None
    assert str(mail["To"]) == TO["email"]


def test_only_the_owner_can_read(tmp_path):
    Outbox(CAPABILITIES["email"], tmp_path / "out").send([message()], NOW)
    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in [tmp_path / "out", *(tmp_path / "out").rglob("*")]}
    assert {name: mode for name, mode in modes.items() if mode != ("0o700" if "." not in name else "0o600")} == {}


def test_a_line_cut_off_by_a_killed_writer_is_taken_away(tmp_path):
    outbox = open_channel(outbox_sender("sms"), tmp_path)
    outbox.send([message("sms")], NOW)
    path = tmp_path / "sms.jsonl"
    with path.open("ab") as file:
        file.write(b'{"token": "CCCC' + b"x" * 70_000)
    lines, offset = read_outbox(path)
    assert [line["token"] for line in lines] == ["A" * 20]
    outbox.send([message("sms", "B" * 20)], NOW)
    assert [line["token"] for line in read_outbox(path)[0]] == ["A" * 20, "B" * 20]
    assert [line["token"] for line in read_outbox(path, offset)[0]] == ["B" * 20]


def test_a_full_disk_means_not_sent_and_leaves_no_line(tmp_path, monkeypatch):
    outbox = open_channel(outbox_sender("sms"), tmp_path)
    outbox.send([message("sms")], NOW)
    whole = os.write
    monkeypatch.setattr("os.write", lambda handle, content: whole(handle, content[:10]))
    assert [r.result for r in outbox.send([message("sms", "B" * 20)], NOW)] == ["not_sent"]
    monkeypatch.undo()
    assert [line["token"] for line in read_outbox(tmp_path / "sms.jsonl")[0]] == ["A" * 20]


def test_writers_on_one_outbox_never_mix_their_lines(tmp_path):
    def write(number):
        chunk = [message("sms", f"T{number}-{i}", {"body": "x" * 3000}) for i in range(50)]
        open_channel(outbox_sender("sms"), tmp_path).send(chunk, NOW)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines, _ = read_outbox(tmp_path / "sms.jsonl")
    assert len({line["token"] for line in lines}) == len(lines) == 300


@pytest.mark.parametrize("sender", ["", "nobody", "A <a@example.com>\nBcc: b@example.com"])
def test_a_sender_that_is_no_address_is_refused_at_once(tmp_path, sender):
    with pytest.raises(SendRefused, match="must be an address"):
        Outbox(CAPABILITIES["email"], tmp_path, sender)


def test_nothing_to_read_yet(tmp_path):
    assert read_outbox(tmp_path / "sms.jsonl") == ([], 0)
