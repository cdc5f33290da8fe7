"""What all tests share: hypothesis runs the same examples every time, and `--full` runs ten times as many.

Of tests marked `sampled(n)`, which try every op in many ways, one in n runs, always the same, unless `--full` asks for all.
"""

import zlib

from hypothesis import settings

settings.register_profile("quick", max_examples=100, derandomize=True, database=None, deadline=None)
settings.register_profile("full", settings.get_profile("quick"), max_examples=1000)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="ten times as many random examples, and every sampled test")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full"):
        return
    left_out = []
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is not None and zlib.crc32(item.nodeid.encode()) % mark.args[0]:
            left_out.append(item)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]
    config.hook.pytest_deselected(items=left_out)


def pytest_configure(config):
    settings.load_profile("full" if config.getoption("--full") else "quick")
