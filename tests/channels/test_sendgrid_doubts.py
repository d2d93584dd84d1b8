"""What was cut off on its way to SendGrid: found by its token where SendGrid can be asked, else awaited."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.channels.sendgrid_desk import NOW, message, messages
from waves.errors import SendInDoubt
from waves.message import AnsweredInPart, Doubtful


@pytest.mark.parametrize("reconcile", ["activity", "logs"])
def test_what_was_cut_off_is_found_by_its_token(sendgrid, open_it, reconcile):
    channel = open_it(reconcile=reconcile)
    sent = messages(60)
    sendgrid.faults = {n: {"fault": "accept_then_reset"} for n in (1, 2)} | {3: {"fault": "reset_before_reading"}}
    said = channel.send(sent, NOW)
    doubtful = [r.token for r in said if r.result == "in_doubt"]
    assert len(doubtful) == 30
    sought = [Doubtful(m.token, m.address, NOW) for m in sent if m.token in doubtful]
    found = channel.find_messages(sought)
    assert {token: receipt.result for token, receipt in found.items()} == {
        token: "accepted" for token in doubtful if sendgrid.accepted()[token]
    }
    assert len(found) == 20


def test_what_was_found_counts_though_one_address_gets_too_many_mails_to_look_into(sendgrid, open_it):
    channel = open_it(reconcile="logs")
    busy = [message(number, "busy", address="busy@example.com") for number in range(21)]
    channel.send([*messages(3), *busy], NOW)
    sought = [Doubtful(m.token, m.address, NOW) for m in (replace(busy[0], token="never"), *messages(3))]
    with pytest.raises(AnsweredInPart, match="too many") as error:
        channel.find_messages(sought)
    assert {token: one.result for token, one in error.value.found.items()} == {m.token: "accepted" for m in messages(3)}


def test_a_whole_request_is_found_by_one_question(sendgrid, open_it):
    channel = open_it(reconcile="activity")
    channel.send(messages(10), NOW)
    assert len(channel.find([m.token for m in messages(10)])) == 10
    assert not channel.find([m.token for m in messages(10, "never")])
    assert sendgrid.paths[1:] == ["/v3/messages"] * 2


def test_who_does_not_answer_is_asked_again_later(sendgrid, open_it):
    assert open_it().find(["a"]) is None
    with pytest.raises(SendInDoubt, match="events of sender mail are awaited"):
        open_it(webhook_key_env="EVENTS_KEY").find(["a"])
    sendgrid.says = (429, {}, {"errors": [{"message": "too many requests"}]})
    with pytest.raises(SendInDoubt, match="429") as doubt:
        open_it(reconcile="activity").find(["a"])
    assert "@" not in str(doubt.value)
    sendgrid.says = (200, {}, {"messages": [{"msg_id": "1", "to_email": "a@example.com", "from_email": ""}]})
    with pytest.raises(SendInDoubt):
        open_it(reconcile="logs").find_messages([Doubtful("a", "a@example.com", NOW)])
    sendgrid.wrong.clear()
