"""Outputs appear under their names only when they are whole.

Everything is written to a hidden sibling first: on the same file system, so that the final rename is one
step, and recognisable by its name, so that what a killed run left behind can be swept.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Every unfinished output lies in a folder whose name begins so.
UNFINISHED_PREFIX = ".unfinished-"


@contextmanager
def whole_or_nothing(target: Path, optional: bool = False) -> Iterator[Path]:
    """Yield a path of the same name to write a file or folder to; move it to ``target`` when the block succeeds.

    An existing target is replaced. When the block raises, the target stays as it was and nothing is left behind.
    ``optional`` allows the block to write nothing; a target of an earlier run is removed then, so that it does not
    pass for the new one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=target.parent))
    try:
        unfinished = workshop / target.name
        yield unfinished
        if optional and not unfinished.exists():
            target.unlink(missing_ok=True)
        else:
            put_in_place(unfinished, target)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def put_in_place(finished: Path, target: Path) -> None:
    """Move a file or folder to its name, in place of what bore the name before."""
    if finished.is_dir() and target.exists():
        # A folder cannot be renamed over a full one; the old one steps aside for the length of one rename.
        aside = finished.parent / f"{target.name}.old"
        target.replace(aside)
        finished.replace(target)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        finished.replace(target)


def sweep_unfinished(folder: Path) -> None:
    """Remove what a killed run left unfinished in ``folder``; nobody else may be writing there."""
    for leftover in folder.glob(f"{UNFINISHED_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
