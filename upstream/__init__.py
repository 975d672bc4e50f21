"""How the pinned release of upstream arrives, is verified, patched and built.

Nothing here is in the wheel. The standard library alone is needed, git for `checkout`, `export`
and `rebase`, and cyclonedx-python-lib for `sbom`.

    pin.py       which release, and the hashes that say so
    archive.py   the release's archive: from where, verified, its members read in memory
    index.py     the archive from the package index, without running its code
    rcs.py       a change as line numbers and added lines
    header.py    what a patch says about itself, in a patch file and in a commit message
    patch.py     one patch file
    series.py    the patch files in their order
    check.py     does everything fit together
    show.py      a patch as a unified diff, for reading
    dep3.py      the patches as unified diffs for others, outside the tree
    checkout.py  patches into git commits
    export.py    git commits into patches
    rebase.py    the patches onto a newer release
    releases.py  what the package index has
    watch.py     what is new: a gevent to try, a release of upstream's to read
    borrowed.py  does this tree hold any of upstream's text
    facts.py     what a release says of itself
    manifest.py  the hash of every file in the wheel
    sbom.py      the bill of materials
    backend.py   the build backend
    same_bytes.py  two builds of one tree are equal
    release.py   is this commit fit to be released
    tree.py      where the files stand

`python -m upstream --help` lists the commands.
"""
