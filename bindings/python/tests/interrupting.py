"""Ctrl-C while something else is done."""

import _thread
import signal
import threading
from contextlib import contextmanager

import pytest


@contextmanager
def interrupted(after):
    """Presses Ctrl-C some seconds later; what is done until then must end by it.

    The thread that presses runs only if the work has released the interpreter's lock. The handler is set because a shell
    starts what runs in its background with SIGINT ignored.
    """
    timer = threading.Timer(after, _thread.interrupt_main)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            yield
    finally:
        signal.signal(signal.SIGINT, before)
    assert timer.finished.is_set()
