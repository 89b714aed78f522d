# What the five have in common.
{ config, lib, ... }:
let
  secret = name: "/run/secrets/${name}";
in
{
  imports = [
    ../../profiles/disks.nix
    ../../profiles/machine.nix
    ./nodes.nix
  ];

  system.stateVersion = "26.05";

  # sops-nix puts them there; with agenix write config.age.secrets.NAME.path (docs/operations.md).
  services.goldrecord.credentials = lib.genAttrs [
    "clickhouse-password"
    "clickhouse-reader-password"
    "grafana-admin-password"
    "grafana-secret-key"
    "metabase-admin-password"
  ] secret;

  networking = {
    useDHCP = false;
    interfaces.lan.ipv4.addresses = [
      {
        inherit (config.services.goldrecord.here) address;
        prefixLength = 24;
      }
    ];
  };
}
