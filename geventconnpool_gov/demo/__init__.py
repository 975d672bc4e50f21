"""The pool at work against a registry that misbehaves: `python -m geventconnpool_gov.demo`.

    __main__    the command line
    show        what happens, in which order
    clients     what a client does, and how it proves that a reply is its own
    mishaps     what goes wrong, and when
    tally       what was counted
    checks      whether the pool kept its promises
    live, lines     how it looks in a terminal, and elsewhere

Needs `trustme` and, for the live view, `rich`: the extra `demo`.
"""
