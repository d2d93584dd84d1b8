"""The inbox's script in a real browser, on a page of another site: what it shows, and what it tells."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, Route, sync_playwright

from channels.spool import Spool
from console.web.app import make_app
from console.web.door import Door
from flows.spooling import merge_spool
from tests.builders import DAY, T0, Person, World, make_world, plan_text, put
from tests.steps import touch_of, touch_words
from waves.tokens import make_customer_token

SITE = "http://localhost:8999"
ARGS = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]
"""The pages are made up by the test, so that for the browser they come from nowhere; our server is on this machine."""
OTHER = "http://localhost:8998"
PAGE = '<div id="here"></div><script src="{server}/inbox/client.js" data-customer="{token}" data-into="#here"></script>'
WAVES = "  - {wave: note, channels: [inbox], message: hello, release: 2h, listen: 1d}\n"
TEXT = "Title: News for {{ name }}\nUrl: http://localhost:8999/renew\n\n<img src=x onerror=alert(1)> Hello."


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no chromium here; on Debian: apt-get install chromium"
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=path, args=ARGS)
        made = opened.new_page()
        made.set_default_timeout(20_000)
        yield made
        opened.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", site_origins=[SITE])
    (made.config / "templates" / "hello.inbox.j2").write_text(TEXT)
    put(made.ledger, [Person("c0", (("inbox", "user-0"),))])
    made.start(plan_text(WAVES))
    made.ledger.set_now(T0)
    made.advance(T0)
    yield made
    made.ledger.close()


@pytest.fixture
def server(world: World) -> Iterator[str]:
    bound, spool = socket.create_server(("127.0.0.1", 0)), Spool(world.room.settings.spool_folder)
    config = uvicorn.Config(make_app(Door(world.room, spool, clock=lambda: T0)), log_config=None, lifespan="off")
    made = uvicorn.Server(config)
    running = threading.Thread(target=made.run, kwargs={"sockets": [bound]})
    running.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    made.should_exit = True
    running.join()
    spool.close()
    bound.close()
    merge_spool(world.room, T0)


def opened(page: Page, server: str, world: World, site: str) -> None:
    """A page of a site that has the script on it."""
    token = make_customer_token(world.room.token_key, touch_of(world, "note", "c0").customer, T0 + 3000 * DAY)
    html = PAGE.format(server=server, token=token)

    def answer(route: Route) -> None:
        route.fulfill(body=html, content_type="text/html")

    page.route(f"{site}/**", answer)
    page.goto(f"{site}/")


def test_a_message_is_shown_as_text_told_of_and_goes_when_it_is_closed(page: Page, server: str, world: World) -> None:
    with page.expect_response(f"{server}/inbox/beacon") as displayed:
        opened(page, server, world, SITE)
    assert displayed.value.status == 202
    box = page.locator("#here .multiwave-message")
    assert box.locator(".multiwave-title").inner_text() == "News for Name of c0"
    assert "<img src=x" in box.locator(".multiwave-body").inner_text()
    assert page.locator("img").count() == 0
    with page.expect_response(f"{server}/inbox/beacon") as dismissed:
        box.get_by_role("button", name="close").click()
    assert dismissed.value.status == 202
    assert box.count() == 0


def test_a_click_leads_to_the_sites_own_page(page: Page, server: str, world: World) -> None:
    opened(page, server, world, SITE)
    page.locator("#here .multiwave-link").click()
    page.wait_for_url(f"{SITE}/renew")


def test_a_page_of_a_strange_site_is_shown_nothing(page: Page, server: str, world: World) -> None:
    with page.expect_event("requestfailed", lambda asked: asked.url == f"{server}/inbox"):
        opened(page, server, world, OTHER)
    assert page.locator(".multiwave-message").count() == 0
    assert touch_words(world, "note")["c0"] == [("inbox", "sent", None, None)]
