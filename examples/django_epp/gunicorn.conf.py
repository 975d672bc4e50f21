"""How does gunicorn run this application: which workers, and what when one starts and ends?"""

# Before anything else is imported: with `preload_app` the application is imported here, in the
# master, and what it imported unpatched would stay so in the workers.
from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
from typing import Any  # noqa: E402

worker_class = "gevent"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
preload_app = True  # imported once, shared by the workers; the pool is not made there
bind = os.environ.get("BIND", "127.0.0.1:8000")
graceful_timeout = 15  # longer than a command and a logout take


def post_worker_init(worker: Any) -> None:
    """In each worker, before its first request: open the sessions, beside the requests."""
    from registrar import sessions

    sessions.open_pool()


def worker_exit(server: Any, worker: Any) -> None:
    """In each worker, after its last request: log out, so that the registry has the places back."""
    from registrar import sessions

    sessions.close_pool()
