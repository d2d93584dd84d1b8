"""The peer `pandas + twilio`: a frame of contacts, and the Twilio SDK's `messages.create` for each of its rows.

python -m bench.peer_twilio PORT CONTACTS prints the seconds. The SDK's own client, session and pool are kept; only the
address and the body's form are the sink's.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pandas as pd
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from bench.peer_post import body_of


class Loopback(TwilioHttpClient):
    """The SDK's client, every request of it to the sink."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.url, self.number = f"http://127.0.0.1:{port}/messages", 0

    def request(self, method: str, url: str, *rest: Any, **more: Any) -> Response:
        self.number += 1
        form = more["data"]
        message = {"token": f"t{self.number}", "address": form["To"], "fields": {"body": form["Body"]}}
        more["data"] = {"sender": "sms", "messages": [message]}
        more["headers"] = {**more["headers"], "Content-Type": "application/json"}
        return super().request(method, self.url, *rest, **more)


def main(port: int, contacts: int) -> float:
    client = Client("AC" + "0" * 32, "no token", http_client=Loopback(port))
    numbers = range(contacts)
    mobiles = [f"+1202555{number % 10_000:04}" for number in numbers]
    began = time.perf_counter()
    frame = pd.DataFrame({"mobile": mobiles, "body": [body_of(number) for number in numbers]})
    frame["sid"] = [
        client.messages.create(to=row.mobile, from_="+12025550100", body=row.body).sid for row in frame.itertuples()
    ]
    return time.perf_counter() - began


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2])))
