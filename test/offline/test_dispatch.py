"""Work handed out to workers that fail."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from emotional_dan_ros.offline.dispatch import Dispatcher, Failed


class Workers:
    """Squares numbers; fails as often as it is told to for each of them."""

    def __init__(self, failures: dict[int, int], num_threads: int = 2) -> None:
        self.pool = ThreadPoolExecutor(num_threads)
        self.tries: Counter[int] = Counter()
        self._failures = failures

    def submit(self, number: int) -> Future[int]:
        self.tries[number] += 1
        return self.pool.submit(self._work, number, self.tries[number])

    def _work(self, number: int, tries: int) -> int:
        if tries <= self._failures.get(number, 0):
            raise RuntimeError(f"no {number}\n\nand a page of traceback")
        return number * number


def test_lost_work_is_done_again() -> None:
    workers, notes = Workers({3: 1, 5: 2}), list[str]()
    results = dict(Dispatcher(workers.submit, 3, notes.append).run(range(10)))
    assert results == {number: number * number for number in range(10)}
    assert workers.tries == {**dict.fromkeys(range(10), 1), 3: 2, 5: 3}
    assert sorted(notes) == [
        "3: RuntimeError: no 3; try 2 of 3",
        "5: RuntimeError: no 5; try 2 of 3",
        "5: RuntimeError: no 5; try 3 of 3",
    ]


def test_what_fails_three_times_is_given_up_and_the_rest_finished() -> None:
    workers = Workers({2: 99, 7: 99})
    results = dict(Dispatcher(workers.submit, 4, lambda _: None).run(range(10)))
    assert results[2] == Failed("RuntimeError: no 2")
    assert results[7] == Failed("RuntimeError: no 7")
    assert {n: r for n, r in results.items() if n not in (2, 7)} == {n: n * n for n in range(10) if n not in (2, 7)}
    assert workers.tries[2] == workers.tries[7] == 3


def test_no_more_is_under_way_than_allowed() -> None:
    under_way, most, lock = 0, 0, threading.Lock()
    pool = ThreadPoolExecutor(8)

    def submit(number: int) -> Future[int]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        return pool.submit(work, number)

    def work(number: int) -> int:
        nonlocal under_way
        with lock:
            under_way -= 1
        return number

    dispatcher = Dispatcher(submit, 3, lambda _: None)
    done: list[list[int]] = [[], []]
    threads = [
        threading.Thread(target=lambda out=out: out.extend(n for n, _ in dispatcher.run(range(50)))) for out in done
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [sorted(out) for out in done] == [list(range(50))] * 2
    assert most <= 3


def test_work_is_only_asked_for_when_there_is_room() -> None:
    asked: list[int] = []
    gate = threading.Event()
    pool = ThreadPoolExecutor(2)

    def works() -> Iterator[int]:
        for number in range(6):
            asked.append(number)
            if number == 2:
                gate.set()  # as long as the first two are not done, nobody asks for the third
            yield number

    def submit(number: int) -> Future[bool]:
        return pool.submit(gate.wait, 0.3 if number < 2 else 60)

    results = dict(Dispatcher(submit, 2, lambda _: None).run(works()))
    assert not results[0] or not results[1]
    assert asked == list(range(6))


def test_stop_ends_it() -> None:
    gate = threading.Event()
    pool = ThreadPoolExecutor(1)
    dispatcher = Dispatcher(lambda _: pool.submit(gate.wait, 60), 2, lambda _: None)
    dispatcher.stop()
    with pytest.raises(KeyboardInterrupt):
        list(dispatcher.run(range(3)))
    gate.set()


def test_an_error_of_the_list_itself_comes_through_and_frees_its_room() -> None:
    workers = Workers({})

    def works() -> Iterator[int]:
        yield 1
        raise ValueError("no list")

    dispatcher = Dispatcher(workers.submit, 1, lambda _: None)
    for _ in range(3):
        with pytest.raises(ValueError, match="no list"):
            list(dispatcher.run(works()))
