"""Tables that are remembered: as many as fit into so many bytes, also where several threads ask."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tensorgrad import kernels
from tensorgrad.kernels._remembered import remembered


def test_the_oldest_go_when_there_are_too_many_bytes():
    made = []

    @remembered(1000)
    def table(n):
        made.append(n)
        return np.zeros(n)

    for n in (50, 60, 50, 10, 70, 50, 60):  # 50 is asked for before 60 has to go
        assert table(n).size == n and table.held() <= 1000
    assert made == [50, 60, 10, 70, 50, 60]


def test_what_is_too_large_is_not_kept_and_drives_nothing_out():
    table = remembered(1000)(np.zeros)
    small = table(10)
    assert table(1000).nbytes == 8000
    assert table(10) is small and table.held() == 80


def test_threads_share_it():
    table = remembered(10_000)(np.zeros)
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda i: table(i % 40).size, range(4000)))
    assert sizes == [i % 40 for i in range(4000)] and table.held() == sum(8 * n for n in range(40))


def test_plans_of_convolutions_are_bounded():
    geometry = kernels.Geometry(4, 4, 1, (2, 2), 1)
    for plan, args in ((kernels.forward_plan, ()), (kernels.input_plan, (8,)), (kernels.backward_plan, (8,))):
        assert plan(geometry, *args) is plan(geometry, *args)
        assert 0 < plan.held() <= 2**28
