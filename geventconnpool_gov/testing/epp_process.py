"""What runs in the test registry's process: `EppRegistry` starts it and gives it orders.

Run as `python -m geventconnpool_gov.testing.epp_process '{"session_limit": 8}'`. It prints one JSON
line when it is ready, then obeys JSON lines on its standard input (`{"id": 1, "do": "figures",
"options": {}}`), and ends when that ends: it never outlives whoever started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from gevent.fileobject import FileObjectThread

from .certificates import Authority
from .epp_server import HOST, Server


def _obey(server: Server, do: str, options: dict[str, Any]) -> Any:
    faults = server.faults
    if do in ("figures", "changes", "drop", "log_out", "restart", "post", "reset"):
        return getattr(server, do)(**options)
    if do == "delay":
        faults.delay, faults.spread = options.get("seconds", 0.0), options.get("spread", 0.0)
    elif do == "refuse_login":
        faults.refuse_login = options.get("code", 2200)
    elif do == "black_hole":
        faults.black_hole = options.get("on", True)
    elif do == "turn_away":
        faults.turn_away = options.get("count", 1)
    elif do == "session_limit":
        server.session_limit = options["limit"]
    elif do == "clear":
        server.clear()
    else:
        faults.order(do, **options)
    return None


def _main() -> None:
    settings: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    output = os.fdopen(os.dup(1), "w", buffering=1)
    # Ctrl-C reaches the whole foreground group; whoever started this process decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with tempfile.TemporaryDirectory(prefix="epp-registry-") as folder:
        authority = Authority()
        ca_file, client_file = authority.write_to(Path(folder))
        require_client = settings.pop("client_certificate", False)
        server = Server(authority.server_context(require_client=require_client), **settings)
        ready = {
            "host": HOST,
            "port": server.port,
            "ca_file": str(ca_file),
            "client_file": str(client_file),
            "credentials": server.credentials,
        }
        print(json.dumps(ready), file=output)
        for line in FileObjectThread(0, "rb", closefd=False):
            order: dict[str, Any] = json.loads(line)
            try:
                answer = {"value": _obey(server, order["do"], order["options"])}
            except (TypeError, ValueError, KeyError) as error:
                answer = {"error": str(error)}
            print(json.dumps({"id": order["id"], **answer}), file=output)
        server.stop()


if __name__ == "__main__":
    _main()
