"""What does a browser see, above all when the registry does not answer?"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from geventconnpool_gov import PoolError
from geventconnpool_gov.epp import TransportError

from . import sessions
from .registry import CheckDomain, is_available


def check(request: HttpRequest, name: str) -> HttpResponse:
    """Whether a domain can be registered."""
    try:
        response = sessions.send(CheckDomain([name]))
    except PoolError as error:  # no session within EPP_POOL_TIMEOUT, or too many wait already
        return _try_later(error)
    except TransportError as error:  # a check is sent again by itself; this was the third try
        return _try_later(error)
    if response.code != 1000:  # of what the registry said, the code is enough for a browser
        return JsonResponse({"error": f"the registry answered {response.code}"}, status=502)
    return JsonResponse({"name": name, "available": is_available(response)})


def health(request: HttpRequest) -> HttpResponse:
    """How the pool is: its figures, and 503 while it has no session and cannot get one."""
    stats = sessions.open_pool().stats()
    down = not stats.open and stats.last_connect_error is not None
    return JsonResponse(stats.as_dict(), status=503 if down else 200)


def metrics(request: HttpRequest) -> HttpResponse:
    """The figures of this worker's pool, for Prometheus; scrape each worker by itself."""
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _try_later(error: Exception) -> HttpResponse:
    # The text has figures and the kind of fault in it, and nothing secret.
    return JsonResponse({"error": str(error)}, status=503, headers={"Retry-After": "5"})
