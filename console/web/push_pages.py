"""The files that a site's owner adds, and the pages about them, with our address and key filled in."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent / "static" / "push"
FILES = ("client.js", "worker.js")
PAGES = ("owner", "demo")


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


def page_of(name: str, places: Mapping[str, str], origins: Sequence[str]) -> str:
    """One of the pages."""
    filled = {key: html.escape(value) for key, value in places.items()}
    filled["style"] = (FOLDER / "page.css").read_text("utf-8")
    filled["snippet"] = html.escape(_Page((FOLDER / "snippet.html").read_text("utf-8")).substitute(filled))
    filled["origins"] = "".join(f"<li><code>{html.escape(origin)}</code></li>" for origin in origins)
    filled["state"] = _state(places, origins)
    return _Page((FOLDER / f"{name}.html").read_text("utf-8")).substitute(filled)


def _state(places: Mapping[str, str], origins: Sequence[str]) -> str:
    """What is still to do here before a site can use the files, as list items; what is done is ticked."""
    steps = (
        (bool(places["key"]), "A key", "pushes are signed with it", "multiwave keys"),
        (
            bool(places["server"]),
            "A public address",
            "browsers reach this program there",
            "MULTIWAVE_PUBLIC_URL=https://go.example.com",
        ),
        (bool(origins), "Your site", "nobody else's is answered", 'MULTIWAVE_SITE_ORIGINS=["https://www.example.com"]'),
    )
    return "".join(
        f'<li class="{"done" if done else "open"}"><b>{what}</b>: {why}'
        + ("" if done else f"<br>run or set <code>{html.escape(command)}</code>")
        + "</li>"
        for done, what, why, command in steps
    )
