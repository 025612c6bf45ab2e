"""Hand out work to workers that may be lost, a bounded amount at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

W = TypeVar("W")
R = TypeVar("R")

#: So often is one piece of work tried.
MAX_TRIES = 3
_LOOK_S = 0.2


@dataclass(frozen=True)
class Failed:
    """Work that was given up, and why it failed the last time."""

    reason: str


class Dispatcher(Generic[W, R]):
    """Tries each piece of work up to MAX_TRIES times; may be used from several threads.

    Args:
        submit: begins a piece of work somewhere.
        limit: how many are under way at most, for all threads together.
        note: told a line when something is tried again.
    """

    def __init__(self, submit: Callable[[W], Future[R]], limit: int, note: Callable[[str], None]) -> None:
        self._submit = submit
        self._note = note
        self._free = threading.Semaphore(limit)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Make every `run` raise KeyboardInterrupt soon."""
        self._stopped.set()

    def run(self, works: Iterable[W]) -> Iterator[tuple[W, R | Failed]]:
        """Yield each piece of work with its result as it comes, not in the order of ``works``.

        ``works`` is asked for more when there is room for it, and never before.
        """
        under_way: dict[Future[R], tuple[W, int]] = {}
        rest = iter(works)
        has_more = True
        try:
            while has_more or under_way:
                # With nothing of its own under way this thread has to wait for others to make room.
                while has_more and self._free.acquire(timeout=_LOOK_S if not under_way else 0):
                    try:
                        work = next(rest, None)
                    except BaseException:
                        self._free.release()
                        raise
                    if work is None:
                        has_more = False
                        self._free.release()
                    else:
                        under_way[self._submit(work)] = (work, 1)
                if self._stopped.is_set():
                    raise KeyboardInterrupt
                finished, _ = wait(under_way, _LOOK_S, FIRST_COMPLETED)
                for future in finished:
                    work, tries = under_way.pop(future)
                    result = _outcome(future)
                    if isinstance(result, Failed) and tries < MAX_TRIES:
                        self._note(f"{work}: {result.reason}; try {tries + 1} of {MAX_TRIES}")
                        under_way[self._submit(work)] = (work, tries + 1)
                    else:
                        self._free.release()
                        yield work, result
        finally:
            for future in under_way:
                future.cancel()
                self._free.release()


def _outcome(future: Future[R]) -> R | Failed:
    try:
        return future.result()
    except Exception as error:  # whatever happens to a worker
        # Errors of a remote function carry the original one, whose words are for people.
        cause = getattr(error, "cause", None) or error
        text = " ".join(str(cause).split("\n\n")[0].split())
        return Failed(f"{type(cause).__name__}: {text}" if text else type(cause).__name__)
