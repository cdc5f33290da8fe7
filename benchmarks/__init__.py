"""Benchmarks: tensorgrad beside other libraries, on the same work, in one run. `python -m benchmarks --help`."""
