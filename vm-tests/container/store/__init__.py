"""A NixOS configuration's units, evaluated and not built, laid on a machine's disk."""

from .layer import Layer, Packages, Wanted, lay

__all__ = ["Layer", "Packages", "Wanted", "lay"]
