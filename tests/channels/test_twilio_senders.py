"""A sender of provider `twilio` as people write it: the README's example, and the rate that its type gives it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.opening import Opening
from channels.registry import CAPABILITIES, SENDERS
from channels.twilio import Twilio
from channels.twilio_options import SEGMENTS_PER_S, TwilioOptions
from config.senders import load_senders, sender_problems
from config.settings import Settings
from tests.channels.twilio_desk import open_twilio, twilio_sender
from tests.standins.twilio import NUMBER, SERVICE, TOKEN, TOKEN_ENV
from waves.errors import SendRefused
from waves.senders import Sender

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def example() -> str:
    """The YAML under the heading Twilio, its placeholders replaced by sids."""
    found = re.search(r"### Twilio\n.*?```yaml\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1].replace("x" * 32, "0" * 32)


def load(folder: Path, text: str) -> Sender:
    (folder / "senders.yaml").write_text(text)
    return load_senders(folder, CAPABILITIES, SENDERS, Settings())["main_texts"]


def test_the_readmes_example_is_a_sender_that_opens(tmp_path: Path) -> None:
    sender = load(tmp_path, example())
    assert (sender.rate, sender.per, sender.timeout) == (3.0, "unit", timedelta(seconds=30))
    opened = open_twilio(sender, environment={"TWILIO_AUTH_TOKEN": "x" * 32})
    assert opened.options.base_url == "https://api.twilio.com"
    assert opened.chunk == 160


@pytest.mark.parametrize("kind", SEGMENTS_PER_S)
def test_each_type_gives_its_rate_in_segments(tmp_path: Path, kind: str) -> None:
    sender = load(tmp_path, example().replace("toll_free", f'"{kind}"'))
    assert (sender.rate, sender.per) == (SEGMENTS_PER_S[kind], "unit")  # type: ignore[index]


def test_the_readme_names_every_type_with_its_rate() -> None:
    assert all(f"`{kind}`" in README and f"{rate:g}" in README for kind, rate in SEGMENTS_PER_S.items())


def test_a_rate_that_is_written_wins(tmp_path: Path) -> None:
    sender = load(tmp_path, example().replace("  timeout", "  rate: 50/s\n  timeout"))
    assert (sender.rate, sender.per) == (50.0, "message")


def test_without_a_type_or_for_whatsapp_nothing_is_limited(tmp_path: Path) -> None:
    untyped = re.sub(r"    sender_type.*\n", "", example())
    assert load(tmp_path, untyped).rate is None
    assert load(tmp_path, example().replace("channel: sms", "channel: whatsapp")).rate is None


def test_a_number_is_written_as_from(tmp_path: Path) -> None:
    text = re.sub(r"messaging_service_sid: .*", f'from: "{NUMBER}"', example())
    assert TwilioOptions.of(load(tmp_path, text)).from_ == NUMBER


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("account_sid: AC1", "write the sid that Twilio's console shows: AC"),
        ("secret_env: 5e884898da28", "write the NAME of an environment variable"),
        ("sender_type: pigeon", "sender_type"),
        ("from: +15125550100", "either messaging_service_sid or from"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, wrong: str, said: str) -> None:
    key = wrong.partition(":")[0]
    text = re.sub(rf"    {key}: .*\n", "", example()) + f"    {wrong}\n"
    (tmp_path / "senders.yaml").write_text(text)
    problems = sender_problems(tmp_path, CAPABILITIES, SENDERS, Settings())
    assert [problem for problem in problems if said in str(problem)], problems
    assert "5e884898da28" not in str(problems)


def test_the_sids_of_the_samples_are_whole() -> None:
    assert re.fullmatch(r"MG[0-9a-f]{32}", SERVICE)


BAD_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a sid of another kind": ({"ACCOUNT_SID": "SK" + "0" * 32}, "AC and 32 hexadecimal"),
    "a secret in the file": ({"SECRET_ENV": "5e884898da28"}, "NAME of an environment variable"),
    "two senders": ({"MESSAGING_SERVICE_SID": SERVICE, "FROM": NUMBER}, "either messaging_service_sid or from"),
    "half a key": ({"API_KEY_SID": "SK" + "0" * 32}, "go together"),
    "no number": ({"FROM": "512 555 0100 ext 7"}, "write a number"),
    "another server": ({"BASE_URL": "https://twilio.example.com"}, "leave it out"),
    "a server off this machine": ({"BASE_URL": "http://192.0.2.1"}, "leave it out"),
    "a name that only ends so": ({"BASE_URL": "https://api.eviltwilio.com"}, "leave it out"),
    "a type nobody sells": ({"SENDER_TYPE": "pigeon"}, "long_code"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_say_what_to_write(case: str) -> None:
    options, said = BAD_OPTIONS[case]
    with pytest.raises(SendRefused, match=said) as refused:
        open_twilio(twilio_sender(**options))
    assert "5e884898da28" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://api.ie1.twilio.com", "https://api.dublin.ie1.twilio.com/", "http://[::1]:9"])
def test_a_region_of_twilio_is_one_of_its_servers(url: str) -> None:
    assert open_twilio(twilio_sender(url)).options.base_url == url.rstrip("/")


def test_the_secret_must_be_there() -> None:
    with pytest.raises(SendRefused, match=f"{TOKEN_ENV} is not set"):
        open_twilio(twilio_sender(), environment={})


def test_a_host_that_twilio_does_not_call_is_refused() -> None:
    with pytest.raises(SendRefused, match="underscore"):
        Twilio(
            Opening(CAPABILITIES["sms"], twilio_sender(), Path("."), "https://my_camp.example.com", {TOKEN_ENV: TOKEN})
        )
