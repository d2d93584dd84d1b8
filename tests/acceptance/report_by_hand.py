"""The report once more, in pandas and plain arithmetic from the ledger's raw tables: none of multiwave's code is asked.

Codes and rules are written out from the design (section 4) and from the report's own definitions.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from statistics import NormalDist
from typing import Any

import pandas as pd

GATES = ("converted", "held_out", "suppressed", "open_case", "not_entered", "no_address", "no_consent")
CHANNEL_GATES = ("shared_address", "hours_unknown", "no_legal_hour", "over_limit", "wave_held_out", "go")
VERDICTS = dict(enumerate(GATES + CHANNEL_GATES, 1))
TABLES = ("wave", "member", "enrolment", "touch", "event", "call", "conversion", "dial_list", "dial_entry")
PARTS = {
    "unconfirmed": [10, 15, 20],
    "missed": [26, 27, 28, 29, 30, 32, 33, 35, 42],
    "received": [40, 45, 50, 55],
    "declined": [68],
    "engaged": [60, 65, 66, 69, 70, 90],
}
PART = {code: part for part, codes in PARTS.items() for code in codes}
SENT, LISTED, REFUSED, IN_DOUBT = 2, 3, 4, 7
CALL_LIST = 4
CHANNELS = {1: "web_push", 2: "sms", 3: "email", 4: "call_list"}
RANG = {32, 33, 35}
HEARD_IN_CALL = {
    **dict.fromkeys([1, 2], 90),
    **dict.fromkeys([3, 7, 8, 9, 10, 12, 14, 15], 65),
    **dict.fromkeys([4, 5], 69),
    **dict.fromkeys([6, 13], 68),
    **dict.fromkeys([11, 22], 42),
    **dict.fromkeys([16, 23, 24], 28),
    **dict.fromkeys([17, 18, 19], 35),
    **dict.fromkeys([25, 26, 27], 29),
    20: 32,
    21: 33,
}
"""Disposition to outcome; an agent's error (28) and what was not attempted (29) say nothing."""
NOT_ATTEMPTED = 29
RIGHT_PARTY = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13}
UNSUBSCRIBED, COMPLAINED, DROP_CONSENT = 1001, 1002, 2
RATES = {
    "sent_rate": ("sent", "eligible"),
    "delivery_rate": ("delivered", "sent"),
    "reach_rate": ("reached", "delivered"),
    "response_rate": ("engaged", "reached"),
    "conversion_rate": ("converted", "treated"),
    "right_party_rate": ("right_party", "sent now"),
    "opt_out_rate": ("opted_out", "delivered now"),
}
STEPS = ("sent", "delivered", "reached", "engaged")


def us(at: datetime) -> int:
    """A moment as the ledger stores it."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass
class ByHand:
    """One campaign at one moment; `rows` reads a table, `holdouts` is wave (or campaign) to (share, design)."""

    rows: Callable[[str], pd.DataFrame]
    as_of: datetime
    goal: str
    within: timedelta
    holdouts: Mapping[str, tuple[float, str]]
    prices: Mapping[str, float]

    def __post_init__(self) -> None:
        self.at = us(self.as_of)
        self.tables = {name: self.rows(f"SELECT * FROM {name}").astype(object) for name in TABLES}
        events = self.tables["event"]
        calls = self.tables["call"][["event", "disposition", "strength", "call_id", "at"]]
        calls = calls.rename(columns={"at": "called_at"})
        self.events = events.merge(calls, how="left", left_on="id", right_on="event")
        self.known = self.events[self.events.received_at <= self.at]

    @cached_property
    def waves(self) -> list[Any]:
        """The waves that had opened."""
        w = self.tables["wave"].sort_values("seq")
        return [row for row in w.itertuples() if pd.notna(row.opened) and row.opened <= self.at]

    def closed(self, wave: Any) -> bool:
        return pd.notna(wave.closed) and wave.closed <= self.at

    def expected(self) -> dict[str, Any]:
        """Everything the report should say, numbers only."""
        members = self.tables["member"]
        treated, held = (set(members[members.arm == arm].customer) for arm in (0, 1))
        bought = self.converters(self.waves[0].opened)
        arms = {"treated": len(treated), "held_out": len(held)}
        met = {"treated": len(treated & bought), "held_out": len(held & bought)}
        books = [self.wave(wave) for wave in self.waves]
        return {
            "goal": {"within_days": self.within.total_seconds() / 86400},
            "members": arms,
            "converted": met,
            "value": self.value(treated, held, self.waves[0].opened),
            "cost": self.cost([wave.id for wave in self.waves]),
            "waves": books,
            "comparisons": list(self.comparisons(arms, met)),
            "flow": self.flow(),
        }

    def sales(self, start: int) -> pd.DataFrame:
        """Conversions in a window, known by then."""
        c = self.tables["conversion"]
        end = start + self.within // timedelta(microseconds=1)
        c = c[(c.goal == self.goal) & (c["at"] >= start) & (c["at"] < end) & (c["at"] <= self.at)]
        late = self.events[(self.events.received_at > self.at) & self.events.disposition.notna()]
        unheard = {f"{row.provider}:{row.provider_event_id}" for row in late.itertuples()}
        return c[~((c.source == "call") & c.source_id.isin(unheard))]

    def standing(self, start: int) -> pd.Series[bool]:
        undone = self.sales(start).reversed_at
        return ~(undone.notna() & (undone.fillna(0) <= self.at))

    def converters(self, start: int) -> set[int]:
        return set(self.sales(start)[self.standing(start)].customer)

    def value(self, treated: set[int], held: set[int], start: int) -> list[dict[str, Any]]:
        found = []
        sales, stands = self.sales(start), self.standing(start)
        for arm, people in (("treated", treated), ("held_out", held)):
            of_arm = sales[sales.customer.isin(people)]
            for currency, rows in of_arm.fillna({"currency": "none"}).groupby("currency"):
                good = rows[stands[rows.index]]
                bad = rows.drop(good.index)
                found.append(
                    {
                        "arm": arm,
                        "currency": None if currency == "none" else currency,
                        "conversions": len(good),
                        "value": good.value.fillna(0).sum() / 10_000,
                        "refunded": len(bad),
                        "refunded_value": bad.value.fillna(0).sum() / 10_000,
                    }
                )
        return found

    @cached_property
    def touches(self) -> pd.DataFrame:
        """Every touch of an opened wave with how far it got: by the wave's close, and by now."""
        found = []
        by_touch = dict(iter(self.known.groupby("touch")))
        waves = {wave.id: wave for wave in self.waves}
        for touch in self.tables["touch"].itertuples():
            if touch.wave not in waves:
                continue
            wave = waves[touch.wave]
            heard = by_touch.get(touch.id, self.known[:0])
            early = heard
            if self.closed(wave):
                early = heard[heard.id <= json.loads(wave.balance)["event_mark"]]
            listed = self.listed(touch, wave)
            now = self.reach(touch, listed, heard, " now")
            same = len(early) == len(heard)
            then = (
                {name.removesuffix(" now"): n for name, n in now.items()} if same else self.reach(touch, listed, early)
            )
            found.append(now | then)
        return pd.DataFrame(found)

    def listed(self, touch: Any, wave: Any) -> bool:
        """Whether it was on a dial list then, or on one that came back only after the books had closed."""
        entries = self.tables["dial_entry"]
        mine = set(entries[entries.touch == touch.id]["list"])
        for cut in self.tables["dial_list"].itertuples():
            if cut.id in mine and cut.pulled_at <= self.at:
                if pd.isna(cut.returned_at) or cut.returned_at > self.at:
                    return True
                if self.closed(wave) and cut.returned_at >= wave.closed and touch.state == LISTED:
                    return True
        return False

    def reach(self, touch: Any, listed: bool, heard: pd.DataFrame, when: str = "") -> dict[str, Any]:
        calls = heard[heard.disposition.notna()]
        if len(calls):
            telling = calls[calls.disposition.isin(HEARD_IN_CALL)]
            telling = telling.astype({"strength": int, "called_at": "int64"})
            counted = telling.sort_values(["strength", "called_at", "call_id"]).tail(1)
            outcome = HEARD_IN_CALL[counted.disposition.iloc[0]] if len(counted) else None
            right = bool(len(counted)) and counted.disposition.iloc[0] in RIGHT_PARTY
        else:
            said = heard[heard.outcome <= 90].outcome
            outcome, right = (said.max() if len(said) else None), False
        sent = touch.state in (SENT, IN_DOUBT) and pd.notna(touch.sent_at) and touch.sent_at <= self.at
        sent = bool(sent or listed or (heard.disposition != NOT_ATTEMPTED).sum())
        part = PART.get(outcome)
        rang = touch.channel == CALL_LIST and outcome in RANG
        state = "in_doubt" if touch.state == IN_DOUBT and sent else "unconfirmed" if sent else "untried"
        if touch.state == REFUSED and not sent:
            state = "missed"
        stop = heard.outcome.isin([UNSUBSCRIBED, COMPLAINED]) | (heard.action == DROP_CONSENT)
        cost = touch.cost / 10_000 if pd.notna(touch.cost) else self.prices.get(CHANNELS[touch.channel])
        return {
            "wave": touch.wave,
            "customer": touch.customer,
            f"outcome{when}": -1 if outcome is None else outcome,
            f"by state{when}": state,
            f"sent{when}": sent,
            f"delivered{when}": part in ("received", "engaged", "declined") or rang,
            f"reached{when}": part in ("engaged", "declined"),
            f"right_party{when}": right,
            f"opted_out{when}": bool(stop.any()),
            f"cost{when}": cost if sent and cost is not None else 0.0,
            f"uncosted{when}": sent and cost is None,
        }

    def people(self, wave: Any) -> pd.DataFrame:
        """One row per member that the wave looked at."""
        e = self.tables["enrolment"]
        who = e[e.wave == wave.id].set_index("customer")
        who = pd.DataFrame({"verdict": who.verdict.map(VERDICTS)})
        mine = self.touches[self.touches.wave == wave.id].groupby("customer")
        for name in (*STEPS[:3], "right_party", "opted_out"):
            for when in ("", " now"):
                who[f"{name}{when}"] = mine[f"{name}{when}"].any().reindex(who.index, fill_value=False).astype(bool)
        for when in ("", " now"):
            highest = mine[f"outcome{when}"].max().reindex(who.index, fill_value=-1)
            part = highest.map(PART)
            for state in ("untried", "missed", "unconfirmed", "in_doubt"):
                has = mine[f"by state{when}"].apply(lambda states, state=state: (states == state).any())
                part[highest.eq(-1) & has.reindex(who.index, fill_value=False).astype(bool)] = state
            who[f"part{when}"] = part.where(who.verdict == "go")
            who[f"engaged{when}"] = part.eq("engaged")
        who["converted"] = who.index.isin(self.converters(wave.opened))
        who["place"] = who.part.where(who.verdict == "go", who.verdict)
        return who

    def wave(self, wave: Any) -> dict[str, Any]:
        who = self.people(wave)
        go, held = who[who.verdict == "go"], who[who.verdict == "wave_held_out"]
        counts = {"targeted": len(who), "eligible": len(go) + len(held), "treated": len(go), "held_out": len(held)}
        counts |= {name: int(who[name].sum()) for name in STEPS} | {"converted": int(go.converted.sum())}
        sent = self.touches[(self.touches.wave == wave.id) & self.touches["sent now"]]
        by_now = {name: int(who[f"{name} now"].sum()) for name in STEPS}
        stopped, right = int(who["opted_out now"].sum()), int(who["right_party now"].sum())
        calls = str(CALL_LIST) in wave.channels
        all_counts = counts | {f"{name} now": n for name, n in by_now.items()}
        all_counts |= {"opted_out": stopped, "right_party": right}
        return {
            "wave": wave.name,
            "counts": counts,
            "late": {name: by_now[name] - counts[name] for name in STEPS} if self.closed(wave) else None,
            "by_now": by_now | {"opted_out": stopped, "touches": len(sent)} | ({"right_party": right} if calls else {}),
            "verdicts": dict(Counter(who.verdict)),
            "parts": dict(Counter(go.part)),
            "rates": [
                {
                    "rate": name,
                    "numerator": all_counts[over],
                    "denominator": all_counts[under],
                    "value": all_counts[over] / all_counts[under] if all_counts[under] else None,
                }
                for name, (over, under) in RATES.items()
                if calls or over != "right_party"
            ],
            "value": self.value(set(go.index), set(held.index), wave.opened),
            "cost": self.cost([wave.id]),
        }

    def cost(self, waves: Iterable[int], customers: set[int] | None = None) -> dict[str, Any]:
        t = self.touches[self.touches.wave.isin(list(waves))]
        t = t if customers is None else t[t.customer.isin(customers)]
        return {"amount": t["cost now"].sum(), "touches_of_unknown_cost": int(t["uncosted now"].sum())}

    def comparisons(self, arms: Mapping[str, int], met: Mapping[str, int]) -> Iterable[dict[str, Any]]:
        if "campaign" in self.holdouts:
            every = [wave.id for wave in self.waves]
            yield self.comparison("campaign", self.waves[0], arms, met, self.cost(every))
        for number, wave in enumerate(self.waves):
            if wave.name not in self.holdouts:
                continue
            who = self.people(wave)
            groups = {"treated": who[who.verdict == "go"], "held_out": who[who.verdict == "wave_held_out"]}
            stop = self.holdouts[wave.name][1] == "stop"
            those = [later.id for later in (self.waves[number:] if stop else [wave])]
            yield self.comparison(
                wave.name,
                wave,
                {arm: len(rows) for arm, rows in groups.items()},
                {arm: int(rows.converted.sum()) for arm, rows in groups.items()},
                self.cost(those, set(groups["treated"].index)),
            )

    def comparison(
        self, name: str, wave: Any, arms: Mapping[str, int], met: Mapping[str, int], cost: dict[str, Any]
    ) -> dict[str, Any]:
        share = self.holdouts[name][0]
        t, h, x, y = arms["treated"], arms["held_out"], met["treated"], met["held_out"]
        chi2 = sum((seen - want) ** 2 / want for seen, want in ((t, (t + h) * (1 - share)), (h, (t + h) * share)))
        p = math.erfc(math.sqrt(chi2 / 2))
        found: dict[str, Any] = {
            "of": name,
            "treated": t,
            "treated_converted": x,
            "held_out": h,
            "held_out_converted": y,
            "window_open": wave.opened + self.within // timedelta(microseconds=1) > self.at,
            "planned_share": share,
            "sample_ratio": {"chi2": chi2, "p": p, "flagged": p < 0.001},
            "cost": cost,
        }
        if p < 0.001:
            return found
        d, low, high = newcombe(x, t, y, h)
        found |= {"difference": {"value": d, "low": low, "high": high}}
        found |= {"incremental": {"value": d * t, "low": low * t, "high": high * t}}
        if low <= 0 <= high:
            found["power"] = power(x, t, y, h)
        if not cost["touches_of_unknown_cost"]:
            found["naive_cost"] = cost["amount"] / x if x else None
            if low > 0:
                each = [cost["amount"] / (t * points) for points in (d, high, low)]
                found["cost_per_incremental"] = dict(zip(("value", "low", "high"), each, strict=True))
        return found

    def flow(self) -> list[dict[str, Any]]:
        found = []
        for a, b in zip(self.waves, self.waves[1:], strict=False):
            both = pd.DataFrame({"from": self.people(a).place, "to": self.people(b).place})
            for (before, after), members in both.value_counts().items():
                found.append({"from_wave": a.name, "from": before, "to_wave": b.name, "to": after, "members": members})
        return found


def newcombe(x: int, n: int, y: int, m: int) -> tuple[float, float, float]:
    """Method 10 of Newcombe, Statistics in Medicine 17 (1998), 873-890: two Wilson intervals, squared and added."""
    p, q = x / n, y / m
    (l1, u1), (l2, u2) = wilson(x, n), wilson(y, m)
    return p - q, p - q - math.hypot(p - l1, u2 - q), p - q + math.hypot(u1 - p, q - l2)


def wilson(x: int, n: int) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.975)
    middle, half = x + z * z / 2, z * math.sqrt(x * (n - x) / n + z * z / 4)
    return (middle - half) / (n + z * z), (middle + half) / (n + z * z)


def power(x: int, n: int, y: int, m: int) -> float | None:
    p, q = x / n, y / m
    error = math.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    if not error:
        return None
    z, away = NormalDist().inv_cdf(0.975), abs(p - q) / error
    return NormalDist().cdf(away - z) + NormalDist().cdf(-away - z)


NAMES = ("wave", "rate", "of", "arm", "currency", "from_wave", "from", "to_wave", "to")


def figures(value: Any, path: str = "") -> dict[str, float]:
    """Every number and yes-or-no of nested records by its path; a list's items by what they are of."""
    if isinstance(value, Mapping):
        return {name: n for key, inner in value.items() for name, n in figures(inner, f"{path}.{key}").items()}
    if isinstance(value, list):
        found: dict[str, float] = {}
        for item in value:
            if isinstance(item, Mapping):
                who = ",".join(str(item[key]) for key in NAMES if key in item)
                found |= figures(item, f"{path}[{who}]")
        return found
    return {path: float(value)} if isinstance(value, bool | int | float | Decimal) or hasattr(value, "dtype") else {}
