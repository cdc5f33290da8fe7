"""Ctrl-C that waits for the end of the step, so that no parameter is updated without the others."""

import signal
import threading


class Interrupt:
    """Inside the `with` block Ctrl-C only sets `.requested`; a second one stops at once, as always.

    Only the main thread gets signals, and a handler that somebody else installed is left alone.
    """

    def __init__(self):
        self.requested = False

    def __enter__(self):
        self.installed = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self.installed:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __exit__(self, *_):
        if self.installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
