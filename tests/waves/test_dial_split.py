"""Dealing a shift: nobody twice, no team more than its size or whom it does not understand, agent hours worth alike."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waves.dial_split import TIERS, Lead, Share, deal, dialling_order, gap, hottest
from waves.draw import Draw, bucket_of

LANGUAGES = ("en", "uk", "es")
SKILLS = ("loans", "cards")
SHARES = st.dictionaries(
    st.sampled_from(["north", "south", "east"]),
    st.builds(
        Share,
        st.integers(0, 20),
        st.floats(1, 100),
        st.sets(st.sampled_from(LANGUAGES), max_size=2).map(frozenset),
        st.sets(st.sampled_from(SKILLS), max_size=2).map(frozenset),
    ),
    min_size=1,
)
LEADS = st.lists(
    st.builds(
        Lead,
        st.floats(-10, 1000),
        st.sampled_from([None, *LANGUAGES]),
        st.sampled_from(TIERS),
        st.sampled_from([None, "north", "south", "away"]),
        st.sampled_from([None, *SKILLS]),
    ),
    max_size=60,
)


@given(LEADS, SHARES)
def test_nobody_is_dealt_twice_and_no_team_gets_what_it_cannot_take(leads: list[Lead], teams: dict[str, Share]) -> None:
    dealt = deal(leads, teams)
    assert set(dealt.places) == set(teams)
    everybody = [place for places in dealt.places.values() for place in places]
    assert len(set(everybody)) == len(everybody)
    for name, places in dealt.places.items():
        assert len(places) <= teams[name].size
        assert places == sorted(places)
        spoken = teams[name].languages
        assert all(not spoken or leads[place].language in {*spoken, None} for place in places)
        skills = teams[name].skills
        assert all(not skills or leads[place].skill in {*skills, None} for place in places)
    assert 0 <= gap(dealt.worth_an_hour.values()) <= 1


@given(LEADS, SHARES)
def test_nobody_is_left_whom_a_team_with_room_could_call(leads: list[Lead], teams: dict[str, Share]) -> None:
    """Where no team is choosy; else a later stratum may find its team full."""
    teams = {name: Share(team.size, team.hours) for name, team in teams.items()}
    places = deal(leads, teams).places
    dealt = sum(map(len, places.values()))
    assert dealt == min(len(leads), sum(team.size for team in teams.values()))


@pytest.mark.parametrize("seed", range(10))
def test_an_agent_hour_is_worth_alike_to_within_a_twentieth(seed: int) -> None:
    dice = Random(seed)
    worth = sorted((dice.lognormvariate(3, 1) for _ in range(2_000)), reverse=True)
    known = [None, "north", "south", "east"]
    leads = [Lead(each, dice.choice(LANGUAGES), team=dice.choice(known)) for each in worth]
    teams = {"north": Share(960, 90), "south": Share(640, 60), "east": Share(400, 37.5)}
    dealt = deal(leads, teams)
    assert {name: len(places) for name, places in dealt.places.items()} == {"north": 960, "south": 640, "east": 400}
    assert gap(dealt.worth_an_hour.values()) <= 0.05


def test_whom_a_team_called_before_goes_to_it_again_and_the_rare_language_first() -> None:
    leads = [Lead(9, "en", team="south"), Lead(8, "uk"), Lead(7, "en"), Lead(6, "en", team="north"), Lead(5, "uk")]
    teams = {"north": Share(3, 10, frozenset({"en", "uk"})), "south": Share(2, 10, frozenset({"en"}))}
    assert deal(leads, teams).places == {"north": [1, 3, 4], "south": [0, 2]}


def test_a_promised_call_goes_to_the_team_that_promised_it() -> None:
    leads = [Lead(1, tier="callback", team="south"), Lead(1, tier="callback", team="south"), Lead(50), Lead(40)]
    teams = {"north": Share(2, 10), "south": Share(2, 10)}
    assert deal(leads, teams).places == {"north": [2, 3], "south": [0, 1]}, "both, though by hours each team gets one"
    teams["south"] = Share(1, 10)
    assert deal(leads, teams).places == {"north": [1, 2], "south": [0]}, "who has no room rings nobody"


@given(st.lists(st.none() | st.integers(-3, 3).map(float), max_size=40))
def test_the_hot_are_the_best_fifth_of_those_with_a_score(scores: list[float | None]) -> None:
    hot = hottest(scores)
    known = [score for score in scores if score is not None]
    assert len(hot) == len(known) // 5
    assert sorted((scores[place] for place in hot), reverse=True) == sorted(known, reverse=True)[: len(hot)]


@given(st.lists(st.tuples(st.sampled_from(TIERS), st.integers(0, 10**9)), max_size=40, unique_by=lambda lead: lead[1]))
def test_tiers_are_dialled_in_turn_the_promised_as_they_stand(leads: list[tuple[str, int]]) -> None:
    order = dialling_order(leads, Draw.named("a list"))
    assert sorted(order) == list(range(len(leads)))
    tiers = [leads[place][0] for place in order]
    assert tiers == sorted(tiers, key=TIERS.index)
    promised = [place for place in order if leads[place][0] == TIERS[0]]
    assert promised == sorted(promised)


def test_inside_a_tier_the_best_stand_anywhere() -> None:
    """So that the share that answers is the same at noon as at nine: over many lists the best is first as often."""
    leads = [("normal", bucket_of(f"c{n}")) for n in range(10)]
    first = Counter(dialling_order(leads, Draw.named("list", str(number)))[0] for number in range(2000))
    assert set(first) == set(range(10))
    assert max(first.values()) < 1.5 * min(first.values())
