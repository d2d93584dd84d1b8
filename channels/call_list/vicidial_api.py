"""VICIdial's non_agent_api.php: entries of a list loaded as leads, recalled ones taken off, every answer classified.

Nobody is loaded twice. VICIdial has no key of its own for a lead, so `add_lead` searches the list for the number first
(DUPLIST), and of a number that is there our token says whether it is this entry's. An `add_lead` that was cut off may
still be at work behind that search: it is looked for once and never sent again here; a later load goes on with it.
Taking off is the same however often it is asked, and is asked a second time at once.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from channels.call_list.rows import Answered, DialRow
from channels.call_list.vicidial import fitting_of, leads_of, recall_call
from channels.call_list.vicidial_answers import (
    ADDED,
    DUPLICATE,
    FOUND,
    NONE_FOUND,
    OF_THIS_LEAD,
    OUT_OF_HOPPER,
    SCHEDULED,
    STILL_IN_HOPPER,
    UPDATED,
    Said,
    said_in,
)
from channels.http_answers import UnreadableAnswer
from channels.http_line import Line, NeverMade, Post, Target
from waves.diallers import Dialler
from waves.errors import InputError, MultiwaveError, SendRefused

T = TypeVar("T")
KEEP_S = 4.0
"""Idle connections are closed after so long: Apache does so after 5 s."""
LONGEST = 64 * 1024
MOST_CUT_OFF = 5
"""Requests cut off in a row before nothing more is asked: a server in trouble is not fed on."""
TIMES = 2
"""How often a lead is tried to be taken off."""
ANOTHERS = "another lead of the list has its number"


class _NoWord(MultiwaveError):
    """The request may have been acted on, or not."""


class _Stopped(MultiwaveError):
    """The request was surely not acted on, and none is worth making."""


@dataclass(frozen=True, slots=True)
class Lead:
    """An entry as VICIdial is told of it; `promise` holds what schedules its promised call."""

    token: str
    form: Mapping[str, str]
    promise: Mapping[str, str] | None


class VicidialApi:
    """One VICIdial; `stopped` says why nothing more is asked of it, once that is so."""

    def __init__(self, dialler: Dialler, environment: Mapping[str, str] = os.environ) -> None:
        """InputError when the connection has no `api`, SendRefused when a variable it names is not set."""
        if dialler.api is None:
            raise InputError(f"dialler {dialler.dialler} has no `api` in config/diallers.yaml")
        self.dialler, self.api = dialler, dialler.api
        self.stopped: str | None = None
        self._who = {"user": self._secret(self.api.user_env, environment)}
        self._who["pass"] = self._secret(self.api.password_env, environment)
        self._target = Target.of(self.api.url, content_type="application/x-www-form-urlencoded")
        self._line = Line(KEEP_S)
        self._cut_off = 0

    def leads(self, rows: Iterable[DialRow], extra: Sequence[str], into: int) -> list[Lead]:
        """The entries as leads of VICIdial's list `into`; SendRefused for what can be none. Nothing is sent."""
        rows = list(rows)
        return [
            Lead(row.token, {**lead, "list_id": str(into)}, self._promise(row))
            for row, lead in zip(rows, leads_of(fitting_of(self.dialler, extra), rows), strict=True)
        ]

    def load(self, leads: Sequence[Lead]) -> list[Answered]:
        """What became of each lead, in order; those that are there already are not loaded again."""
        return self._line.run(self._each(leads, self._add))

    def recall(self, tokens: Sequence[str]) -> list[Answered]:
        """Whether each of these entries is off, in order; safe to ask again."""
        return self._line.run(self._each(tokens, self._take_off))

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def _secret(self, name: str, environment: Mapping[str, str]) -> str:
        if value := environment.get(name, ""):
            return value
        raise SendRefused(f"{name} is not set; put what dialler {self.dialler.dialler} asks for in it")

    def _promise(self, row: DialRow) -> dict[str, str] | None:
        if row.callback_at is None:
            return None
        at = row.callback_at.astimezone(ZoneInfo(self.dialler.zone or "UTC"))
        whose = {"callback_type": "USERONLY", "callback_user": row.callback_agent} if row.callback_agent else {}
        when = {"callback": "Y", "callback_datetime": f"{at:%Y-%m-%d %H:%M:%S}", "callback_status": "CALLBK"}
        return {**when, "callback_type": "ANYONE", "campaign_id": self.api.campaign or "", **whose}

    async def _each(self, asked: Sequence[T], ask: Callable[[T], Awaitable[Answered]]) -> list[Answered]:
        said: list[Answered | None] = [None] * len(asked)
        turns = iter(range(len(asked)))  # shared: whoever is free takes the next

        async def carry() -> None:
            for turn in turns:
                said[turn] = await ask(asked[turn])

        await asyncio.gather(*(carry() for _ in range(min(self.api.parallel, len(asked)))))
        return [answer for answer in said if answer is not None]

    async def _add(self, lead: Lead) -> Answered:
        campaign, token = self.api.campaign, lead.token
        if lead.promise is not None and campaign is None:
            return Answered(token, "refused", "it was promised a call at a time; write `campaign` under `api`")
        checks = {"duplicate_check": "DUPLIST", "list_exists_check": "Y", "dnc_check": "Y"}
        if campaign is not None:
            checks |= {"campaign_dnc_check": "Y", "campaign_id": campaign}
        filled = {name: value for name, value in lead.form.items() if value}
        try:
            said = await self._ask({"function": "add_lead", **filled, **checks, **(lead.promise or {})})
        except _Stopped as error:
            return Answered(token, "not_asked", str(error))
        except _NoWord:
            is_there = await self._is_there(lead)
            return await self._scheduled(lead, set()) if is_there else Answered(token, "in_doubt", "cut off")
        words = {one.words for one in said}
        if ADDED in words:
            return await self._scheduled(lead, words)
        if DUPLICATE in words:
            is_there = await self._is_there(lead)
            if is_there is None:
                return Answered(token, "in_doubt", "its number is there, and nobody says whether it is this entry")
            return Answered(token, "there") if is_there else Answered(token, "refused", ANOTHERS)
        return self._refused(token, said)

    async def _is_there(self, lead: Lead) -> bool | None:
        """Whether a lead of the list has this token; None when nobody says."""
        where = {"search_location": "LIST", "list_id": lead.form["list_id"], "no_update": "Y"}
        try:
            words = {one.words for one in await self._ask({**_by_token(lead.token), **where})}
        except (_Stopped, _NoWord):
            return None
        return True if FOUND in words else False if NONE_FOUND in words else None

    async def _scheduled(self, lead: Lead, words: set[str]) -> Answered:
        """The lead is there, and if it was promised a call it is held until its time: of its agent, else of anybody."""
        if lead.promise is None or words & SCHEDULED:
            return Answered(lead.token, "loaded")
        anybody = {name: value for name, value in lead.promise.items() if name != "callback_user"}
        for promise in (lead.promise, {**anybody, "callback_type": "ANYONE"}):
            try:
                words = {one.words for one in await self._ask({**_by_token(lead.token), **promise})}
            except (_Stopped, _NoWord):
                return Answered(lead.token, "unscheduled", "cut off before its promised call was scheduled")
            if words & SCHEDULED:
                return Answered(lead.token, "loaded")
        return Answered(lead.token, "unscheduled", "VICIdial does not schedule its promised call")

    async def _take_off(self, token: str) -> Answered:
        for turn in range(TIMES):
            try:
                return await self._off_each(token, await self._ask(recall_call(token)))
            except _Stopped as error:
                return Answered(token, "in_doubt" if turn else "not_asked", str(error))
            except _NoWord:
                continue
        return Answered(token, "in_doubt", "cut off")

    async def _off_each(self, token: str, said: Sequence[Said]) -> Answered:
        """Of several leads with one token VICIdial takes the newest alone out of its hopper: each is asked for."""
        leads = [one.lead for one in said if one.words == UPDATED and one.lead]
        answers = [self._off(token, said)]
        if answers[0].word in ("off", "on_a_call") and len(leads) > 1:
            for lead in leads:
                call = {**recall_call(token), "search_method": "LEAD_ID", "lead_id": lead, "records": "1"}
                answers.append(self._off(token, await self._ask(call)))
        return next((answer for answer in answers if answer.word != "off"), answers[0])

    def _off(self, token: str, said: Sequence[Said]) -> Answered:
        words = {one.words for one in said}
        if UPDATED in words and words & OUT_OF_HOPPER:
            return Answered(token, "off")
        if UPDATED in words and STILL_IN_HOPPER in words:
            return Answered(token, "on_a_call", "it is in a call, or about to be")
        if NONE_FOUND in words:
            return Answered(token, "not_there")
        if UPDATED in words:
            return Answered(token, "refused", "no word of the hopper: this VICIdial is too old to take leads out of it")
        return self._refused(token, said)

    def _refused(self, token: str, said: Sequence[Said]) -> Answered:
        """By an ERROR; one that is not of this lead alone ends everything. Anything else is nothing to rely on."""
        errors = [one for one in said if one.kind == "ERROR"]
        if not errors:
            return Answered(token, "in_doubt", "an answer that says neither yes nor no")
        if OF_THIS_LEAD.fullmatch(errors[0].words):
            return Answered(token, "refused", errors[0].short)
        self._stop(f"VICIdial answers: {errors[0].short}")
        return Answered(token, "not_asked", self.stopped or "")

    async def _ask(self, form: Mapping[str, str]) -> Sequence[Said]:
        """The lines of its answer, one at least; _Stopped when it was surely not acted on, _NoWord when it may be."""
        if self.stopped is not None:
            raise _Stopped(self.stopped)
        body = urlencode({"source": self.api.source, **self._who, **form}, errors="replace").encode("ascii")
        try:
            post = Post(self._target, "", body, math.inf)
            answer = await self._line.post(post, LONGEST, self.api.timeout.total_seconds())
        except NeverMade as error:
            raise self._stop(str(error).replace("the gateway", "VICIdial")) from error
        except (OSError, UnreadableAnswer) as error:
            raise self._no_word() from error
        refused = 300 <= answer.status < 500 and answer.status != 408
        if refused or (answer.status == 503 and answer.retry_after is not None):
            raise self._stop(f"its web server answers HTTP {answer.status}")
        said = said_in(answer.content) if answer.status == 200 else ()
        if not said:
            raise self._no_word()
        self._cut_off = 0
        return said

    def _stop(self, why: str) -> _Stopped:
        self.stopped = self.stopped or why
        return _Stopped(why)

    def _no_word(self) -> _NoWord:
        self._cut_off += 1
        if self._cut_off >= MOST_CUT_OFF:
            self._stop(f"{MOST_CUT_OFF} requests in a row were cut off")
        return _NoWord("cut off")


def _by_token(token: str) -> dict[str, str]:
    return {"function": "update_lead", "search_method": "VENDOR_LEAD_CODE", "vendor_lead_code": token}
