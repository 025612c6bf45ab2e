"""The worker's queue, with a process that waits where the test wants it to."""

from __future__ import annotations

import threading

from emotional_dan_ros.nodes.worker import Worker

WAIT_S = 10.0


class Gate:
    """A process that tells what it got and waits to be let through."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.entered = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)

    def __call__(self, item: int) -> None:
        self.seen.append(item)
        self.entered.release()
        assert self.leave.acquire(timeout=WAIT_S)

    def wait_until_busy(self) -> None:
        assert self.entered.acquire(timeout=WAIT_S)


def make(depth: int) -> tuple[Worker[int], Gate, list[int]]:
    gate, drops = Gate(), []
    return Worker(gate, depth, lambda: drops.append(1), "test"), gate, drops


def test_the_newest_wins():
    worker, gate, drops = make(depth=1)
    worker.start()
    worker.put(1)
    gate.wait_until_busy()
    for item in (2, 3, 4):
        worker.put(item)
    gate.leave.release()
    gate.wait_until_busy()
    gate.leave.release()
    worker.stop()
    assert gate.seen == [1, 4]
    assert len(drops) == 2


def test_a_deep_queue_keeps_the_order():
    worker, gate, drops = make(depth=3)
    worker.start()
    worker.put(1)
    gate.wait_until_busy()
    for item in (2, 3, 4):
        worker.put(item)
    for _ in range(4):
        gate.leave.release()
    for _ in range(3):
        gate.wait_until_busy()
    worker.stop()
    assert gate.seen == [1, 2, 3, 4]
    assert drops == []


def test_stopping_forgets_what_waits_and_draining_does_not():
    for drain, expected in ((False, [1]), (True, [1, 2])):
        worker, gate, _ = make(depth=5)
        worker.start()
        worker.put(1)
        gate.wait_until_busy()
        worker.put(2)
        stopper = threading.Thread(target=worker.stop, args=(drain,))
        stopper.start()
        while worker._running:  # the stop has begun; the worker is still inside the first item
            stopper.join(0.001)
        gate.leave.release()
        gate.leave.release()
        stopper.join(WAIT_S)
        assert not stopper.is_alive()
        assert gate.seen == expected


def test_a_stopped_worker_takes_nothing_and_starts_again():
    worker, gate, _ = make(depth=1)
    worker.put(1)
    worker.start()
    worker.stop()
    worker.put(2)
    worker.start()
    worker.put(3)
    gate.wait_until_busy()
    gate.leave.release()
    worker.stop()
    assert gate.seen == [3]


def test_the_process_itself_may_stop_the_worker():
    done = threading.Event()

    def process(_: int) -> None:
        worker.stop()
        done.set()

    worker: Worker[int] = Worker(process, 1, lambda: None, "test")
    worker.start()
    worker.put(1)
    assert done.wait(WAIT_S)


def make_pair(monkeypatch, longest_s: float) -> tuple[Worker[int], Gate, Worker[int], Gate, list[int]]:
    """A worker that gives way for so long, and the one that it gives way to, which is at work."""
    monkeypatch.setattr("emotional_dan_ros.nodes.worker.LONGEST_WAIT_S", longest_s)
    first, first_gate, drops = make(depth=1)
    second, second_gate, _ = make(depth=1)
    first.give_way_to(second)
    first.start()
    second.start()
    second.put(1)
    second_gate.wait_until_busy()
    return first, first_gate, second, second_gate, drops


def finish(*pairs: tuple[Worker[int], Gate]) -> None:
    for worker, gate in pairs:
        for _ in range(5):
            gate.leave.release()
        worker.stop()


def test_who_gives_way_begins_with_the_newest_when_the_other_is_done(monkeypatch):
    first, first_gate, second, second_gate, drops = make_pair(monkeypatch, WAIT_S)
    second.put(2)  # waits: it counts, too
    for item in (10, 11, 12):
        first.put(item)
    assert not second.is_idle
    second_gate.leave.release()
    second_gate.wait_until_busy()
    assert first_gate.seen == []
    second_gate.leave.release()
    first_gate.wait_until_busy()
    assert first_gate.seen == [12]
    assert len(drops) == 2
    finish((first, first_gate), (second, second_gate))


def test_nobody_waits_for_a_worker_that_hangs(monkeypatch):
    first, first_gate, second, second_gate, _ = make_pair(monkeypatch, 0.01)
    first.put(10)
    first_gate.wait_until_busy()
    assert first_gate.seen == [10]
    finish((first, first_gate), (second, second_gate))


def test_a_worker_that_stops_is_waited_for_no_longer(monkeypatch):
    first, first_gate, second, second_gate, _ = make_pair(monkeypatch, 10 * WAIT_S)
    second.put(2)
    first.put(10)
    stopper = threading.Thread(target=second.stop)
    stopper.start()
    second_gate.leave.release()
    stopper.join(WAIT_S)
    first_gate.wait_until_busy()
    finish((first, first_gate), (second, second_gate))


def test_who_gives_way_can_be_stopped_while_waiting(monkeypatch):
    first, first_gate, second, second_gate, _ = make_pair(monkeypatch, 10 * WAIT_S)
    first.put(10)
    stopper = threading.Thread(target=first.stop)
    stopper.start()
    stopper.join(WAIT_S)
    assert not stopper.is_alive()
    assert first_gate.seen == []
    finish((second, second_gate))
