import json
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from channels.conversions_file import read_conversions
from channels.events_file import OUTCOMES, read_events
from waves.errors import InputError
from waves.outcomes import Action, Outcome, Reason, Side

EVENT = {
    "token": "T1",
    "outcome": "delivered",
    "at": "2026-12-01T15:00:00Z",
    "provider": "demo",
    "provider_event_id": "e1",
}
HEAD = "customer,goal,at,value,currency,source,source_id\n"
AT = "2026-12-01T15:00:00Z"


def test_events_are_read_with_their_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    more = {"outcome": "UNSUBSCRIBED", "reason": "opted_out", "action": "drop_consent", "scope": "all", "raw": {"a": 1}}
    path.write_text(json.dumps(EVENT) + "\n\n" + json.dumps({**EVENT, **more}) + "\n")
    (line, first), (last, second) = read_events(path)
    assert (line, last) == (1, 3)
    assert (first.token, first.outcome, first.provider_event_id) == ("T1", Outcome.DELIVERED, "e1")
    assert first.at == datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
    assert (first.reason, first.action, first.raw) == (None, None, {})
    assert (second.outcome, second.reason, second.action) == (Side.UNSUBSCRIBED, Reason.OPTED_OUT, Action.DROP_CONSENT)
    assert second.raw == {"a": 1, "scope": "all"}


def test_every_outcome_has_its_word():
    assert len(OUTCOMES) == len(Outcome) + len(Side)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", ":1: not JSON"),
        ("[" * 100_000, ":1: not JSON"),
        ('{"a": NaN}', ":1: not JSON"),
        ("[1]", ":1: not a JSON object"),
        ("{}", ":1: token is missing"),
        ({"outcome": "deliverd"}, "unknown outcome 'deliverd'; did you mean delivered?"),
        ({"outcome": "sent"}, "unknown outcome 'sent'"),
        ({"outcome": 40}, "outcome must be text"),
        ({"at": "2026-12-01T15:00:00"}, "has no time zone"),
        ({"at": "soon"}, "at 'soon' is no time"),
        ({"token": " "}, "token is empty"),
        ({"provider_event_id": "x" * 201}, "longer than 200"),
        ({"reason": "go"}, "unknown reason 'go'; did you mean geo?"),
        ({"action": "retri"}, "did you mean retry?"),
        ({"scope": "everything"}, "unknown scope 'everything'"),
        ({"reson": "geo"}, "unknown key 'reson'; did you mean reason?"),
        ({"raw": "x"}, "raw must be an object"),
    ],
)
def test_a_bad_event_is_said_with_its_line(tmp_path, text, said):
    path = tmp_path / "events.jsonl"
    path.write_text(text if isinstance(text, str) else json.dumps({**EVENT, **text}))
    with pytest.raises(InputError) as error:
        read_events(path)
    assert said in str(error.value)


def test_conversions_are_read_with_their_lines(tmp_path):
    path = tmp_path / "conversions.csv"
    lines = HEAD.replace("\n", ",product\n") + f"bank-1,deposit,{AT},1250.50,usd,crm,9,term\n"
    path.write_text(lines + f"bank-2,deposit,{AT},,,crm,10,\n")
    first, second = read_conversions(path)
    assert (first.line, first.customer, first.goal, first.source, first.source_id) == (
        2,
        "bank-1",
        "deposit",
        "crm",
        "9",
    )
    assert (first.value, first.currency, first.product) == (Decimal("1250.50"), "USD", "term")
    assert (second.value, second.currency, second.product) == (None, None, None)


def test_a_conversion_may_say_when_it_was_reversed_but_not_before_it_happened(tmp_path):
    path = tmp_path / "conversions.csv"
    row = "b,deposit,2026-12-02T10:00Z,1,USD,crm,1,"
    path.write_text(HEAD.replace("\n", ",reversed_at\n") + f"{row}2026-12-05T12:00+02:00\n{row}\n")
    assert [found.reversed_at for found in read_conversions(path)] == [datetime(2026, 12, 5, 10, tzinfo=UTC), None]
    path.write_text(HEAD.replace("\n", ",reversed_at\n") + f"{row}2026-12-02T09:59Z\n{row}yesterday\n")
    with pytest.raises(InputError) as error:
        read_conversions(path)
    assert ":2: reversed_at is before at" in str(error.value)
    assert ":3: reversed_at" in str(error.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f",deposit,{AT},1,USD,crm,1", ":2: customer is empty"),
        (f"b,Deposit it,{AT},1,USD,crm,1", ":2: goal 'Deposit it' is no name"),
        ("b,deposit,2026-12-01,1,USD,crm,1", "at '2026-12-01' has no time zone"),
        (f"b,deposit,{AT},NaN,USD,crm,1", "value 'NaN' is no amount"),
        (f"b,deposit,{AT},1e3,USD,crm,1", "value '1e3' is no amount"),
        (f"b,deposit,{AT},0.00001,USD,crm,1", "is no amount"),
        (f"b,deposit,{AT},1,Euro,crm,1", "currency 'EURO' is no code"),
        (f"b,deposit,{AT},1,,crm,1", "currency '' is no code"),
        (f"b,deposit,{AT},1,USD,crm,", "source_id is empty"),
        (f"b,deposit,{AT},1,USD,crm", "6 cells where the header has 7"),
    ],
)
def test_a_bad_conversion_is_said_with_its_line(tmp_path, row, said):
    path = tmp_path / "conversions.csv"
    path.write_text(HEAD + row + "\n")
    with pytest.raises(InputError) as error:
        read_conversions(path)
    assert said in str(error.value)


def test_a_big_file_is_never_in_memory_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = '{"token": "T", "outcome": "clicked", "at": "2026-12-01T10:00Z", "provider": "p", "provider_event_id": "%d"}'
    path.write_text("".join(f"{line % n}\n" for n in range(20_000)))
    tracemalloc.start()
    assert sum(1 for _ in read_events(path)) == 20_000
    assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 4
    tracemalloc.stop()


def test_what_is_wrong_far_down_keeps_everything_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = (
        '{"token": "T", "outcome": "clicked", "at": "2026-12-01T10:00Z", "provider": "p", "provider_event_id": "1"}\n'
    )
    path.write_text(line * 5000 + "{\n" * 30)
    with pytest.raises(InputError, match=r"jsonl:5001: not JSON(.|\n)*and 10 more\nnothing of this file was stored"):
        read_events(path)
    path.write_bytes(line.encode() * 5000 + b"\xff\n")
    with pytest.raises(InputError, match="jsonl:5001: not UTF-8"):
        read_events(path)
