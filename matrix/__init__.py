"""On which gevent releases and CPythons does the suite pass? On each that can be had here.

    pythons.py       which CPythons stand on this machine
    combinations.py  which gevent on which CPython, all of them or the corners
    environment.py   an environment for each, made by uv, kept in .cache/
    suite.py         the part of the suite that is run in it, and what came of it
    run.py           all of them, two at a time; what has passed is not run again
    page.py          COMPATIBILITY.md, written and read

`python -m matrix` runs all and writes the page; `python -m matrix --corners` is what CI runs.
"""
