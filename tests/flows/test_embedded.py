"""A two-wave campaign over a real Prefect: its names, its artifacts, one engine a home, and law 8 in all it wrote.

The engine runs in a child of its own, so that its Prefect settings stay there; Prefect logs all that it can there.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.embedded import engine_lock
from flows.room import read_token_key
from tests.builders import T0, make_world, phone, put, reachable
from waves.tokens import read_token

ROOT = Path(__file__).parents[2]
CHILD = '''
import json, sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from waves.errors import SendInDoubt
from flows.driver import advance_embedded
from tests.builders import DAY, HOUR, T0, make_world, plan_text, put, reachable, phone
from tests.steps import touch_of
from waves.outcomes import Outcome

world = make_world(Path(sys.argv[1]))
texts = world.config / "templates"
(texts / "hello.email.j2").write_text("Subject: {{ title }}\\n\\nQuokka {{ name }} {{ tier | upper }}")
(texts / "hello.sms.j2").write_text("Wombat {{ name }} {{ tier }} {{ token }}")
people = [reachable(n, tier="tantalum-9") for n in range(6)]
people[1] = replace(people[1], addresses=(("sms", "+1201\\n5550101"), *people[1].addresses[2:]))  # refused at once
people[2] = replace(people[2], addresses=(("email", "nobody at example.com"),))  # refused at once, nowhere to go
people[3] = replace(people[3], tier=None, addresses=people[3].addresses[2:3])  # no such template value
put(world.ledger, people)
world.start(plan_text("""
  - {wave: notice_one, channels: [{first_of: [sms, email]}], message: hello, release: 2h, listen: 1d}
  - {wave: later, enter: notice_one.missed, channels: [email], message: hello, release: 2h, listen: 1d}
""", name="autumn_renewal"))

moves = advance_embedded(world.room, T0)
world.report(touch_of(world, "notice_one", "c0", "sms").id, Outcome.BOUNCED_HARD)
moves += advance_embedded(world.room, T0 + HOUR)
moves += advance_embedded(world.room, T0 + 2 * HOUR)  # nothing is due


class Broken:
    provider = "broken"
    chunk = 500
    capabilities = world.room.channel("email").capabilities

    def send(self, messages, now, within_s):
        raise SendInDoubt("the line went dead in the middle of a chunk")

    def find(self, tokens):
        return None


world.room._channels["email"] = Broken()
try:
    advance_embedded(world.room, T0 + 2 * DAY)
except SendInDoubt as error:
    print("BROKE", error, flush=True)
world.room._channels.clear()
moves += advance_embedded(world.room, T0 + 2 * DAY + HOUR)
moves += advance_embedded(world.room, T0 + 4 * DAY)

from prefect import get_client

with get_client(sync_client=True) as client:
    runs = [[run.name, sorted(run.tags), run.state_name, run.parameters] for run in client.read_flow_runs()]
    books = [[a.key, a.type, a.description, a.data] for a in client.read_artifacts()]
print("SEEN " + json.dumps({"moves": moves, "runs": runs, "books": books}), flush=True)
'''


@dataclass(frozen=True)
class Ran:
    """What the child said and where it left its things."""

    home: Path
    prefect: Path
    said: str
    seen: dict[str, Any]


def child(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MULTIWAVE_"))}
    environment = kept | {"PREFECT_HOME": str(folder / "prefect"), "PYTHONPATH": str(ROOT), **more}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("embedded")
    loud = {f"PREFECT_LOGGING_{name}LEVEL": "DEBUG" for name in ("", "HANDLERS_CONSOLE_")}
    done = child(folder, "-c", CHILD, str(folder / "home"), **loud)
    assert done.returncode == 0, done.stderr[-4000:]
    seen = re.search(r"^SEEN (.*)$", done.stdout, re.M)
    assert seen, done.stdout
    said = done.stdout.replace(seen.group(0), "") + done.stderr
    return Ran(folder / "home", folder / "prefect", said, json.loads(seen.group(1)))


def test_the_campaign_went_all_the_way(ran: Ran) -> None:
    assert [(move["wave"], move["before"], move["after"]) for move in ran.seen["moves"]] == [
        ("notice_one", "pending", "open"),
        ("notice_one", "open", "open"),  # the next channel of those refused at once
        ("notice_one", "open", "open"),  # the next channel of the one that bounced
        ("later", "open", "open"),
        ("later", "open", "closed"),
    ]


def test_runs_are_named_and_tagged(ran: Ran) -> None:
    runs = Counter((name, " ".join(tags), state) for name, tags, state, _ in ran.seen["runs"])
    notice, later = ("campaign:autumn_renewal multiwave wave:" + name for name in ("notice_one", "later"))
    assert runs == {
        ("advance", "", "Completed"): 4,
        ("advance", "", "Failed"): 1,
        ("upkeep", "", "Completed"): 5,
        ("campaign-autumn_renewal-wave-notice_one", notice, "Completed"): 4,
        ("campaign-autumn_renewal-wave-later", later, "Completed"): 2,
        ("campaign-autumn_renewal-wave-later", later, "Failed"): 1,
    }
    assert {name for *_, given in ran.seen["runs"] for name in given} == {"home", "now", "campaign", "wave"}


def test_a_closed_wave_leaves_its_books(ran: Ran) -> None:
    books = {key: (kind, said, json.loads(rows)) for key, kind, said, rows in ran.seen["books"] if key}
    assert set(books) == {"autumn-renewal-notice-one", "autumn-renewal-later"}
    kind, said, rows = books["autumn-renewal-notice-one"]
    assert (kind, said) == ("table", "6 members, balanced: True")
    counts = {(row["book"], row["word"]): row["count"] for row in rows}
    assert counts[("verdict", "go")] == 6
    assert sum(count for (book, _), count in counts.items() if book == "part") == 6


def rows_of(path: Path) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [repr(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for name in tables}


def test_no_address_name_or_text_of_a_customer_gets_out(ran: Ran) -> None:
    """Law 8: all that Prefect stored, in every table and file, and all that the engine said."""
    stored = rows_of(ran.prefect / "prefect.db")
    for table in ("log", "artifact", "flow_run", "flow_run_state", "task_run", "events"):
        assert stored[table], table
    text = {name: "\n".join(rows) for name, rows in stored.items()} | {"said": ran.said}
    files = [path for path in ran.prefect.rglob("*") if path.is_file() and not path.name.startswith("prefect.db")]
    text |= {path.name: path.read_bytes().decode("utf-8", "replace") for path in files}
    key = read_token_key(make_world(ran.home).room.settings).decode()
    secrets = ["5550101", "nobody at", "Wombat", "Quokka", "tantalum-9", "TANTALUM-9", "push.example.com", key]
    secrets += [secret for n in range(6) for secret in (phone(n)[1:], f"c{n}@example.com", f"Name of c{n}")]
    assert [(name, secret) for name, held in text.items() for secret in secrets if secret in held] == []


def test_what_the_log_does_tell(ran: Ran) -> None:
    """Counts, and the tokens of what the provider did not take, which only the home's key opens."""
    log = "\n".join(rows_of(ran.prefect / "prefect.db")["log"])
    room = make_world(ran.home).room
    assert "SendInDoubt: the line went dead" in log
    assert "wave notice_one of autumn_renewal closed, balanced: True" in log
    tokens = re.findall(r"not accepted: ([A-Z2-7 ]+)", log)
    assert tokens
    assert {read_token(room.token_key, token)[0].name for line in tokens for token in line.split()} == {"TOUCH"}
    room.ledger.close()


def test_a_second_engine_is_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home")
    put(world.ledger, [reachable(1)])
    world.start(now=T0)
    program = ["-c", "from console.cli import main; main()", "--home", str(tmp_path / "home"), "advance"]
    with engine_lock(world.room):
        refused = child(tmp_path, *program, "--now", "2026-12-01T09:00Z")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "another multiwave process runs the flows of this home; wait for it or stop it" in refused.stderr
    assert "Traceback" not in refused.stderr
    # Before its start nothing is due: the lock is free again, and no Prefect is begun for nothing.
    allowed = child(tmp_path, *program, "--now", "2026-12-01T08:00Z")
    assert (allowed.returncode, allowed.stdout.strip()) == (0, "nothing is due")
    assert not (tmp_path / "prefect").exists()
    world.ledger.close()
