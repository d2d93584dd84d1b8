"""What waits at a provider for a phone or a browser that is off: until its reader's permitted hours end, no longer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from channels.webpush_keys import KEY_FILE, make_key
from flows.room import Room
from tests.builders import T0, Person, World, make_world, phone, plan_text, put
from tests.hours_rows import hours_yaml
from tests.standins.smsc import PASSWORD, PASSWORD_ENV, smpp_sender, smsc
from tests.standins.webpush import PushStandin
from waves.senders import Sender

NINE_TO_NOON = '{mon_fri: ["09:00", "12:00"], sat: null, sun: null, holiday: inherit}'
WAVE = "  - {{wave: notice, channels: [{channel}], message: hello, release: 2h, listen: 1d}}\n"


def send_at_nine(world: World, sender: Sender, address: str) -> None:
    """One message of a wave that closes tomorrow."""
    (world.config / "rules" / "hours.yaml").write_text(hours_yaml(NINE_TO_NOON))
    put(world.ledger, [Person("ada", ((sender.channel, address),))])
    room = world.room
    world.room = Room(room.settings, room.ledger, room.token_key, senders={sender.sender: sender})
    world.start(plan_text(WAVE.format(channel=sender.channel)))
    world.advance(T0)
    world.room.channel(sender.channel).close()  # type: ignore[attr-defined]
    world.ledger.close()


def test_a_text_message_is_thrown_away_at_the_smsc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_ENV, PASSWORD)
    with smsc() as centre:
        sender = smpp_sender(centre.port, timeout=timedelta(seconds=20))
        send_at_nine(make_world(tmp_path / "home"), sender, phone(0))
        assert [one["until"] for one in centre.all("accepted")] == ["2026-12-01T12:00:00.000Z"]


def test_a_push_is_thrown_away_at_the_push_service(tmp_path: Path) -> None:
    service, options = PushStandin(), {"subject": "mailto:ops@example.com", "loopback": True}
    world = make_world(tmp_path / "home")
    make_key(tmp_path / "home" / KEY_FILE)
    sender = Sender(sender="browsers", channel="web_push", provider="webpush", options=options)
    send_at_nine(world, sender, service.subscription(0).text)
    assert [request.headers["ttl"] for request in service.requests] == [str(3 * 3600)]
    service.stop()
