# Our own services, from the units that every distribution installs: here are only options and what differs.
{
  imports = [
    ../topology.nix
    ./settings.nix
    ./units.nix
    ./services.nix
  ];
}
