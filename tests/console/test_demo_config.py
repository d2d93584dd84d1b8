from channels.registry import CAPABILITIES
from config.loading import check_plan, load_plan
from config.schema import attribute_types, load_schema
from config.world_file import load_world
from console.demo.bank import DEMO, WORLD, write_world
from console.demo.customers import CONSENTS, HEADER
from console.demo.odds import load_odds


def test_the_demo_plan_has_no_problem():
    assert check_plan(DEMO / "plan.yaml", DEMO, CAPABILITIES) == []


def test_the_plan_the_world_and_the_customers_speak_of_the_same(tmp_path):
    plan = load_plan(DEMO / "plan.yaml", DEMO, CAPABILITIES).plan
    schema, people = load_schema(DEMO), load_odds(DEMO / "people.yaml")
    write_world(tmp_path)
    world = load_world(tmp_path / WORLD, attribute_types(schema), plan).world
    assert [wave.wave for wave in plan.waves] == ["push", "notice", "call", "follow_up"]
    assert {name for wave in plan.waves for name in wave.channel_names} == {*world.channels, "call_list"}
    named = {schema.key, schema.name, schema.language, schema.household, *schema.columns}
    named |= {entry.column for entry in schema.addresses} | {entry.column for entry in schema.consent.values()}
    assert named <= set(HEADER)
    assert {entry.column: channel for channel, entry in schema.consent.items()} == CONSENTS
    assert set(people.consent) == set(CONSENTS.values())
