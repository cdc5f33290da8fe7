"""What all tests share: hypothesis runs the same examples every time, and `--full` runs ten times as many."""

from hypothesis import settings

settings.register_profile("quick", max_examples=100, derandomize=True, database=None, deadline=None)
settings.register_profile("full", settings.get_profile("quick"), max_examples=1000)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="ten times as many random examples")


def pytest_configure(config):
    settings.load_profile("full" if config.getoption("--full") else "quick")
