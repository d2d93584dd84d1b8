"""Conversions over HTTP: by a live key alone, all or nothing, each once by its source and id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from channels.conversions_http import MOST
from channels.spool import Spool, waiting
from console.web.app import make_app
from console.web.door import Door
from flows.spooling import merge_spool
from ledger import tables as t
from ledger.api_keys import add_key, api_keys, revoke_key
from tests.asgi import Said, ask
from tests.builders import T0, make_world, plan_text, put, reachable
from tests.steps import touch_of
from waves.errors import InputError
from waves.links import link_code
from waves.tokens import Kind, make_token

KEY = "mw_the-key-of-the-shop-in-this-test"
WAVES = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
AT = "2026-12-01T12:00:00+02:00"


class Shop:
    """A world with one key, and its door."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        self.world = make_world(home, url)
        put(self.world.ledger, [reachable(n, ("sms",)) for n in (1, 2)])
        self.world.start(plan_text(WAVES))
        self.world.advance(T0)
        with self.world.ledger.write() as connection:
            add_key(connection, "shop", KEY, "tester", T0)
        self.folder = self.world.room.settings.spool_folder
        self.open()

    def open(self) -> None:
        self.spool = Spool(self.folder)
        self.app = make_app(Door(self.world.room, self.spool, clock=lambda: T0, patience_s=60))

    def post(self, body: object, key: str | None = KEY, **headers: str) -> Said:
        given = {"Authorization": f"Bearer {key}"} if key is not None else headers
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.app, "POST", "/conversions", content, given)

    def merge(self) -> tuple[int, int]:
        """(new, known already)."""
        self.spool.close()
        merged = merge_spool(self.world.room, T0)
        assert merged.aside == 0
        self.open()
        return merged.new, merged.known

    def rows(self) -> list[tuple[Any, ...]]:
        v = t.conversion.c
        with self.world.ledger.read() as connection:
            query = select(
                t.customer.c.key, v.goal, v.value, v.currency, v.product, v.source, v.source_id, v.reversed_at
            )
            query = query.join(t.customer, t.customer.c.id == v.customer).order_by(v.id)
            return [tuple(row) for row in connection.execute(query)]

    def counted(self) -> tuple[int, int]:
        with self.world.ledger.read() as connection:
            (key,) = api_keys(connection)
        return key.taken, key.unknown


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "home")
    yield made
    made.spool.close()
    made.world.ledger.close()


@pytest.fixture
def either(tmp_path: Path, ledger_url: str) -> Iterator[Shop]:
    made = Shop(tmp_path / "home", ledger_url)
    yield made
    made.spool.close()
    made.world.ledger.close()


def sale(**more: object) -> dict[str, object]:
    return {"customer": "c1", "goal": "renewed", "at": AT, "source_id": "s1", **more}


def test_each_conversion_counts_once_by_source_and_id(either: Shop) -> None:
    said = either.post([sale(value=99.5, currency="USD", product="gold"), sale(customer="c2", source_id="s2")])
    assert (said.status, json.loads(said.text)) == (202, {"kept": 2})
    assert either.post(sale(value="99.50", currency="USD")).status == 202
    assert either.merge() == (2, 1)
    assert either.rows() == [
        ("c1", "renewed", Decimal("99.5"), "USD", "gold", "shop", "s1", None),
        ("c2", "renewed", None, None, None, "shop", "s2", None),
    ]
    either.post(sale(reversed_at="2026-12-02T00:00:00Z"))
    assert either.merge() == (0, 1)
    assert either.rows()[0][-1] == T0.replace(day=2, hour=0)


def test_a_message_or_its_link_names_the_customer_as_well(either: Shop) -> None:
    token = make_token(either.world.room.token_key, Kind.TOUCH, touch_of(either.world, "notice", "c2").id)
    named = {"customer": None, "token": token.lower()}
    linked = {"customer": None, "token": link_code(token, 3), "source_id": "s2"}
    assert either.post([sale(**named), sale(**linked)]).status == 202
    assert either.merge() == (2, 0)
    assert [row[0] for row in either.rows()] == ["c2", "c2"]


def test_customers_that_nobody_knows_are_counted_with_the_key(shop: Shop) -> None:
    shop.post([sale(), sale(customer="nobody", source_id="s2")])
    gone = make_token(shop.world.room.token_key, Kind.TOUCH, 10_000)
    shop.post(sale(customer=None, token=gone, source_id="s3"))
    assert shop.merge() == (1, 0)
    assert (shop.counted(), len(shop.rows())) == ((1, 2), 1)


TOKEN = "write it as the message or the link had it"
BAD: list[tuple[object, str]] = [
    (b"", "the body is not JSON"),
    (b"{", "the body is not JSON"),
    (b'{"value": NaN}', "the body is not JSON"),
    (b"[" * 100_000, "the body is not JSON"),
    (b"\xff\xfe", "the body is not JSON"),
    ([], "0 conversions in one request"),
    ([sale()] * (MOST + 1), "1001 conversions in one request"),
    (7, "item 0: is no object"),
    ([sale(), None], "item 1: is no object"),
    (sale(customer=None), "item 0: names nobody, or twice"),
    (sale(token="A" * 20), "item 0: names nobody, or twice"),
    (sale(customer=None, token="A" * 20), "item 0: `token` is none of ours"),
    (sale(customer=None, token=7), "item 0: `token` is no text"),
    (sale(customer=""), "item 0: `customer` is no text"),
    (sale(customer="a\x00b"), "item 0: `customer` is no text"),
    (sale(customer="\ud800"), "item 0: `customer` is no text"),
    (sale(customer="c" * 201), "item 0: `customer` is no text"),
    (sale(source_id=7), "item 0: `source_id` is no text"),
    (sale(product=["x"]), "item 0: `product` is no text"),
    (sale(goal="Renewed it"), "item 0: `goal` is no name"),
    (sale(goal=None), "item 0: `goal` is no name"),
    (sale(at="2026-12-01T12:00:00"), "item 0: `at` is no time with a zone"),
    (sale(at=7), "item 0: `at` is no time with a zone"),
    (sale(at="0001-01-01T00:00:00+14:00"), "item 0: `at` is no time with a zone"),
    (sale(reversed_at="soon"), "item 0: `reversed_at` is no time"),
    (sale(reversed_at="2020-01-01T00:00:00Z"), "item 0: `reversed_at` is before `at`"),
    (sale(value="a lot", currency="USD"), "item 0: `value` is no amount"),
    (sale(value=1.00001, currency="USD"), "item 0: `value` is no amount"),
    (
        b'{"customer":"c1","goal":"g","at":"2026-12-01T12:00:00Z","source_id":"s","value":1e999999}',
        "`value` is no amount",
    ),
    (sale(value=True, currency="USD"), "item 0: `value` is no amount"),
    (sale(value=1), "item 0: `currency` is no code"),
    (sale(value=1, currency="usd"), "item 0: `currency` is no code"),
    (sale(customer_name="Ada"), "item 0: has a key that means nothing here"),
]


@pytest.mark.parametrize(("body", "said"), BAD)
def test_bad_input_is_told_by_its_item_and_nothing_is_kept(shop: Shop, body: object, said: str) -> None:
    answer = shop.post(body)
    assert (answer.status, waiting(shop.folder)) == (400, [])
    (first, *_) = json.loads(answer.text)["error"]
    assert said in first
    assert "Ada" not in answer.text


def test_one_bad_item_keeps_the_good_ones_out(shop: Shop) -> None:
    answer = shop.post([sale(), sale(goal="?", source_id="s2"), sale(at="?", source_id="s3")])
    assert [line.split(":")[0] for line in json.loads(answer.text)["error"]] == ["item 1", "item 2"]
    assert shop.merge() == (0, 0)


def test_only_a_live_key_opens_the_door(shop: Shop) -> None:
    wrong = ["", "mw_another", KEY + "x", KEY.upper(), "é", "x" * 1000]
    assert [shop.post(sale(), key).status for key in wrong] == [401] * len(wrong)
    assert shop.post(sale(), None).headers["www-authenticate"] == "Bearer"
    assert shop.post(sale(), None, Authorization=f"Basic {KEY}").status == 401
    assert shop.post(sale(), None, Authorization=f"bearer  {KEY}").status == 202
    with shop.world.ledger.write() as connection:
        revoke_key(connection, "shop", "tester", T0)
    assert shop.post(sale()).status == 401
    assert shop.merge() == (1, 0)


def test_keys_by_name(shop: Shop) -> None:
    with shop.world.ledger.write() as connection, pytest.raises(InputError, match="revoke shop"):
        add_key(connection, "shop", "another", "tester", T0)
    with shop.world.ledger.write() as connection:
        revoke_key(connection, "shop", "tester", T0)
    with shop.world.ledger.write() as connection, pytest.raises(InputError, match="no live key shop"):
        revoke_key(connection, "shop", "tester", T0)
    with shop.world.ledger.write() as connection:
        add_key(connection, "shop", "another", "tester", T0 + timedelta(days=1))
    assert [shop.post(sale(), key).status for key in (KEY, "another")] == [401, 202]
    with shop.world.ledger.read() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM api_key").all()
    assert KEY not in str(kept)


def test_what_could_not_be_asked_or_kept_comes_again(shop: Shop, tmp_path: Path) -> None:
    with shop.world.ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE api_key RENAME TO elsewhere")
    assert (shop.post(sale()).status, shop.post(sale()).headers["retry-after"]) == (503, "30")
    with shop.world.ledger.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO api_key")
    shop.folder.rename(tmp_path / "away")
    assert shop.post(sale()).status == 503
