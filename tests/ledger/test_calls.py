"""What a call says of its touch, its number and its customer, whatever the order of the files."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from ledger import tables as t
from ledger.calls import Call, entry_touches, record_calls
from ledger.dial_candidates import calls_to
from tests.builders import DAY, HOUR, RULES, T0, Person, World, phone, plan_text, put, reachable
from tests.steps import address_words, hold_back, phoned, touch_of, touch_words, verdict_words
from waves.dispositions import ABSORBING, EFFECTS, ENDS_ALL_CONTACT, ENDS_NUMBER, Disposition, strength
from waves.message import Consent
from waves.outcomes import Action, Outcome, Side, State, word

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 3d}\n"
SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
D = Disposition


def calling(world: World, people: int = 2, plan: str = CALL, **more: Any) -> None:
    """A call wave whose customers are all on one list."""
    put(world.ledger, [reachable(n) for n in range(people)])
    world.start(plan_text(plan, **more))
    world.advance()
    world.pull("call")


# calls with their hours -> the one that counts, and the touch's outcome
COUNTS: dict[str, tuple[list[tuple[Disposition, int]], Disposition | None, Outcome | None]] = {
    "the latest": ([(D.NO_ANSWER, 1), (D.BUSY, 2), (D.MACHINE, 3)], D.MACHINE, Outcome.MACHINE),
    "the latest, though an earlier one got further": (
        [(D.HUNG_UP, 1), (D.NO_ANSWER, 2)],
        D.NO_ANSWER,
        Outcome.NO_ANSWER,
    ),
    "the right party, though later calls missed": (
        [(D.INTERESTED, 1), (D.NO_ANSWER, 2), (D.GATEKEEPER, 3)],
        D.INTERESTED,
        Outcome.CONNECTED,
    ),
    "the latest right party": (
        [(D.CALLBACK_AGREED, 1), (D.NOT_INTERESTED, 2), (D.MACHINE, 3)],
        D.NOT_INTERESTED,
        Outcome.DECLINED,
    ),
    "a yes after a no": ([(D.NOT_INTERESTED, 1), (D.PROMISE, 2)], D.PROMISE, Outcome.AGREED),
    "a sale stands": ([(D.SALE, 1), (D.NOT_INTERESTED, 2), (D.NO_ANSWER, 3)], D.SALE, Outcome.AGREED),
    "never again beats a later sale": ([(D.DNC_REQUEST, 1), (D.SALE, 2)], D.DNC_REQUEST, Outcome.DECLINED),
    "never again beats a later death": ([(D.DNC_REQUEST, 1), (D.DECEASED, 2)], D.DNC_REQUEST, Outcome.DECLINED),
    "a death beats a later sale": ([(D.DECEASED, 1), (D.SALE, 2)], D.DECEASED, Outcome.CONNECTED),
    "a death is a death, not the right party's word": (
        [(D.DECEASED, 1), (D.PROMISE, 2)],
        D.DECEASED,
        Outcome.CONNECTED,
    ),
    "an agent's error says nothing": ([(D.NO_ANSWER, 1), (D.AGENT_ERROR, 2)], D.NO_ANSWER, Outcome.NO_ANSWER),
    "not attempted says nothing": ([(D.BUSY, 1), (D.NOT_ATTEMPTED, 2)], D.BUSY, Outcome.BUSY),
    "nothing but nothing": ([(D.NOT_ATTEMPTED, 1), (D.AGENT_ERROR, 2)], None, None),
    "two at one moment": ([(D.NO_ANSWER, 1), (D.BUSY, 1)], D.BUSY, Outcome.BUSY),  # by call id
}


def test_the_call_that_counts(world: World) -> None:
    """One by one, and all of a customer's in one file."""
    orders = 2 * [(name, order) for name, (calls, _, _) in COUNTS.items() for order in permutations(calls)]
    calling(world, len(orders))
    touches = {row.key: row.id for row in world.touches("call")}
    with world.ledger.write() as connection:
        for number, (_, order) in enumerate(orders):
            calls = [
                Call(said, T0 + hour * HOUR, f"{number} {said:02}", "test", touches[f"c{number}"])
                for said, hour in order
            ]
            for part in [calls] if number < len(orders) / 2 else [[call] for call in calls]:
                record_calls(connection, part, RULES, T0 + DAY)
    found = {row.key: (row.disposition, row.outcome) for row in world.touches("call")}
    assert [(name, *found[f"c{n}"]) for n, (name, _) in enumerate(orders)] == [
        (name, *COUNTS[name][1:]) for name, _ in orders
    ]


def test_every_disposition_alone(lite: World) -> None:
    calling(lite, len(Disposition))
    for number, said in enumerate(Disposition):
        phoned(lite, "call", f"c{number}", said, T0)
    rows = lite.touches("call")
    assert [row.outcome for row in rows] == [EFFECTS[said].outcome for said in Disposition]
    assert [row.disposition for row in rows] == [s if EFFECTS[s].outcome else None for s in Disposition]
    assert {row.state for row in rows} == {State.LISTED}
    places = address_words(lite, "call_list")
    dead = {said for n, said in enumerate(Disposition) if places[phone(n)][1] == "dead"}
    assert dead == ENDS_NUMBER | {D.FAX} == {s for s in Disposition if EFFECTS[s].action is Action.DROP_ADDRESS}
    texts = address_words(lite, "sms")
    assert {said for n, said in enumerate(Disposition) if texts[phone(n)][1] == "dead"} == ENDS_NUMBER
    with lite.ledger.read() as connection:
        ended = connection.execute(select(t.suppression.c.customer, t.suppression.c.reason, t.suppression.c.channel))
        assert sorted(ended.tuples()) == [
            (n, word(said), 0) for n, said in enumerate(Disposition, 1) if said in ENDS_ALL_CONTACT
        ]


def test_who_ends_all_contact_is_left_alone_everywhere(world: World) -> None:
    """Another campaign's queued message to the same customer is withdrawn; every later wave says suppressed."""
    later = "  - {wave: later, channels: [email], message: hello, release: 2h, listen: 2d}\n"
    said = [*sorted(ENDS_ALL_CONTACT), D.NO_ANSWER]
    calling(world, len(said), CALL + later)
    world.start(plan_text(SMS, name="other"))
    hold_back(world, "notice", "other")
    for n, disposition in enumerate(said):
        phoned(world, "call", f"c{n}", disposition, T0)
    world.advance(T0 + HOUR)
    gone = ("sms", "withdrawn", None, "suppressed")
    assert [touches[0] for touches in touch_words(world, "notice").values()] == [
        *3 * [gone],
        ("sms", "sent", None, None),
    ]
    world.advance(T0 + 4 * DAY)
    assert list(verdict_words(world, "later").values()) == [*3 * ["suppressed"], "go"]


@pytest.mark.parametrize(
    ("goal", "said", "sales"),
    [
        ("[sale]", D.SALE, 1),
        ("[sale, promise]", D.PROMISE, 1),
        ("[sale]", D.PROMISE, 0),
        ("[promise]", D.SALE, 0),
        ("[]", D.SALE, 0),
        ("[machine_message_left]", D.MACHINE, 0),
        ("[sale]", D.AGENT_ERROR, 0),
    ],
)
def test_a_disposition_is_a_conversion_only_when_the_goal_names_it(
    lite: World, goal: str, said: Disposition, sales: int
) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(CALL).replace("dispositions: [sale]", f"dispositions: {goal}"))
    lite.advance()
    lite.pull("call")
    for _ in range(2):
        phoned(lite, "call", "c1", said, T0 + HOUR, ident="one call")
    with lite.ledger.read() as connection:
        v = t.conversion.c
        found = connection.execute(select(v.customer, v.goal, v.at, v.source, v.source_id)).tuples().all()
    assert found == [(1, "renewed", T0 + HOUR, "call", "test:one call")] * sales


@pytest.mark.parametrize("first", ["the report", "the call"])
@pytest.mark.parametrize("said", [D.AGENT_ERROR, D.NOT_ATTEMPTED])
def test_a_call_that_says_nothing_outweighs_no_report(world: World, first: str, said: Disposition) -> None:
    calling(world)
    touch = touch_of(world, "call", "c0").id
    steps = [lambda: world.report(touch, Outcome.CLICKED), lambda: phoned(world, "call", "c0", said, T0)]
    for step in steps if first == "the report" else steps[::-1]:
        step()
    assert touch_of(world, "call", "c0").outcome == Outcome.CLICKED


def test_calls_are_kept_once_and_unknown_ones_as_reports(world: World) -> None:
    calling(world)
    touch = touch_of(world, "call", "c0").id

    def call(ident: str, said: Disposition = D.NO_ANSWER, at: int | None = touch, provider: str = "test") -> Call:
        return Call(said, T0, ident, provider, at, agent="agent 7", ring_s=12.5, talk_s=0.0)

    with world.ledger.write() as connection:
        file = [call("a"), call("a", D.SALE), call("b", at=None), call("a", provider="other"), call("c", D.BUSY)]
        first = record_calls(connection, file, RULES, T0)
        again = record_calls(connection, file, RULES, T0)
        nothing = record_calls(connection, [], RULES, T0)
        rows = connection.execute(select(t.call).order_by(t.call.c.event)).all()
        unknown = connection.scalar(select(func.count()).where(t.event.c.touch.is_(None)))
    assert [(r.new, r.known, r.unknown_touch) for r in (first, again, nothing)] == [(4, 1, 1), (0, 5, 1), (0, 0, 0)]
    assert [(row.call_id, row.disposition, row.agent, row.ring_s, row.talk_s, row.wrap_s) for row in rows] == [
        ("a", D.NO_ANSWER, "agent 7", 12.5, 0.0, None),
        ("a", D.NO_ANSWER, "agent 7", 12.5, 0.0, None),
        ("c", D.BUSY, "agent 7", 12.5, 0.0, None),
    ]
    assert unknown == 1
    assert touch_of(world, "call", "c0").disposition == D.BUSY


@pytest.mark.parametrize(
    ("dialled", "dead"),
    [
        (None, phone(1)),
        (phone(1), phone(1)),
        (phone(2), phone(2)),
        (phone(2).lstrip("+"), phone(2)),  # a spreadsheet took the plus
        (f"({phone(2)[2:5]}) {phone(2)[5:]}", phone(2)),
        (f"0{phone(2)[2:]}", phone(2)),
        (f"{phone(2)[:2]} {phone(2)[2:]}", phone(2)),
        (f"+{phone(2)[2:]}", phone(1)),  # a number of another country
        ("anonymous", phone(1)),
        (phone(3), phone(1)),  # none of the customer's: it can only be the listed one
    ],
    ids=[
        "not said",
        "the listed one",
        "the spare",
        "the spare without its plus",
        "in brackets",
        "national",
        "spaced",
        "abroad",
        "no number",
        "a stranger's",
    ],
)
def test_the_number_that_was_dialled_is_the_one_that_is_dead(lite: World, dialled: str | None, dead: str) -> None:
    put(lite.ledger, [Person("c1", (("call_list", phone(1)), ("call_list", phone(2)))), reachable(3)])
    lite.start(plan_text(CALL))
    lite.advance()
    lite.pull("call")
    phoned(lite, "call", "c1", D.WRONG_NUMBER, T0, dialled)
    assert {value for value, place in address_words(lite, "call_list").items() if place[1] == "dead"} == {dead}


def test_attempts_on_a_number_count_however_the_dialler_spells_it(lite: World) -> None:
    calling(lite)
    for hour, dialled in enumerate((phone(1), phone(1)[2:], "anonymous")):
        phoned(lite, "call", "c1", D.BUSY, T0 + hour * HOUR, dialled, listed=True)
    with lite.ledger.read() as connection:
        assert len(calls_to(connection, [phone(1)])[phone(1)]) == 3


def test_a_no_to_calls_is_no_word_on_other_channels(lite: World) -> None:
    """Only the dispositions that end all contact reach beyond the call: not interested is not unsubscribed."""
    calling(lite, plan=CALL + SMS)
    phoned(lite, "call", "c0", D.NOT_INTERESTED, T0)
    lite.report(touch_of(lite, "call", "c1").id, Side.UNSUBSCRIBED)
    lite.advance(T0 + 4 * DAY)
    assert verdict_words(lite, "notice") == {"c0": "go", "c1": "go"}
    assert {place[2] for place in address_words(lite, "call_list").values()} == {"granted", "denied"}


def test_more_entries_than_one_statement_may_name(world: World) -> None:
    entry = {"list": 1, "rank": 1, "tier": "normal", "customer": 1, "number": phone(1), "active": False}
    with world.ledger.write() as connection:
        connection.execute(insert(t.dial_entry), [entry | {"touch": 7}, entry | {"touch": 8}])
        assert entry_touches(connection, set(range(70_000))) == {1: 7, 2: 8}


def test_how_strongly_a_call_counts() -> None:
    """`ABSORBING` from the strongest down, then the right party's word, then the rest."""
    assert [strength(said) for said in (*ABSORBING, D.PROMISE, D.NOT_INTERESTED, D.GATEKEEPER, D.NO_ANSWER)] == [
        4,
        3,
        2,
        1,
        1,
        0,
        0,
    ]


def test_a_no_covers_everybody_who_has_the_number_that_was_dialled(world: World) -> None:
    spare = ("call_list", phone(2))
    put(world.ledger, [Person("c1", (("call_list", phone(1)), spare)), Person("c2", (spare, ("call_list", phone(3))))])
    world.start(plan_text(CALL))
    world.advance()
    assert {entry.number for entry in world.pull("call").entries} == {phone(1), phone(3)}
    phoned(world, "call", "c1", D.DNC_REQUEST, T0, phone(2))
    a = t.address.c
    with world.ledger.read() as connection:
        granted = select(a.value).where(a.consent == int(Consent.GRANTED))
        assert list(connection.scalars(granted)) == [phone(3)]
