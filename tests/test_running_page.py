"""docs/running.md speaks of every figure, setting, error and log line, and of no others."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields

from test_papers import ROOT

import geventconnpool_gov
from geventconnpool_gov import ConnectionPool, PoolStats, errors
from geventconnpool_gov.statistics import REASONS

PAGE = (ROOT / "docs/running.md").read_text()
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")


def table(title: str) -> list[list[str]]:
    """The rows of the first table below this title, without its head."""
    _, _, below = PAGE.partition(f"# {title}\n")
    rows = re.search(r"^\|.*?\n(?=\n)", below, re.MULTILINE | re.DOTALL)
    assert rows is not None, title
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows[0].splitlines()[2:]]


def names(title: str) -> list[str]:
    return [row[0].strip("`") for row in table(title)]


def test_each_figure_is_described_in_its_order():
    assert names("What each figure means") == [field.name for field in fields(PoolStats)]


def test_each_reason_to_close_is_described():
    assert names("Why connections were closed") == list(REASONS)


def test_each_error_is_described():
    assert sorted(names("Errors")) == sorted(errors.__all__)


def test_each_setting_stands_in_the_table_with_its_default():
    parameters = list(inspect.signature(ConnectionPool.__init__).parameters.values())[1:]
    assert names("Settings and their counterparts") == [each.name for each in parameters]
    told = {
        row[0].strip("`"): row[1].strip("`") for row in table("Settings and their counterparts")
    }
    same_as_size = {"size": "required", "min_size": "size", "burst_limit": "size"}
    for each in parameters:
        default = each.default
        if each.name == "exc_classes":
            default = "(OSError,)"
        elif isinstance(default, float):
            default = f"{default:g}"
        assert told[each.name] == same_as_size.get(each.name, str(default))


def test_every_setting_that_is_spoken_of_is_one():
    settings = inspect.signature(ConnectionPool.__init__).parameters
    assert all(name in settings for name in names("Which limits"))
    assert set(re.findall(r"`(\w+)=", PAGE)) <= set(settings)


def test_each_line_of_the_log_is_explained():
    package = ROOT / geventconnpool_gov.__name__
    calls = set()
    for module in package.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level),
                    args=[ast.Constant(value=str(text)), *_],
                ) if level in LEVELS:
                    line = re.sub(r"%[.\d]*[a-z]", "…", text).removeprefix("…: ")
                    calls.add((level.upper(), line))
    assert {(row[0], row[1].strip("`")) for row in table("Log lines")} == calls
