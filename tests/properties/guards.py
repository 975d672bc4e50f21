"""What stands in for the watch over a socket, where a connection has no peer?

It answers as `geventconnpool_gov.health.Guard` does, and its event is a callback of the loop, so
that a schedule can put it anywhere.
"""

from __future__ import annotations

from typing import Any

import gevent

__all__ = ["StandIn"]


class StandIn:
    """Watches a resource's `peer_closed`."""

    socket = None

    def __init__(self, resource: Any, entry: Any, listener: Any) -> None:
        self.resource, self.entry, self.listener = resource, entry, listener
        self.armed = False
        resource.guard = self

    @classmethod
    def over(cls, resource: Any, entry: Any, listener: Any) -> StandIn | None:
        return None if resource is None else cls(resource, entry, listener)

    def alive(self) -> bool:
        return not self.resource.peer_closed

    quiet = alive

    def arm(self) -> bool:
        self.armed = True
        if self.resource.peer_closed:
            self.stir()
        return True

    def disarm(self) -> None:
        self.armed = False

    close = disarm

    def stir(self) -> None:
        """The peer closed: whoever watches is told when the loop comes to it."""
        gevent.get_hub().loop.run_callback(self._tell)

    def _tell(self) -> None:
        if self.armed:
            self.armed = False
            self.listener.peer_stirred(self.entry)
