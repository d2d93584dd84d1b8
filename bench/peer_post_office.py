"""The peer `django-post-office`: every mail queued by one `send_many`, then sent by `send_queued`, in big batches.

python -m bench.peer_post_office PORT CONTACTS DATABASE prints the seconds of both together. Failures alone are logged.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from psycopg.conninfo import conninfo_to_dict

from bench.peer_post import body_of


def database(url: str) -> dict[str, Any]:
    """Django's words for a SQLite file or a PostgreSQL."""
    if url.startswith("sqlite:///"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///")}
    parts = conninfo_to_dict(url)
    own = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {"ENGINE": "django.db.backends.postgresql", **{name: parts.get(key) or "" for name, key in own.items()}}


def main(port: int, contacts: int, url: str) -> float:
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={"default": database(url)},
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        POST_OFFICE={"BATCH_SIZE": 1000, "LOG_LEVEL": 1, "THREADS_PER_PROCESS": 8},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from post_office import mail
    from post_office.models import STATUS, Email

    began = time.perf_counter()
    mail.send_many(
        [
            {
                "sender": "campaigns@example.com",
                "recipients": [f"c{number}@example.com"],
                "subject": "A word",
                "message": body_of(number),
            }
            for number in range(contacts)
        ]
    )
    while mail.get_queued().exists():
        mail.send_queued(processes=1, log_level=1)
    seconds = time.perf_counter() - began
    if (sent := Email.objects.filter(status=STATUS.sent).count()) != contacts:
        raise RuntimeError(f"{sent} of {contacts} mails were sent")
    return seconds


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
