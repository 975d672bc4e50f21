"""Which faults must the model checking find?

Each is one line of the pool changed for another, and the scenario of `model` that must fail then.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True)
class Fault:
    """One line changed for the worse, and what finds it."""

    name: str
    module: str
    line: str
    instead: str
    events: tuple[str, ...]
    clients: int = 2
    size: int = 1
    guarded: bool = False


FAULTS = (
    Fault(
        "the latest to come is served first",
        *("ledger", "waiter = self.waiters.popleft()", "waiter = self.waiters.pop()"),
        events=("kill",),
        clients=3,
    ),
    Fault(
        "one who gives up waiting is still counted",
        *("ledger", "self.dead += 1", "self.dead += 0"),
        events=("kill_the_next",),
    ),
    Fault(
        "a close that is under way leaves its place",
        "ledger",
        "return self.limit - len(self.open) - self.opening - self.closing",
        "return self.limit - len(self.open) - self.opening",
        events=("break_in_use",),
    ),
    Fault(
        "what was handed to an interrupted waiter is lost",
        *("borrowing", "core.give_back(waiter.entry)", "pass"),
        events=("time_out",),
    ),
    Fault(
        "an interrupted waiter stays in the queue",
        *("borrowing", "if waiter.state is WAITING:", "if False:"),
        events=("kill_the_next",),
    ),
    Fault(
        "a connection discarded on its way to a waiter is lent",
        "borrowing",
        "if entry.fate is not None:  # decided since it was handed over: closed, or started over",
        "if False:",
        events=("discard",),
    ),
    Fault(
        "a connection that its peer has closed is lent",
        *("borrowing", "if not guard.alive():", "if False:"),
        events=("close_by_the_peer",),
        guarded=True,
    ),
    Fault(
        "a connection is lent after its lifetime",
        "borrowing",
        "if entry.expires_at < inf and entry.expires_at <= clock.monotonic():",
        "if False:",
        events=("expire",),
    ),
    Fault(
        "an interrupted lease puts its connection back",
        *("borrowing", 'core.retire(entry, "interrupted")', "core.give_back(entry)"),
        events=("kill",),
    ),
    Fault(
        "a connection that broke in use is put back",
        *("borrowing", 'core.retire(entry, "broken")', "core.give_back(entry)"),
        events=("break_in_use",),
    ),
    Fault(
        "a failed connect costs a place",
        *("attempts", "self.core.ledger.opening_failed()", "pass"),
        events=("fail_a_connect",),
    ),
    Fault(
        "a new connection is nobody's",
        *("attempts", "core.welcome(entry)", "pass"),
        events=("kill",),
    ),
    Fault(
        "a closed connection costs a place",
        *("closing", "self.core.ledger.closed_one()", "pass"),
        events=("break_in_use",),
    ),
    Fault(
        "the place of a closed connection is not filled",
        *("closing", "self.core.opener.pump()", "pass"),
        events=("break_in_use",),
    ),
    Fault(
        "who waits when the pool closes is not told",
        *(
            "closing",
            "waiting, idle = ledger.shut_down()",
            "waiting, idle = [], ledger.shut_down()[1]",
        ),
        events=("close",),
    ),
    Fault(
        "what comes back to a closed pool stays open",
        *("core", 'self.retire(entry, "discarded" if fate else "shutdown")', "pass"),
        events=("close",),
    ),
    Fault(
        "an idle connection that its peer has closed stays",
        *("core", 'self.retire(entry, "peer_closed")', "pass"),
        events=("close_by_the_peer",),
        guarded=True,
    ),
    Fault(
        "closes are not counted",
        *("core", "self.tally.closed[reason] += 1", "pass"),
        events=("break_in_use",),
    ),
    Fault(
        "a smaller pool keeps what is idle",
        *("resizing", 'core.retire(oldest, "drained")', "break"),
        events=("shrink",),
        size=2,
    ),
    Fault(
        "a lease after another takes no time",
        *("metering", "entry.plain = entry.simple = False", "pass"),
        events=("kill",),
        clients=3,
    ),
)
