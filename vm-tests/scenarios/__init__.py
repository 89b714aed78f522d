"""What must be true of an installation, as functions over its machines: NixOS tests and the container run share them."""
