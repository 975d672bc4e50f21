"""Which registry, which credentials, how many sessions? Environment variables say."""

import os
import secrets

from geventconnpool_gov.epp import client_context

from .registry import OBJECTS, Login

ROOT_URLCONF = "registrar.urls"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or secrets.token_urlsafe(32)
USE_TZ = True


def epp_pool_arguments() -> dict[str, object]:
    """The arguments of a worker's `EppPool`; read when the pool is made, and kept nowhere.

    Each has the name under which a team finds it in its deployment; times are seconds.
    """
    get = os.environ.get
    return {
        "name": "registry",
        "hostname": os.environ["REGISTRY_HOSTNAME"],
        "port": int(get("REGISTRY_PORT", "700")),
        "login": Login(os.environ["REGISTRY_CL_ID"], os.environ["REGISTRY_PASSWORD"], OBJECTS),
        "ssl_context": client_context(
            ca_file=get("REGISTRY_CA_FILE"),
            cert_file=get("REGISTRY_CERT_FILE"),
            key_file=get("REGISTRY_KEY_FILE"),
            password=get("REGISTRY_KEY_PASSPHRASE"),
        ),
        # Sessions are few and shared by all processes: open what is used, up to this many.
        "size": int(get("EPP_POOL_SIZE", "5")),
        "min_size": int(get("EPP_POOL_MIN_SIZE", "1")),
        "idle_timeout": float(get("EPP_IDLE_TIMEOUT", "300")),
        # A request that cannot be served in time is told so, rather than the worker's whole queue.
        "timeout": float(get("EPP_POOL_TIMEOUT", "10")),
        "max_waiting": int(get("EPP_MAX_WAITING", "100")),
        "command_timeout": float(get("EPP_COMMAND_TIMEOUT", "15")),
        "connect_timeout": float(get("EPP_CONNECT_TIMEOUT", "10")),
        # The registry ends a session that idles for an hour, and any at its own pleasure.
        "keepalive": float(get("EPP_KEEPALIVE", "60")),
        "check_after": float(get("EPP_CHECK_AFTER", "30")),
        "max_lifetime": float(get("EPP_MAX_LIFETIME", "3000")),
        "leak_after": float(get("EPP_LEAK_AFTER", "60")),
    }
