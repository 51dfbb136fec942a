"""Ctrl-C while something else is done."""

import _thread
import threading
from contextlib import contextmanager

import pytest


@contextmanager
def interrupted(after):
    """Presses Ctrl-C some seconds later; what is done until then must end by it.

    The thread that presses runs only if the work has released the interpreter's lock.
    """
    timer = threading.Timer(after, _thread.interrupt_main)
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        yield
    assert timer.finished.is_set()
