"""What a report says of an address, or of everything, reaches beyond the row it came for."""

from __future__ import annotations

import pytest

from tests.builders import DAY, HOUR, T0, Person, World, phone, plan_text, put, reachable
from waves.message import Receipt
from waves.outcomes import Action, Outcome, Side, Verdict

TWICE = """\
  - {wave: one, channels: [sms], message: hello, release: 2h, listen: 10h}
  - {wave: two, channels: [{first_of: [sms, email]}], message: hello, release: 2h, listen: 1d}
"""


@pytest.mark.parametrize("side", [Side.UNSUBSCRIBED, Side.COMPLAINED])
def test_who_unsubscribes_from_everything_is_asked_on_no_channel(world: World, side: Side) -> None:
    put(world.ledger, [reachable(1), reachable(2)])
    world.start(plan_text(TWICE))
    world.advance(T0)
    first, second = world.touches("one")
    world.report(first.id, side, raw={"scope": "all"})
    world.report(second.id, side, raw={"scope": "channel"})
    world.advance(T0 + 12 * HOUR)
    assert world.verdicts("two") == {"c1": Verdict.SUPPRESSED, "c2": Verdict.GO}
    assert [line["name"] for line in world.outbox("email")] == ["Name of c2"]


def test_an_address_that_is_gone_is_gone_for_everybody_who_has_it(world: World) -> None:
    number = phone(7)
    put(world.ledger, [Person("a", (("sms", number),)), Person("b", (("sms", number),)), reachable(3)])
    world.start(plan_text(TWICE))
    world.advance(T0)
    (touch,) = [touch for touch in world.touches("one") if touch.key == "a"]
    world.report(touch.id, Outcome.BOUNCED_HARD)
    world.advance(T0 + DAY)
    assert world.verdicts("two") == {"a": Verdict.NO_ADDRESS, "b": Verdict.NO_ADDRESS, "c3": Verdict.GO}


def test_a_refusal_that_drops_the_address_drops_it_for_everybody(world: World) -> None:
    number = phone(7)
    put(world.ledger, [Person("a", (("sms", number),)), Person("b", (("sms", number),))])
    world.start(plan_text(TWICE))
    world.advance(T0 - DAY)

    class Refusing:
        provider = "refusing"
        chunk = 500

        def send(self, messages, now, within_s):  # type: ignore[no-untyped-def]
            return [Receipt(m.token, "refused", action=Action.DROP_ADDRESS) for m in messages]

    world.room._channels["sms"] = Refusing()  # type: ignore[assignment]
    world.advance(T0)
    world.advance(T0 + DAY)
    assert world.verdicts("two") == {"a": Verdict.NO_ADDRESS, "b": Verdict.NO_ADDRESS}
