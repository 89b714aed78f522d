# For a machine on its own: secrets that are made on it at its first start, and never leave it. A cluster's machines
# must share theirs: use sops-nix or agenix there (docs/operations.md).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  folder = "/var/lib/goldrecord-secrets";
  names = [
    "clickhouse-password"
    "clickhouse-reader-password"
    "grafana-admin-password"
    "grafana-secret-key"
    "metabase-admin-password"
  ];
  users = [
    "clickhouse.service"
    "goldrecord-bootstrap.service"
    "goldrecord-loader.service"
    "grafana.service"
    "goldrecord-reports-apply.service"
  ];
  hardening = import ../lib/hardening.nix { inherit lib; };
in
{
  services.goldrecord.credentials = lib.genAttrs names (name: lib.mkDefault "${folder}/${name}");

  systemd.services.goldrecord-secrets = {
    description = "Secrets of this machine";
    wantedBy = [ "multi-user.target" ];
    before = users;
    requiredBy = users;
    path = [ pkgs.coreutils ];
    script = ''
      for name in ${toString names}; do
        if [ ! -s ${folder}/$name ]; then
          head -c 24 /dev/urandom | base64 -w 0 | tr '+/' '-_' > ${folder}/$name.new
          mv ${folder}/$name.new ${folder}/$name
        fi
      done
    '';
    serviceConfig = hardening.strict // {
      Type = "oneshot";
      RemainAfterExit = true;
      StateDirectory = baseNameOf folder;
      StateDirectoryMode = "0700";
      PrivateNetwork = true;
    };
  };

  assertions = [
    {
      assertion = lib.length (lib.attrNames config.services.goldrecord.nodes) <= 1;
      message = "nixos/profiles/made-secrets.nix makes each machine its own secrets, and those of services.goldrecord.nodes must agree; give services.goldrecord.credentials from sops-nix or agenix instead.";
    }
  ];
}
