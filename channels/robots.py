"""Requests that no person made, as far as the request itself tells: mail scanners, previews, crawlers, prefetching."""

from __future__ import annotations

import re
from collections.abc import Mapping

AGENTS = (
    "bot", "crawl", "spider", "scan", "preview", "prefetch", "monitor", "validator", "facebookexternalhit", "whatsapp/",
    "slurp", "embedly", "iframely", "vkshare", "google-pagerenderer", "googleimageproxy", "google-safety",
    "feedfetcher", "yahoomailproxy", "barracuda", "proofpoint", "mimecast", "urldefense", "symantec", "messagelabs",
    "fireeye", "trendmicro", "trend micro", "sophos", "zscaler", "forcepoint", "ironport", "cloudmark", "vadesecure",
    "microsoft office existence", "ms-office", "safelinks", "headlesschrome", "phantomjs", "curl/", "wget/",
    "python-", "python/", "httpx", "aiohttp", "go-http-client", "libwww-perl", "java/", "apache-httpclient",
    "node-fetch", "axios/", "ruby", "okhttp-check", "winhttp",
)  # fmt: skip
"""What stands in the User-Agent of those that say what they are, in lower case."""
KNOWN = re.compile("|".join(map(re.escape, AGENTS)))
AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Headers by which a browser says that it only looks ahead."""


def robot(method: str, headers: Mapping[str, str]) -> str | None:
    """Why a request is a machine's: head, prefetch, agent; None when nothing in it says so."""
    if method == "HEAD":
        return "head"
    if any(word in headers.get(name, "").lower() for name in AHEAD for word in ("prefetch", "preview", "prerender")):
        return "prefetch"
    agent = headers.get("user-agent", "").lower().replace("cubot", "")  # a maker of telephones
    return "agent" if not agent.strip() or KNOWN.search(agent) else None
