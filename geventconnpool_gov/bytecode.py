"""Does a compiled file in `__pycache__` hold what its source says?

Python runs the compiled file and never looks at the source again, as long as the time and the size
that the file names are the source's. So a compiled file that was exchanged is a module exchanged.
"""

from __future__ import annotations

import importlib.util
import marshal
import re
import sys
from pathlib import Path

__all__ = ["belies"]

_NAME = re.compile(r"(?P<module>\w+)\.(?P<tag>[\w-]+)(\.opt-(?P<level>[12]))?\.pyc")


def belies(compiled: Path) -> bool:
    """Say whether this Python would run `compiled`, and something else than its source says.

    Compiled files of other Pythons, those that are out of date, and those whose source is gone are
    never run by this one.
    """
    match = _NAME.fullmatch(compiled.name)
    source = compiled.parent.parent / f"{match['module']}.py" if match else None
    if not match or match["tag"] != sys.implementation.cache_tag:
        return False
    if source is None or not source.is_file():
        return False
    content = compiled.read_bytes()
    if content[:4] != importlib.util.MAGIC_NUMBER or _out_of_date(content, source):
        return False
    try:
        text, level = source.read_bytes(), int(match["level"] or 0)
        expected = compile(text, str(source), "exec", dont_inherit=True, optimize=level)
        return bool(marshal.loads(content[16:]) != expected)
    except (SyntaxError, ValueError, EOFError, TypeError):
        return True


def _out_of_date(content: bytes, source: Path) -> bool:
    """Say whether Python would compile the source again; a hash in place of times is not asked."""
    if int.from_bytes(content[4:8], "little"):
        return False
    status = source.stat()
    names = (int.from_bytes(content[8:12], "little"), int.from_bytes(content[12:16], "little"))
    return names != (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
