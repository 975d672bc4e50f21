"""What is asked, and how is a reply proven? Each request carries a name that no other has.

A change of a domain is noted with what its caller knows of it; the registry counts what it did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geventconnpool_gov import PoolError
from geventconnpool_gov.demo.clients import proves
from geventconnpool_gov.epp import Response, TransportError
from geventconnpool_gov.testing.epp_queries import change_domain, check_domains, info_domain
from soak.echo import EchoClient
from soak.stage import Stage

_VERBS = ("renew", "update", "delete", "create")


def exchange(stage: Stage, client: EchoClient) -> None:
    """Ask the echo server something, and see that the answer is the one to that."""
    text = next(stage.names)
    reply = client.ask(text)
    stage.tally.judge(client.proves(reply, text), f"{text} from port {client.port}", reply)


def query(stage: Stage, send: Callable[[Any], Any]) -> None:
    """Ask the registry about a domain, by `send`."""
    name = next(stage.names)
    if stage.chance.random() < 0.3:
        name = f"free-{name}"
        reply = send(check_domains([name]))
    else:
        reply = send(info_domain(name))
    judge(stage, reply, name, proves(reply, name))


def change(stage: Stage, send: Callable[[Any], Any]) -> None:
    """Have the registry change a domain that nobody else changes; note what is known of it."""
    verb, name = stage.chance.choice(_VERBS), next(stage.names)
    changes, key = stage.tally.changes, f"{verb} {name}"
    changes[key] = "begun"
    try:
        reply = send(change_domain(verb, name))
    except TransportError as error:
        changes[key] = "in doubt" if error.maybe_executed else "not done"
        raise
    except PoolError:
        changes[key] = "not done"
        raise
    changes[key] = "done" if reply.succeeded else "not done"
    told = reply.texts(".//{*}resData/*/{*}name")
    judge(stage, reply, name, told == ([name] if verb in ("renew", "create") else []))


def judge(stage: Stage, reply: Response, name: str, right: bool) -> None:
    """Count a reply of the registry: one that refuses is nobody's mistake."""
    if reply.succeeded:
        stage.tally.judge(right, name, reply)
    else:
        stage.tally.failed[f"code {reply.code}"] += 1
