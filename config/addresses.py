"""Addresses of servers that people write into files: https, unless it is this machine, and no secret in them."""

from __future__ import annotations

from urllib.parse import urlsplit

from waves.senders import is_loopback


def check_url(url: str, sample: str, secrets_go: str) -> None:
    """ValueError for what is no address of a server, or lets others read what is sent there.

    `sample` is one that may be written, `secrets_go` says where a password belongs instead.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"this is no address; write {sample}") from None
    if parts.scheme not in ("https", "http") or not host or not url.isascii() or any(map(str.isspace, url)):
        raise ValueError(f"this is no address; write {sample}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"a name or password is in the address; {secrets_go}")
    if parts.fragment:
        raise ValueError("delete what follows the #; it is never sent")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http:// is for a server on this machine only; write https://")
