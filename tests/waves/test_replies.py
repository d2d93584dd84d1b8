"""What replies are taken for, by the table that comes with the release."""

from __future__ import annotations

import pytest

from config.keywords import packaged_keywords
from waves.replies import Keyword, Reading, own_words

TABLE = packaged_keywords()
STOPS = """STOP|stop|Stop.|  "STOP"  |STOPALL|UNSUBSCRIBE|CANCEL|END|QUIT|REVOKE|OPTOUT|Opt-out|СТОП|стоп!|відмова
Відпишіть мене|STOPP|Abmelden|ARRÊT|ARRET|désabonner|BAJA|alto|退订|退訂|TD|td|T|N|取消|pare|koniec
配信停止|不要再发了|回复退订|Please stop texting me
stop|do not contact me again|don’t text me any more|Take me off your list|no more messages!|Remove me please|I said STOP
не пишіть мені|Ｓｔｏｐ|Bitte keine SMS mehr|ne me contactez plus
por favor no me escriban
no me escriba mas|don´t text me|STOP\u00ad|S\u00adTOP|STOP ❤️|СТОП❗️|STOP️⃣|🛑 STOP 🙏🏽|\u200fSTOP\u200b""".replace(
    "\n", "|"
).split("|")
OTHERS = [
    ("START", Reading("start")),
    ("YES", Reading("start")),
    ("unstop", Reading("start")),
    ("订阅", Reading("start")),
    ("HELP", Reading("help")),
    ("info", Reading("help")),
    ("допомога", Reading("help")),
    ("Thank you", Reading()),
    ("", Reading()),
    ("🙂", Reading()),
    ("I cannot stop thinking of it", Reading()),
    ("nonstop", Reading()),
    ("The end of the month suits me", Reading()),
    ("When does it end?", Reading(asks="question")),
    ("多少钱？", Reading(asks="question")),
    ("see https://shop.example.com/?a=1", Reading()),
    ("Please call me after six", Reading(asks="call me")),
    ("Do not call me again!", Reading(asks="do not call")),
    ("STOP calling me", Reading(asks="stop calling")),
    ("Будь ласка, не дзвоніть мені", Reading(asks="не дзвоніть")),
    ("Bitte nicht mehr anrufen", Reading(asks="nicht mehr anrufen")),
    ("Ne m'appelez plus", Reading(asks="ne mappelez plus")),
    ("No me llamen más", Reading(asks="no me llamen")),
    ("Não me ligue", Reading(asks="nao me ligue")),
    ("Non chiamatemi più", Reading(asks="non chiamatemi")),
    ("Proszę nie dzwonić", Reading(asks="nie dzwonic")),
    ("不要打电话给我", Reading(asks="不要打电话")),
    ("Recall meeting", Reading()),
    ("Передзвоніть, будь ласка", Reading(asks="передзвоніть")),
    ("请给我回电话", Reading(asks="给我回电话")),
    ("Out of office until Monday. Questions? Ask a colleague.", Reading(is_automatic=True)),
    ("Автоматична відповідь: я у відпустці", Reading(is_automatic=True)),
    ("Fine\n\nOn Tue, 1 Dec 2026, Shop wrote:\n> To unsubscribe me, reply STOP. Questions?", Reading()),
    ("Fine\n> please stop\nthat is all", Reading()),
    ("Fine\n\n-----Original Message-----\nplease stop", Reading()),
    ("Fine\n________________________________\nFrom: Shop\nplease stop", Reading()),
    ("STOP\n\nOn Tue, 1 Dec 2026, Shop wrote:\n> Hello", Reading("stop")),
    ("\nStop.\n\nSent from my phone", Reading("stop")),
    ("START\nwith the red one", Reading()),
]


@pytest.mark.parametrize("text", STOPS)
def test_a_stop_is_understood(text: str) -> None:
    assert TABLE.read(text) == Reading("stop")


@pytest.mark.parametrize(("text", "reading"), OTHERS)
def test_anything_else_is_not_taken_for_one(text: str, reading: Reading) -> None:
    assert TABLE.read(text) == reading


@pytest.mark.parametrize("said", ["stop", "start", "help"])
def test_what_the_carrier_took_it_for_goes_first(said: Keyword) -> None:
    assert TABLE.read("STOP or call me?", said, is_automatic=True) == Reading(said)


def test_a_machine_by_its_header_is_a_machine() -> None:
    assert TABLE.read("please stop writing", None, is_automatic=True) == Reading(is_automatic=True)


def test_a_long_text_is_cut() -> None:
    assert len(own_words("a" * 1_000_000)) == 2000
