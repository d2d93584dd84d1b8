"""What `doctor` finds in the files that people write: plans, hours, bans, senders, seeds, diallers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from channels.call_list.formats import FORMATS, LAYOUTS
from channels.registry import CAPABILITIES, SENDERS, open_channel
from config.diallers import load_diallers
from config.loading import check_plan
from config.seeds import seed_problems
from config.senders import FILE as SENDERS_FILE
from config.senders import load_senders
from config.settings import Settings
from console.coming_back import keywords
from console.context import config_dir
from console.finding import Finding
from waves.errors import MultiwaveError, PlanError
from waves.message import Reachable

OLD = timedelta(days=365)


def configuration(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether every plan checks, and the rules of hours were read by somebody not long ago."""
    folder = config_dir(settings)
    plans = sorted((folder / "plans").glob("*.yaml"))
    language, has_pages = settings.default_language, settings.public_url is not None
    looked_at = {plan.stem: check_plan(plan, folder, CAPABILITIES, language, has_pages) for plan in plans}
    broken = {name: found for name, found in looked_at.items() if found}
    for name, problems in broken.items():
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        yield Finding("plans", "fail", f"{problems[0]}{more}", f"multiwave check {name}")
    if not broken:
        yield Finding("plans", "ok", f"{len(plans)} plans check clean")
    yield from hours(folder, now, {"house", *map(_hours_named, plans)})
    yield from keywords(folder)


def _hours_named(plan: Path) -> str:
    """The set of hours that a plan names, as far as it can be read."""
    from config.yaml_lines import read_document

    try:
        said = read_document(plan).data.get("hours", "house")
    except PlanError:
        return "house"
    return str(said.get("set", "house") if isinstance(said, dict) else said)


def hours(folder: Path, now: datetime, named: Collection[str]) -> Iterator[Finding]:
    """Rows of sets in use that nobody reviewed, which let nothing out, and those read over a year ago."""
    from config.lookups import HOURS, hours_problems
    from config.yaml_lines import read_document
    from waves.hours_set import HoursSet

    try:
        document = read_document(folder / HOURS)
    except MultiwaveError as error:
        yield Finding("hours", "fail", str(error), "without rules nobody is contacted")
        return
    if problems := hours_problems(document):
        yield Finding("hours", "fail", str(problems[0]), "mend it; a plan that names the set does not start")
        return
    rows = [(name, row) for name, said in document.data.items() for row in HoursSet.model_validate(said).rows]
    idle = sum(row.reviewed is None for name, row in rows if name not in named)
    rows = [(name, row) for name, row in rows if name in named or row.reviewed is not None]
    unread = [f"{name}, {row.place}" for name, row in rows if row.reviewed is None]
    old = [f"{name}, {row.place} (as of {row.as_of})" for name, row in rows if row.as_of < (now - OLD).date()]
    if unread:
        yield Finding("hours", "warn", f"nobody reviewed: {'; '.join(unread)}", "read them: multiwave hours review")
    if old:
        yield Finding("hours", "warn", f"read over a year ago: {'; '.join(old)}", "read the source again")
    if not unread and not old:
        wait = f"; {idle} of sets that no plan names wait: multiwave hours review" if idle else ""
        yield Finding("hours", "ok", f"{len(rows)} rows, all reviewed{wait}")
    yield from bans(folder)


def bans(folder: Path) -> Iterator[Finding]:
    """Whether the file of emergency bans can be read."""
    from config.bans import FILE, bans_in
    from config.yaml_lines import read_document

    if not (folder / FILE).exists():
        return
    try:
        found = bans_in(read_document(folder / FILE))
    except PlanError as error:
        yield Finding("bans", "fail", str(error), "mend it; until then nothing is sent, and the last bans hold")
        return
    yield Finding("bans", "ok", f"{len(found)} bans in {FILE}")


def senders(settings: Settings) -> Iterator[Finding]:
    """Whether each sender is written well, has its secret, and reaches its provider."""
    try:
        named = load_senders(config_dir(settings), CAPABILITIES, SENDERS, settings)
    except PlanError as error:
        for problem in error.problems:
            yield Finding("senders", "fail", str(problem), "mend it; until then no engine starts")
        return
    if not named:
        yield Finding("senders", "ok", f"{SENDERS_FILE} names none")
    for name, sender in named.items():
        try:
            channel = open_channel(sender, settings.home / "outbox", settings.public_url)
        except MultiwaveError as error:
            yield Finding("senders", "fail", str(error), f"without it {sender.channel} waits")
            continue
        why = channel.reachable() if isinstance(channel, Reachable) else None
        if why is None:
            yield Finding("senders", "ok", f"{name} carries {sender.channel} by {sender.provider}")
        else:
            yield Finding("senders", "fail", f"{name}: {why}", "until it answers, its messages wait")


def seeds(settings: Settings) -> Iterator[Finding]:
    """Whether each seed is written well."""
    for problem in seed_problems(config_dir(settings), CAPABILITIES):
        yield Finding("seeds", "fail", str(problem), "mend it; until then no engine starts")


def diallers(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each dialler is written well, and has what its API asks for; nothing is sent to it."""
    try:
        named = load_diallers(config_dir(settings), LAYOUTS)
    except PlanError as error:
        for problem in error.problems:
            yield Finding("diallers", "fail", str(problem), "mend it; until then no engine starts")
        return
    for name, dialler in named.items():
        opens = FORMATS[dialler.format].api
        if opens is None or dialler.api is None:
            continue
        try:
            opens(dialler, environment).close()
        except MultiwaveError as error:
            yield Finding("diallers", "warn", str(error), "until then its API loads nobody and takes nobody off")
            continue
        yield Finding("diallers", "ok", f"{name} has what its API asks for")
