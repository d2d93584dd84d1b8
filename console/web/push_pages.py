"""The files that a site's owner adds, and the pages about them, with our address and key filled in."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent / "static" / "push"
FILES = ("client.js", "worker.js")
SENDER = 'browsers: {channel: web_push, provider: webpush, webpush: {subject: "mailto:ops@example.com"}}'


class _Page(Template):
    """`@@name@@` is filled in; JavaScript and CSS have their own use for the dollar sign."""

    delimiter = "@@"
    pattern = r"@@(?:(?P<escaped>\b\B)|(?P<named>[a-z_]+)@@|(?P<braced>\b\B)|(?P<invalid>\b\B))"


def file_of(name: str, places: Mapping[str, str]) -> str | None:
    """One of the files as a site serves it; None when there is no such file."""
    if name not in FILES:
        return None
    filled = {key: json.dumps(value) for key, value in places.items()}
    return _Page((FOLDER / name).read_text("utf-8")).substitute(filled)


def page_of(name: str, places: Mapping[str, str], origins: Sequence[str], sends: bool) -> str:
    """One of the pages; `sends` says whether a sender of provider webpush is there."""
    filled = {key: html.escape(value) for key, value in places.items()}
    filled["style"] = (FOLDER / "page.css").read_text("utf-8")
    filled["snippet"] = html.escape((FOLDER / "snippet.html").read_text("utf-8"))
    sites = ", ".join(f"<code>{html.escape(origin)}</code>" for origin in origins)
    filled["answered"] = f"Browsers on {sites} may subscribe; whatever comes from another site is refused."
    if not origins:
        filled["answered"] = "No site is named yet, so none is answered but the demo on this page's own."
    filled["state"] = _state(places, origins, sends)
    return _Page((FOLDER / f"{name}.html").read_text("utf-8")).substitute(filled)


def _state(places: Mapping[str, str], origins: Sequence[str], sends: bool) -> str:
    """What is still to do here before a site can use the files, as list items; what is done is ticked."""
    steps = (
        (bool(places["key"]), "A key", "pushes are signed with it", "run", "multiwave keys"),
        (sends, "A sender", "campaigns push by it", "add to config/senders.yaml", SENDER),
        (
            bool(places["server"]),
            "A public address",
            "browsers reach this program there",
            "set",
            "MULTIWAVE_PUBLIC_URL=https://go.example.com",
        ),
        (
            bool(origins),
            "Your site",
            "no other site's visitors may subscribe",
            "set",
            'MULTIWAVE_SITE_ORIGINS=["https://www.example.com"]',
        ),
    )
    return "".join(
        f'<li class="{"done" if done else "open"}"><b>{what}</b>: {why}'
        + ("" if done else f"<br>{how} <code>{html.escape(command)}</code>")
        + "</li>"
        for done, what, why, how, command in steps
    )
