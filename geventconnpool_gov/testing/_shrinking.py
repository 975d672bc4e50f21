"""What is the least that still fails?

A list of choices is less than another when it is shorter, or as long and earlier in the order of
lists: fewer and smaller choices are fewer and smaller departures from first come, first run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["key", "shrink"]

MAX_TRIES = 1000


def key(choices: list[int]) -> tuple[int, list[int]]:
    """What lists of choices are ordered by."""
    return len(choices), choices


def shrink(choices: list[int], fails: Callable[[list[int]], list[int] | None]) -> list[int]:
    """The least list found from this one on; no single step that is tried makes it less.

    `fails` runs a list and returns the choices that were really made where it fails as before, or
    None. At most `MAX_TRIES` runs.
    """
    tries = 0
    improved = True
    while improved:
        improved = False
        for candidate in _smaller(choices):
            tries += 1
            if tries > MAX_TRIES:
                break
            made = fails(candidate)
            if made is not None and key(made) < key(choices):
                choices, improved = made, True
                break
    return choices


def _smaller(choices: list[int]) -> Iterator[list[int]]:
    """Lists that are less, those that promise most first: cut off, left out, lowered."""
    length = len(choices)
    cuts = [0, *(length - length // 2**step for step in range(1, 4)), length - 1]
    for cut in sorted({cut for cut in cuts if 0 <= cut < length}):
        yield choices[:cut]
    for at in range(length):
        yield choices[:at] + choices[at + 1 :]
    for at, choice in enumerate(choices):
        if choice:
            yield [*choices[:at], 0, *choices[at + 1 :]]
        if choice > 1:
            yield [*choices[:at], choice - 1, *choices[at + 1 :]]
