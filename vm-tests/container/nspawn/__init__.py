"""Machines under systemd-nspawn that take the verbs of the NixOS test driver."""

from .driver import Driver
from .machine import Machine
from .waiting import RequestedAssertionFailed, retry

__all__ = ["Driver", "Machine", "RequestedAssertionFailed", "retry"]
