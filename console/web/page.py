"""A small page of ours for people: one card, no script, nothing from elsewhere, readable on a phone."""

from __future__ import annotations

from html import escape

from fastapi import Response

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
}
STYLE = """
:root { color-scheme: light dark;
  --ground: #f3f4f6; --card: #fff; --ink: #1b1f24; --quiet: #57606a; --accent: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --card: #1f242b; --ink: #e8eaed; --quiet: #a3acb6; --accent: #7fb0ff; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground);
  color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 27rem; background: var(--card); border-radius: 1rem; padding: 1.75rem 1.5rem;
  box-shadow: 0 1px 3px rgb(0 0 0 / .12); overflow-wrap: anywhere; }
h1 { font-size: 1.375rem; line-height: 1.25; margin: 0 0 .75rem; }
p { margin: 0 0 1.25rem; color: var(--quiet); }
p:last-child { margin-bottom: 0; }
form { margin: 0; display: grid; gap: .75rem; }
button { font: inherit; font-weight: 600; min-height: 3.25rem; padding: .75rem 1rem; border-radius: .625rem;
  width: 100%; border: 2px solid var(--accent); background: transparent; color: var(--accent); cursor: pointer; }
button.first { background: var(--accent); color: var(--card); }
button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
"""


def page(language: str, title: str, said: str, form: str = "", status: int = 200) -> Response:
    """The page with this heading and sentence; `form` is HTML of ours, all else is text."""
    text = (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(said)}</p>{form}</main></body></html>"
    )
    return Response(text, status, headers=HEADERS, media_type="text/html")
