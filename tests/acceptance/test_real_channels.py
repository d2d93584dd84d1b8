"""One campaign over real channels by the real program: Twilio, SendGrid and then SMTP, web push, and what comes back.

The providers are stand-ins on loopback. SendGrid dies on its second request, which nobody can tell the fate of, and is
back for the second wave; whom that must get is worked out here, from what each customer was played.
"""

from __future__ import annotations

import csv
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from flows.server import free_port
from tests.acceptance.books import drawn
from tests.acceptance.program import COMMAND, Program, environment, eventually, printed
from tests.acceptance.providers import SCANNER, Got, Providers, providers
from tests.acceptance.server import Server
from tests.acceptance.shop import CAMPAIGN, LEADS_TO, PUSHED, SURNAME, customers, write_home
from tests.acceptance.test_four_waves import VERDICTS
from tests.standins import sendgrid
from tests.standins.twilio import TOKEN, TOKEN_ENV

pytestmark = pytest.mark.acceptance
MINUTE = timedelta(minutes=1)
SECRETS = (SURNAME, "marzipan", "@post.example.com", "51255501", "call me about", sendgrid.KEY)
BOTH = ("unconfirmed", "not_entered")


@contextmanager
def serving(program: Program, port: int) -> Iterator[None]:
    """`multiwave serve` over the home while this lasts; all that it says is kept."""
    command = [*COMMAND, "serve", "--home", str(program.home), "--port", str(port)]
    env = environment(PYTHONUNBUFFERED="1", **program.settings)
    serve = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    assert serve.stdout
    program.said.append(serve.stdout.readline())
    try:
        yield
    finally:
        serve.terminate()
        out, err = serve.communicate(timeout=60)
        program.said += [*out.splitlines(), *err.splitlines()]
        assert (serve.returncode, err) == (0, "")


@dataclass
class Story:
    """The run of one campaign: what each customer was played, and what the program said of it."""

    program: Program
    there: Providers
    t0: datetime
    people: dict[str, dict[str, str]] = field(default_factory=lambda: {row["customer_id"]: row for row in customers()})
    played: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Customer key to the part of the first wave and the verdict of the second, where they are not BOTH."""
    first: list[Got] = field(default_factory=list)
    second: list[Got] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)

    def advance(self, minutes: float) -> None:
        """Move the clock to so many minutes after the opening."""
        self.program.run("advance", "--now", (self.t0 + minutes * MINUTE).isoformat())

    def whose(self, got: Got) -> str:
        """The customer's key by the address."""
        column = {"sms": "mobile", "email": "email"}[got.channel]
        return next(key for key, person in self.people.items() if person[column] == got.address)

    def held_out(self) -> set[str]:
        keys = pd.Index(list(self.people))
        return set(keys[drawn(keys, 0.10, "campaign", CAMPAIGN, "holdout")])

    def expected(self) -> dict[str, tuple[str, str]]:
        """Every treated customer's part and verdict."""
        return {key: self.played.get(key, BOTH) for key in self.people if key not in self.held_out()}

    def by(self, provider: str) -> list[Got]:
        """What a provider took in the first wave."""
        return [got for got in self.first if got.provider == provider]

    def events(self) -> int:
        return int(self.program.rows("SELECT count(*) AS n FROM event").n[0])


def prepare(story: Story) -> None:
    program = story.program
    program.run("init", "--simulated-clock")
    write_home(program, story.there, story.t0)
    program.run("advance", "--now", (story.t0 - MINUTE).isoformat())
    program.run("keys")
    file = program.home.parent / "people.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(next(iter(story.people.values()))))
        writer.writeheader()
        writer.writerows(story.people.values())
    assert program.json("customers", "import", file)["added"] == len(story.people)
    story.said["key"] = program.run("api-key", "add", "shop").out.split()[0]


def subscribe(story: Story) -> None:
    """Browsers of some customers subscribe, as our script on a site's page does it."""
    there, program = story.there, story.program
    for number, one in enumerate(program.json("push-token", *PUSHED)):
        said = {"token": one["token"], "subscription": json.loads(there.push.subscription(number).text)}
        answer = there.door.post("/push/subscribe", json=said, headers={"Origin": there.public})
        assert answer.status_code == 202, answer.text
    eventually(lambda: len(program.rows("SELECT id FROM address WHERE channel = 1")) == len(PUSHED))


def begin(story: Story) -> None:
    """Check, approve and start the plan, and open its first wave: SendGrid dies in it."""
    program = story.program
    program.run("check", "winter")
    program.run("approve", "winter", "--by", "the marketer")
    program.run("start", "winter")
    story.there.opted_out.add(story.people["w-001"]["mobile"])
    story.advance(0)


def texts_come_back(story: Story) -> None:
    """Delivered unless told otherwise; two dead numbers, clicks, a STOP, somebody who wants a call, a buyer."""
    there, say = story.there, story.answers.append
    texts = {story.whose(got): got for got in there.got() if got.channel == "sms"}
    for key, text in texts.items():
        story.played[key] = ("received", "not_entered")
        if key not in ("w-005", "w-007", "w-008", "w-009"):  # so soon after a delivery a click is a machine's
            dead = key in ("w-002", "w-003")
            say(there.twilio_says(text, "sent"))
            say(there.twilio_says(text, *(("undelivered", 30005) if dead else ("delivered",))))
    assert there.forged(texts["w-013"]) == 403
    clicked = [there.follows(texts[key]) for key in ("w-005", "w-007", "w-009")]
    clicked.append(there.follows(texts["w-010"], SCANNER))
    story.said["led to"] = [(answer.status_code, answer.headers["location"]) for answer in clicked]
    story.said["tokens"] = [
        LEADS_TO + texts[key].link.split("/")[-1][:20] for key in ("w-005", "w-007", "w-009", "w-010")
    ]
    for _ in range(2):  # Twilio tries again where an answer is lost
        say(there.writes_back(texts["w-005"], "Stop", 1))
        say(there.writes_back(texts["w-006"], "Please call me about this", 2))
    pushes = zip(there.push.requests, there.push.payloads, strict=True)
    push = next(payload for request, payload in pushes if request.path == f"/push/{PUSHED.index('w-012')}")
    beacon = {"token": push["token"], "event": "clicked"}
    assert there.door.post("/push/beacon", json=beacon, headers={"Origin": there.public}).status_code == 202
    story.played |= {
        "w-001": ("missed", "go"),  # Twilio refused it with 21610: by e-mail
        "w-002": ("missed", "no_address"),
        "w-003": ("missed", "go"),  # by e-mail, as in the first wave
        "w-005": ("engaged", "go"),  # STOP ended the texts: by e-mail
        "w-006": ("engaged", "open_case"),
        "w-007": ("engaged", "go"),
        "w-008": BOTH,
        "w-009": ("engaged", "converted"),
        "w-012": ("engaged", "go"),  # clicked the push
    }


def mails_come_back(story: Story) -> None:
    there = story.there
    sure, doubted, mails = story.by("news")[:5], story.by("news")[5:], story.by("mailer")
    mails = [mail for mail in mails if story.whose(mail) != "w-003"]
    for mail in (sure[0], sure[3], doubted[1], mails[0], mails[2]):
        assert there.follows(mail).status_code == 302
    assert there.one_click(sure[3]) + there.one_click(mails[1]) == [200] * 4
    there.news.lists["unsubscribes"] = [{"email": mails[2].address, "created": int(time.time())}]
    came = int(story.t0.timestamp()) + 1
    batch = [
        (sure[0], "delivered", {"timestamp": came}),
        (sure[1], "bounce", {"type": "bounce", "status": "5.1.1"}),
        (sure[2], "delivered", {}),
        (sure[2], "spamreport", {}),
        (sure[4], "processed", {}),
        (doubted[0], "delivered", {}),
        (sure[0], "teapot", {}),
    ]
    story.answers += [there.sendgrid_says(batch), there.sendgrid_says(batch)]
    played = [
        (sure[0], "engaged", "go"),
        (sure[1], "missed", "no_address"),
        (sure[2], "received", "not_entered"),
        (sure[3], "engaged", "no_consent"),
        (doubted[0], "received", "not_entered"),
        (doubted[1], "engaged", "go"),
        *((mail, "in_doubt", "not_entered") for mail in doubted[2:]),
        (mails[0], "engaged", "go"),
        (mails[2], "engaged", "no_consent"),
    ]
    story.played |= {story.whose(mail): (part, verdict) for mail, part, verdict in played}


def buys(story: Story) -> None:
    now = datetime.now(UTC).isoformat()
    order = {"customer": "w-009", "goal": "signed", "at": now, "value": 40, "currency": "USD", "source_id": "order-1"}
    key = {"Authorization": f"Bearer {story.said['key']}"}
    assert story.there.door.post("/conversions", json=order, headers=key).status_code == 202
    eventually(lambda: len(story.program.rows("SELECT * FROM conversion")) == 1)


def tell(story: Story, port: int) -> None:
    program, there = story.program, story.there
    prepare(story)
    with serving(program, port):
        subscribe(story)
        begin(story)
        texts_come_back(story)
        eventually(lambda: story.events() >= 23)
        story.advance(0.5)  # the mail server takes over, and gets the one whose number is dead
        story.first = there.got()
        mails_come_back(story)
        buys(story)
        with sendgrid.running(again=there.news):
            there.news.well()
            story.advance(121)
            story.second = [got for got in there.got() if got not in story.first]
            story.advance(240)
    for words in ("status", "why w-003", "case ls", "who-got follow_up", "report"):
        name, *rest = words.split()
        story.said[words] = program.json(*(["case", "ls"] if name == "case" else [name, CAMPAIGN, *rest]))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Story]:
    port = free_port()
    with providers(f"https://127.0.0.1:{port}") as there:
        settings = {
            TOKEN_ENV: TOKEN,
            sendgrid.KEY_ENV: sendgrid.KEY,
            "MULTIWAVE_PUBLIC_URL": there.public,
            "MULTIWAVE_PROVIDERS": json.dumps({"email": ["news", "mailer"]}),
        }
        program = Program(tmp_path_factory.mktemp("shop") / "home", settings | server.settings, quick=True)
        # So soon after a message was sent a click is a machine's: what comes in at our own time comes minutes later.
        made = Story(program, there, datetime.now(UTC).replace(second=0, microsecond=0) - 10 * MINUTE)
        tell(made, port)
        yield made


def test_nobody_got_anything_twice_and_everybody_something(story: Story) -> None:
    for wave in (story.first, story.second):
        counts = Counter((got.channel, got.address) for got in wave)
        assert set(counts.values()) == {1}
    asked = {story.whose(got) for got in story.first if got.channel != "web_push"}
    assert asked == set(story.expected()) - {"w-001"}
    assert Counter(got.provider for got in story.first) == {"main_texts": 12, "news": 10, "mailer": 12, "browsers": 3}


def test_what_sendgrid_left_in_doubt_went_by_nobody_else(story: Story) -> None:
    doubted = {got.address for got in story.by("news")[5:]}
    assert len(doubted) == 5
    assert doubted.isdisjoint(got.address for got in story.by("mailer"))
    said = story.said["status"]["in_doubt"]
    assert {(row["customer"], row["decided"]) for row in said} == {
        (story.whose(got), "assume_sent") for got in story.by("news")[7:]
    }


def test_what_went_over_the_wire_is_as_the_providers_describe_it(story: Story) -> None:
    assert story.there.texts.check() > 12
    assert (story.there.news.wrong, story.there.push.wrong) == ([], [])


def test_what_came_in_was_answered_and_counted_once(story: Story) -> None:
    assert set(story.answers) == {200, 202}
    assert story.said["led to"] == [(302, where) for where in story.said["tokens"]]
    doubles = "SELECT provider_event_id, count(*) AS n FROM event GROUP BY provider, provider_event_id HAVING n > 1"
    assert story.program.rows(doubles).empty


def test_the_first_wave_ends_in_the_parts_that_were_played(story: Story) -> None:
    notice = story.said["status"]["waves"][0]
    assert notice["parts"] == Counter(part for part, _ in story.expected().values())
    assert notice["balanced"] is True


def test_the_second_wave_gets_exactly_those_the_outcomes_name(story: Story) -> None:
    rows = story.program.rows(
        "SELECT c.key, e.verdict FROM enrolment e JOIN customer c ON c.id = e.customer "
        "JOIN wave w ON w.id = e.wave WHERE w.name = 'follow_up'"
    )
    found = {key: VERDICTS[verdict] for key, verdict in zip(rows.key, rows.verdict, strict=True)}
    verdicts = {key: verdict for key, (_, verdict) in story.expected().items()}
    assert found == verdicts | dict.fromkeys(story.held_out(), "held_out")
    sent = {story.whose(got): got.provider for got in story.second}
    texted = {"w-007": "main_texts", "w-012": "main_texts"}
    assert sent == dict.fromkeys((key for key, verdict in verdicts.items() if verdict == "go"), "news") | texted
    assert all("Still" in got.text for got in story.second)


def test_the_program_tells_the_truth_of_it(story: Story) -> None:
    said, expected = story.said, story.expected()
    assert [wave["balanced"] for wave in said["status"]["waves"]] == [True, True]
    assert said["status"]["state"] == "finished"
    assert [(case["customer"], case["asks"]) for case in said["case ls"]["cases"]] == [("w-006", ["call me"])]
    assert {row["customer"] for row in said["who-got follow_up"]["customers"]} == {
        key for key, (_, verdict) in expected.items() if verdict == "go"
    }
    counts = {wave["wave"]: wave["counts"] for wave in said["report"]["waves"]}
    engaged = sum(part == "engaged" for part, _ in expected.values())
    assert (counts["notice"]["targeted"], counts["notice"]["treated"]) == (len(story.people), len(expected))
    assert (counts["notice"]["engaged"], counts["notice"]["converted"]) == (engaged, 1)
    assert (counts["follow_up"]["sent"], said["report"]["converted"]["treated"]) == (len(story.second), 1)


def test_a_dead_number_is_told_with_its_second_provider(story: Story) -> None:
    notice, follow_up = story.said["why w-003"]["waves"]
    touches = [(t["channel"], t["state"], t["outcome"], t["provider"]) for t in notice["touches"]]
    assert touches == [("sms", "sent", "bounced_hard", "main_texts"), ("email", "sent", None, "mailer")]
    assert [(t["channel"], t["provider"]) for t in follow_up["touches"]] == [("email", "news")]


def test_who_left_is_on_sendgrids_list_too_and_the_other_way_round(story: Story) -> None:
    left = [story.by("news")[3], story.by("mailer")[1]]
    assert {got.address for got in left} <= set(story.there.news.added)
    assert story.there.news.lists["unsubscribes"][0]["email"] not in {got.address for got in story.second}


def test_no_person_is_in_what_the_programs_said(story: Story) -> None:
    logs = [line for path in story.program.home.rglob("*.log") for line in path.read_text().splitlines()]
    assert len(story.program.said) > 20
    assert printed([*story.program.said, *logs], [*SECRETS, f"{story.there.push.url}/push/"]) == []
    assert [path for path in story.program.home.rglob("aside/*") if path.is_file()] == []
