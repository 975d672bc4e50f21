"""What does the fork do that upstream does not, seen by running both?

Each `Difference` is a row of the table in README.md and an observation that is true of upstream and
not of the fork. `test_upstream_beside.py` makes each observation on both and fails where the table
is not current; ``PYTHONPATH=.:tests python tests/properties/differences.py`` writes it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import observations as see

from upstream.pin import read_pin
from upstream.tree import this_tree

__all__ = ["DIFFERENCES", "README", "Difference", "with_table"]

README = Path(__file__).parent.parent.parent / "README.md"
SECTION = re.compile(r"(?<=<!-- differences -->\n).*?(?=<!-- end of differences -->\n)", re.DOTALL)


@dataclass(frozen=True)
class Difference:
    """One row, and how it is seen: `observe` is true of upstream and not of the fork."""

    observe: Callable[[Any], bool]
    upstream: str
    here: str
    patches: tuple[str, ...]
    why: str


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def with_table(readme: str, seen: list[Difference]) -> str:
    """This text with the table of what was seen."""
    release = read_pin(this_tree().pin).version
    table = row(f"upstream {release}", "here", "patch", "why") + "|---|---|---|---|\n"
    for each in seen:
        table += row(each.upstream, each.here, ", ".join(each.patches), each.why)
    assert SECTION.search(readme)
    return SECTION.sub(lambda _: table, readme)


DIFFERENCES = (
    Difference(
        see.cannot_be_imported,
        "cannot be imported with a gevent or a Python of today",
        "works",
        (
            "import-the-semaphore-from-its-present-module",
            "count-with-the-range-of-python-3",
            "name-functions-as-python-3-does",
        ),
        "gevent moved a module, Python 3 renamed two things",
    ),
    Difference(
        see.a_failed_connect_costs_a_slot,
        "a connect that raises costs a slot for ever",
        "it is tried again, with backoff up to 30 s and full jitter",
        ("open-connections-beside-the-callers",),
        "an outage must end when it ends",
    ),
    Difference(
        see.a_hanging_connect_is_waited_for,
        "a connect that hangs is waited for without end",
        "`connect_timeout`, 30 s",
        ("open-connections-beside-the-callers",),
        "a black hole is a fault like any other",
    ),
    Difference(
        see.a_free_slot_waits_a_second,
        "a slot that became free is filled after a second",
        "at once",
        ("open-connections-beside-the-callers",),
        "somebody waits for it",
    ),
    Difference(
        see.one_object_passes_for_two,
        "one object returned by every `_new_connection` passes for many connections",
        "`SharedConnectionError`",
        ("keep-one-account-of-capacity",),
        "two callers would read each other's replies",
    ),
    Difference(
        see.a_child_process_has_its_parents,
        "a forked child uses its parent's connections",
        "it opens its own at its first use",
        ("keep-one-account-of-capacity",),
        "both would read from one socket",
    ),
    Difference(
        see.conn_is_a_deque,
        "`conn` and `lock` are a deque and a semaphore",
        "they are views of one account, and behave like them",
        ("show-the-account-to-subclasses",),
        "two accounts drift apart",
    ),
    Difference(
        see.an_interrupted_lease_goes_back,
        "a kill or a Timeout in use puts the half-read connection back",
        "it is closed",
        ("lend-through-a-lease",),
        "the next caller would read the rest",
    ),
    Difference(
        see.a_newcomer_overtakes,
        "a newcomer can overtake a waiter, for ever",
        "first come, first served",
        ("lend-through-a-lease",),
        "the unluckiest of 100 clients waited 90 rounds",
    ),
    Difference(
        see.a_call_cannot_be_limited,
        "`get` waits for ever",
        "`timeout`, `max_waiting`; the default is still for ever",
        ("lend-through-a-lease",),
        "a hang is no answer",
    ),
    Difference(
        see.the_keepalive_ends_at_an_error,
        "the keepalive ends at the first error that is none of `exc_classes`",
        "it goes on; that connection is replaced",
        ("survive-a-failed-keepalive",),
        "it is there for bad days",
    ),
    Difference(
        see.the_keepalive_probes_what_is_in_use,
        "the keepalive takes its turn among the callers and probes connections in use a moment ago",
        "it probes what has been idle for `keepalive` seconds, and never queues",
        ("survive-a-failed-keepalive",),
        "a connection in use needs no proof",
    ),
    Difference(
        see.what_is_discarded_stays_open,
        "a discarded connection is never closed",
        "it is closed, within `check_timeout`",
        ("close-discarded-connections",),
        "at a session limit every lost one counts",
    ),
    Difference(
        see.there_is_no_close,
        "a pool cannot be closed, nor collected",
        "`close`, `with pool:`; an abandoned pool is collected",
        ("close-the-pool",),
        "tests, reloads, shutdowns",
    ),
    Difference(
        see.the_dead_are_lent,
        "a connection that its peer has closed is lent",
        "it is found first and replaced",
        ("look-at-the-socket-before-lending",),
        "registries end idle sessions",
    ),
    Difference(
        see.the_size_is_fixed,
        "always `size` connections",
        "`min_size`, `idle_timeout`, `burst_limit`, `resize`, `drain`; the default is still `size`",
        ("breathe-with-the-load",),
        "at a session limit an idle one is missing elsewhere",
    ),
    Difference(
        see.nothing_ends_a_life,
        "a connection lives until it breaks",
        "`max_lifetime`, off by default",
        ("end-lifetimes",),
        "peers and firewalls end it at a worse time",
    ),
    Difference(
        see.nothing_is_asked_before_lending,
        "nothing is asked before lending",
        "`check_after` and `_check`, off by default",
        ("check-before-lending",),
        "some deaths leave no trace on the socket",
    ),
    Difference(
        see.there_are_no_figures,
        "nobody can tell what it is doing",
        "`stats()`: counts that add up, and how long waits, leases and connects take; `leak_after`",
        ("tell-the-figures",),
        "a pool that nobody can see into gets the blame",
    ),
    Difference(
        see.retry_takes_no_arguments,
        "`@retry(…)` with arguments fails",
        "all documented forms work",
        ("retry-in-every-form-that-is-documented",),
        "the documentation shows it",
    ),
    Difference(
        see.retry_sleeps_before_it_gives_up,
        "`retry` sleeps once more before it gives up; other default log texts",
        "it gives up at once",
        ("retry-in-every-form-that-is-documented",),
        "the last sleep helps nobody",
    ),
)


def main() -> None:
    """Write the table of README.md anew, from what is seen now."""
    # What is observed is mostly trouble, and its log lines would read as trouble with this command.
    logging.getLogger().addHandler(logging.NullHandler())
    seen = [
        each
        for each in DIFFERENCES
        if each.observe(see.upstream()) and not each.observe(see.fork())
    ]
    README.write_text(with_table(README.read_text(), seen))
    print(f"{README}: {len(seen)} differences")
    for each in DIFFERENCES:
        if each not in seen:
            print(f"no longer seen, and left out: {each.upstream}")


if __name__ == "__main__":
    main()
