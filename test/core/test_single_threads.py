"""Threads on each of which PyTorch computes alone."""

from __future__ import annotations

import threading

import pytest
import torch

from emotional_dan_ros.core.single_threads import SingleThreads


@pytest.fixture(autouse=True)
def _threads_of_pytorch():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(count):
    assert SingleThreads(count).map(lambda number: number * number, range(20)) == [n * n for n in range(20)]


def test_pytorch_is_alone_on_each_and_as_before_elsewhere():
    torch.set_num_threads(3)
    threads = SingleThreads(2)
    seen = threads.map(lambda _: (torch.get_num_threads(), torch.is_inference_mode_enabled()), range(8))
    assert set(seen) == {(1, True)}
    assert torch.get_num_threads() == 3
    assert not torch.is_inference_mode_enabled()


def test_as_many_compute_at_once_as_there_are_threads():
    together = threading.Barrier(2, timeout=60.0)
    SingleThreads(2).map(lambda _: together.wait(), range(2))  # a single thread would wait in vain


def test_one_thread_in_a_process_of_one_is_the_caller_s():
    torch.set_num_threads(1)
    here = threading.current_thread()
    assert SingleThreads(1).run(threading.current_thread) is here
    torch.set_num_threads(2)
    assert SingleThreads(1).run(threading.current_thread) is not here


def test_what_goes_wrong_is_raised():
    def fail() -> None:
        raise ValueError("no such face")

    with pytest.raises(ValueError, match="no such face"):
        SingleThreads(2).run(fail)
