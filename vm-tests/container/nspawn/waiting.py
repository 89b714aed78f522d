"""Asking again until it is so."""

import time
from collections.abc import Callable


class RequestedAssertionFailed(Exception):  # noqa: N818 (the NixOS driver's own name)
    """What a test asked for is not so."""


def retry(
    is_so: Callable[[bool], bool], timeout: float = 900, interval: float = 0.25
) -> None:
    """Asks until the answer is yes; the argument says whether this is the last time."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if is_so(False):
            return
        time.sleep(interval)
    if not is_so(True):
        raise RequestedAssertionFailed(f"action timed out after {timeout} seconds")
