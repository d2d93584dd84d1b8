"""The file of senders, `senders.yaml`: what carries each channel's messages, each problem on its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import create_model

from config.nearest import write_instead
from config.sentences import Finding, mend_record, problems_of
from config.settings import Settings
from config.yaml_lines import Document, parse_document, read_text, says_something
from waves.errors import PlanError, Problem
from waves.message import BEGIN_WITHIN_S, Capabilities
from waves.plan import NAME, Record
from waves.senders import Options, Sender

FILE = Path("senders.yaml")
SPARE = timedelta(seconds=2 * BEGIN_WITHIN_S)
"""What a lease must last beyond a request: the time to begin one, and to write down what came of it."""
SAMPLES: Mapping[str, str] = {
    "channel": "sms",
    "provider": "http",
    "rate": "80/s",
    "per": "message",
    "concurrency": "16",
    "daily_cap": "50000",
    "warm_up": "{first: 500, grows: 1.5}",
    "first": "500",
    "grows": "1.5",
    "breaker": "{failures: 50%, of: 100, pause: 10m}",
    "failures": "50%",
    "of": "100",
    "pause": "10m",
    "timeout": "10s",
    "http": "{url: https://gateway.example.com/messages, secret_env: GATEWAY_SECRET}",
    "url": "https://gateway.example.com/messages",
    "status_url": "https://gateway.example.com/status",
    "secret_env": "GATEWAY_SECRET",
    "messages": "100",
    "twilio": f"{{account_sid: AC{'0' * 32}, secret_env: TWILIO_AUTH_TOKEN, messaging_service_sid: MG{'0' * 32}}}",
    "account_sid": f"AC{'0' * 32}",
    "api_key_sid": f"SK{'0' * 32}",
    "api_key_env": "TWILIO_API_KEY_SECRET",
    "webhook_key_env": "TWILIO_WEBHOOK_KEY",
    "messaging_service_sid": f"MG{'0' * 32}",
    "from": '"+15125550100"',
    "sender_type": "toll_free",
    "base_url": "https://api.twilio.com",
    "smpp": "{host: smsc.example.com, port: 3550, system_id: me, password_env: SMSC_PASSWORD, source: '+15125550100'}",
    "host": "smsc.example.com",
    "port": "3550",
    "tls": "true",
    "system_id": "me",
    "password_env": "SMSC_PASSWORD",
    "system_type": "SMPP",
    "source": '"+15125550100"',
    "source_ton": "1",
    "source_npi": "1",
    "to_ton": "1",
    "to_npi": "1",
    "service_type": "CMT",
    "window": "10",
    "long_texts": "parts",
    "receipt_ids": "same",
    "unmarked_receipts": "false",
    "keep_alive": "30s",
    "receive": "true",
    "sendgrid": "{secret_env: SENDGRID_API_KEY, from_address: news@example.com}",
    "from_address": "news@example.com",
    "from_name": "Example Shop",
    "reply_to": "help@example.com",
    "unsubscribe_mailto": "unsubscribe@example.com",
    "asm_group": "12345",
    "category": "campaign",
    "click_tracking": "false",
    "open_tracking": "false",
    "sandbox": "false",
    "reconcile": "activity",
    "webhook_public_key": "MFkwEwYHKoZI...",
    "webhook_fresh": "5m",
    "share_stops": "true",
    "deactivations": "true",
    "smtp": "{host: smtp.example.com, user: news, secret_env: SMTP_SECRET, mail_from: Example <news@example.com>}",
    "fax_mail": '{host: smtp.example.com, mail_from: fax@example.com, to: "{number}@fax.example.com"}',
    "user": "news",
    "mail_from": "Example <news@example.com>",
    "bounces_to": "bounces@example.com",
    "unsubscribe_to": "leave@example.com",
    "pipelining": "true",
    "to": "'{number}@fax.example.com'",
    "number": "digits",
    "webpush": "{subject: mailto:ops@example.com}",
    "subject": "mailto:ops@example.com",
    "urgency": "normal",
    "key_file": "webpush-key.pem",
    "key_env": "WEBPUSH_KEY",
    "loopback": "false",
}

Providers = Mapping[str, Mapping[str, type[Record] | None]]
"""Channel -> provider -> the record of what it needs to know, None where that is nothing."""


def load_senders(
    config_dir: Path, capabilities: Mapping[str, Capabilities], providers: Providers, settings: Settings
) -> dict[str, Sender]:
    """The senders by name, in the order written, none without the file; PlanError with every problem of them."""
    found = _read(config_dir, capabilities, providers, settings)
    if found.problems:
        raise PlanError(found.problems)
    return found.senders


def sender_problems(
    config_dir: Path, capabilities: Mapping[str, Capabilities], providers: Providers, settings: Settings
) -> list[Problem]:
    """Every problem of the file of senders."""
    return sorted(set(_read(config_dir, capabilities, providers, settings).problems))


def keys_model(options: Mapping[str, type[Record]]) -> type[Record]:
    """The keys of one sender as people write them: those of Sender, and one for each provider that has options."""
    fields: dict[str, Any] = {
        name: (info.annotation, info) for name, info in Sender.model_fields.items() if name not in ("sender", "options")
    }
    for provider, record in options.items():
        fields[provider] = (record | None, None)
    return create_model("Sender", __base__=Record, __doc__=Sender.__doc__, **fields)


def options_of(providers: Providers) -> dict[str, type[Record]]:
    """Provider -> the record of its options, for those that have some."""
    return {name: record for one in providers.values() for name, record in one.items() if record is not None}


@dataclass
class _Found:
    senders: dict[str, Sender] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def _read(
    config_dir: Path, capabilities: Mapping[str, Capabilities], providers: Providers, settings: Settings
) -> _Found:
    path, found = config_dir / FILE, _Found()
    if not path.exists():
        return found
    try:
        text = read_text(path)
        if not says_something(text):
            return found
        document = parse_document(text, str(path))
    except PlanError as error:
        found.problems += error.problems
        return found
    options = options_of(providers)
    model = keys_model(options)
    for name in document.data:
        part = document.part(name)
        findings = list(_name_findings(name, providers))
        if part is None:
            findings.append(Finding((), f"`{name}` holds no keys; write channel: and provider: in it"))
            found.problems += [document.problem((name,), each.message) for each in findings]
            continue
        mended = mend_record(model, part, SAMPLES)
        keys = mended.record
        if keys is not None:
            said = _findings(name, keys, capabilities, providers, settings)
            findings += [each for each in said if mended.sound(each.steps)]
        found.problems += problems_of(part, mended.findings + findings)
        if keys is not None and not mended.findings and not findings:
            found.senders[name] = _sender(name, keys, options)
    found.problems += _rivals(document, settings)
    return found


def _name_findings(name: str, providers: Providers) -> Iterator[Finding]:
    if not re.fullmatch(NAME, name):
        yield Finding((), f"`{name}` is no name; write lower-case letters, digits and _, a letter first, such as main")


def _findings(
    name: str, keys: Any, capabilities: Mapping[str, Capabilities], providers: Providers, settings: Settings
) -> Iterator[Finding]:
    yield from _where(keys, capabilities, providers)
    every = {provider for one in providers.values() for provider in one}
    if name in every and name != keys.provider:
        yield Finding((), f"`{name}` is the name of another provider; give this sender a name of its own")
    for provider, record in options_of(providers).items():
        given = getattr(keys, provider)
        if provider == keys.provider and given is None and record is not None:
            yield Finding((), f"`{provider}` is missing; write {provider}: {SAMPLES.get(provider, '{...}')}")
        if provider != keys.provider and given is not None and keys.provider in every:
            yield Finding((provider,), f"`{provider}` is for provider {provider}, and this sender's is {keys.provider}")
    if keys.per == "unit" and keys.channel != "sms" and keys.channel in providers:
        yield Finding(("per",), "`per: unit` counts the parts of a text message; only sms has them, write per: message")
    if keys.timeout <= timedelta(0):
        yield Finding(("timeout",), "`timeout` is no time at all; write how long one request may take, such as 10s")
    elif keys.timeout + SPARE > settings.lease:
        lease = f"{settings.lease.total_seconds():g}s"
        need = f"{(keys.timeout + SPARE).total_seconds():g}s"
        message = f"a request of this sender can last longer than a worker's lease ({lease}): nothing would be sent"
        yield Finding(("timeout",), f"{message}; set MULTIWAVE_LEASE to {need} or more, or shorten `timeout`")
    if keys.breaker.pause <= timedelta(0):
        yield Finding(("breaker", "pause"), "`pause` is no time at all; write how long the sender rests, such as 10m")
    if keys.breaker.failures >= 1:
        yield Finding(("breaker", "failures"), "`failures` of all never breaks; write a smaller share, such as 50%")


def _where(keys: Any, capabilities: Mapping[str, Capabilities], providers: Providers) -> Iterator[Finding]:
    if keys.channel not in capabilities:
        yield Finding(("channel",), f"there is no channel {keys.channel}; {write_instead(keys.channel, providers)}")
    elif keys.channel not in providers:
        names = ", ".join(providers)
        message = f"{keys.channel} is not sent: its dial lists are pulled and need no sender"
        yield Finding(("channel",), f"{message}; write one of {names}, or delete the sender")
    elif keys.provider not in providers[keys.channel]:
        message = f"there is no provider {keys.provider} for {keys.channel}"
        yield Finding(("provider",), f"{message}; {write_instead(keys.provider, providers[keys.channel])}")


def _rivals(document: Document, settings: Settings) -> Iterable[Problem]:
    """Channels with two senders where the settings do not say which."""
    first: dict[str, str] = {}
    for name, said in document.data.items():
        channel = said.get("channel") if isinstance(said, dict) else None
        if not isinstance(channel, str) or channel in settings.providers:
            continue
        if channel in first:
            choose = f'MULTIWAVE_PROVIDERS={{"{channel}": ["{first[channel]}", "{name}"]}}'
            message = f"{first[channel]} and {name} both carry {channel}; keep one, or say who is first: {choose}"
            yield document.problem((name, "channel"), message)
        first.setdefault(channel, name)


def _sender(name: str, keys: Any, options: Mapping[str, type[Record]]) -> Sender:
    own = getattr(keys, keys.provider) if keys.provider in options else None
    given = {key: getattr(keys, key) for key in keys.model_fields_set if key not in options}
    if isinstance(own, Options) and given.get("rate") is None:
        given = {**given, **own.sender_defaults(keys.channel)}
    return Sender(sender=name, options=own.model_dump() if own is not None else {}, **given)
