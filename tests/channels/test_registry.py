import pytest

from channels.outbox import Outbox
from channels.registry import CAPABILITIES, DEFAULT_PROVIDERS, check_provider, open_channel
from waves.errors import SendRefused
from waves.message import CHANNEL_CODES
from waves.senders import Sender


def test_every_channel_has_a_code_and_a_default_provider():
    assert set(CAPABILITIES) == set(DEFAULT_PROVIDERS)
    assert set(CAPABILITIES) <= set(CHANNEL_CODES)
    for name, capabilities in CAPABILITIES.items():
        assert capabilities.channel == name
        assert set(capabilities.required_parts) <= set(capabilities.parts)
        check_provider(name, DEFAULT_PROVIDERS[name])


def test_open_the_outbox(tmp_path):
    assert isinstance(open_channel(Sender(sender="outbox", channel="sms", provider="outbox"), tmp_path), Outbox)


@pytest.mark.parametrize(
    ("channel", "provider", "said"),
    [
        ("smss", "outbox", "did you mean sms"),
        ("zzz", "outbox", "known: web_push, sms"),
        ("sms", "outbx", "did you mean outbox"),
        ("sms", "pigeon", "known: outbox"),
        ("call_list", "outbox", "known: generic_csv"),
        ("call_list", "generic_csv", "pulled as a dial list"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(tmp_path, channel, provider, said):
    with pytest.raises(SendRefused, match=said):
        open_channel(Sender(sender="any", channel=channel, provider=provider), tmp_path)
