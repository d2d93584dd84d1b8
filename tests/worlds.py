"""Small simulated worlds for the tests of rehearsals, over the customers of tests.builders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from config.world_file import WorldFile, load_world
from flows.rehearsal import Scene, scene_of
from tests.builders import HOUR, TYPES, World

WORLD = """\
seed: 7
segments:
  rich: {where: value >= 100}
channels:
  web_push: {bounced_hard: 0.05, silent: 0.1, seen: 0.6, seen_as: displayed, clicked: 0.15, unsubscribed: 0.02}
  sms:
    bounced_hard: 0.03
    bounced_soft: 0.08
    silent: 0.1
    seen: 0.8
    clicked: 0.2
    replied: 0.05
    hours: {9-12: 0.7}
    segments: {rich: {clicked: 0.5}}
  email: {bounced_soft: 0.05, silent: 0.1, seen: 0.4, seen_as: read, clicked: 0.3, complained: 0.01}
calls:
  invalid_number: 0.05
  wrong_number: 0.03
  answers: {right_party: 0.4, no_answer: 0.4, machine: 0.2}
  says: {sale: 0.25, not_interested: 0.6, dnc_request: 0.15}
conversions: {engaged: 0.4, unprompted: 0.03, value: {median: 100, spread: 0.4, currency: USD}}
agents: {days: [mon, tue, wed, thu, fri, sat, sun], capacity: {teams: {north: 1, south: 1}, hours: 6, handle_time: 20m}}
"""


def write_world(folder: Path, text: str = WORLD) -> WorldFile:
    """The world of this text, over the columns of the test customers."""
    path = folder / "world.yaml"
    path.write_text(text, encoding="utf-8")
    return load_world(path, TYPES)


@contextmanager
def scene(
    world: World, plan: str, text: str = WORLD, sample: int | None = None, step: timedelta = HOUR
) -> Iterator[Scene]:
    """A plan on the stage with a world of this text."""
    with scene_of(world.room, world.bundle(plan), write_world(world.config, text), sample, step) as made:
        yield made
