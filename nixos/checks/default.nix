# What `nix flake check` builds: every VM test, the lints, the units' exposure, and what must be refused.
{
  lib,
  pkgs,
  self,
}:
import ./lints.nix { inherit pkgs self; }
// import ../../vm-tests { inherit lib pkgs self; }
# Options are the same for every processor.
// lib.optionalAttrs pkgs.stdenv.hostPlatform.isx86_64 (
  import ./refused.nix { inherit lib pkgs self; }
)
