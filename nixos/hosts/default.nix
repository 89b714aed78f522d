# The machines of the flake: copy what is nearest to yours.
{ lib, self }:
let
  host =
    file:
    lib.nixosSystem {
      modules = [
        self.nixosModules.default
        file
      ];
    };
in
{
  single = host ./single.nix;
  node1 = host ./cluster/node1.nix;
  node2 = host ./cluster/node2.nix;
  node3 = host ./cluster/node3.nix;
  node4 = host ./cluster/node4.nix;
  node5 = host ./cluster/node5.nix;
}
