"""A shop with real channels: its customers, senders, plan of two waves and templates, as a marketer writes them."""

from __future__ import annotations

from datetime import datetime

from tests.acceptance.program import Program
from tests.acceptance.providers import Providers
from tests.hours_rows import hours_yaml
from tests.standins import sendgrid
from tests.standins.sendgrid_signature import PUBLIC_KEY
from tests.standins.twilio import ACCOUNT, SERVICE, TOKEN_ENV

CAMPAIGN, SURNAME = "winter-offer", "Ellerby"
TEXTED, MAILED, PUSHED = 14, 22, ("w-000", "w-010", "w-012")
"""Customers with a telephone, every other with e-mail too; further ones with e-mail alone; who has a browser too."""
CUSTOMERS = """\
key: customer_id
name: full_name
language: lang
region: US
zone: {column: zone}
columns: {tier: text}
addresses:
  - {column: mobile, channels: [sms]}
  - {column: email, channels: [email]}
consent:
  sms: {column: ok, source: crm}
  email: {column: ok, source: crm}
"""
SENDERS = """\
main_texts:
  channel: sms
  provider: twilio
  concurrency: 4
  twilio: {{account_sid: {account}, secret_env: {token_env}, messaging_service_sid: {service}, base_url: "{texts}"}}
news:
  channel: email
  provider: sendgrid
  concurrency: 1
  sendgrid:
    secret_env: {key_env}
    from_address: news@example.com
    webhook_public_key: {public_key}
    messages: 5
    base_url: "{news}"
mailer:
  channel: email
  provider: smtp
  smtp: {{host: 127.0.0.1, port: {smtp}, tls: none, mail_from: Example <news@example.com>}}
browsers:
  channel: web_push
  provider: webpush
  webpush: {{subject: "mailto:ops@example.com", loopback: true}}
"""
PLAN = """\
campaign: {campaign}
title: The winter offer
segment: everybody
starts: {starts}
holdout: 10%
goal: {{event: signed, within: 14d}}
hours: house
waves:
  - wave: notice
    channels: [web_push, {{first_of: [sms, email]}}]
    message: offer
    release: 30m
    listen: 90m
  - wave: follow_up
    enter: not converted and (notice.engaged or notice.missed)
    channels: [{{first_of: [sms, email]}}]
    message: reminder
    release: 30m
    listen: 1h
"""
LINK, LEADS_TO = "{{ link('https://shop.example.com/winter?t={token}') }}", "https://shop.example.com/winter?t="
TEMPLATES = {
    "offer.sms.j2": f"Hello {{{{ name }}}}, marzipan: {LINK} Reply STOP to end.",
    "offer.email.j2": f"Subject: {{{{ title }}}}\n\nMarzipan, {{{{ name }}}}: {LINK} or no more: {{{{ unsubscribe }}}}",
    "offer.web_push.j2": f"Title: {{{{ title }}}}\nUrl: {LINK}\n\nmarzipan",
    "reminder.sms.j2": f"Still marzipan: {LINK} Reply STOP to end.",
    "reminder.email.j2": f"Subject: {{{{ title }}}}\n\nStill marzipan: {LINK} or: {{{{ unsubscribe }}}}",
}


def write_home(program: Program, there: Providers, t0: datetime) -> None:
    config = program.home / "config"
    senders = SENDERS.format(
        account=ACCOUNT,
        token_env=TOKEN_ENV,
        service=SERVICE,
        texts=there.texts.url,
        key_env=sendgrid.KEY_ENV,
        public_key=PUBLIC_KEY,
        news=there.news.url,
        smtp=there.mailer.port,
    )
    (config / "customers.yaml").write_text(CUSTOMERS)
    (config / "senders.yaml").write_text(senders)
    (config / "segments" / "everybody.yaml").write_text("segment: everybody\ntitle: All\nwhere: tier = 'any'\n")
    (config / "plans" / "winter.yaml").write_text(PLAN.format(campaign=CAMPAIGN, starts=f"{t0:%Y-%m-%d %H:%M} UTC"))
    (config / "rules" / "hours.yaml").write_text(hours_yaml())
    for name, text in TEMPLATES.items():
        (config / "templates" / name).write_text(text)


def customers() -> list[dict[str, str]]:
    """The rows of the customers' file."""
    rows = []
    for number in range(TEXTED + MAILED):
        row = {"customer_id": f"w-{number:03d}", "full_name": f"Person{number:03d} {SURNAME}", "lang": "en"}
        row |= {"zone": "America/Chicago", "tier": "any", "ok": "yes", "mobile": "", "email": ""}
        if number < TEXTED:
            row["mobile"] = f"+151255501{number:02d}"
        if number >= TEXTED or number % 2:
            row["email"] = f"person{number:03d}@post.example.com"
        rows.append(row)
    return rows
