# The single machine as a virtual one: `nix run .#vm`. Grafana at http://localhost:3000, Metabase at :3001.
{ lib, ... }:
{
  virtualisation.vmVariant.virtualisation = {
    memorySize = 12288;
    cores = 4;
    diskSize = 20480;
    graphics = false;
    forwardPorts =
      map
        (port: {
          from = "host";
          host = { inherit port; };
          guest = { inherit port; };
        })
        [
          3000
          3001
        ];
  };
  services.getty.autologinUser = lib.mkDefault "root";
}
