# The lints that want nothing but the sources.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  packages = import ../packages { inherit pkgs; };
  nixFiles = lib.fileset.toSource {
    root = ../..;
    fileset = lib.fileset.fileFilter (file: file.hasExt "nix") ../..;
  };
  # The servers' units as the hosts evaluate them, without what they refer to.
  servers = "(akhq|apache-kafka|apicurio|clickhouse|goldrecord-(credentials|secrets)|grafana|hdfs|kafka|metabase|prometheus|registry|zookeeper).*[.]service";
  unitsOf =
    host:
    lib.mapAttrs (_: unit: builtins.unsafeDiscardStringContext unit.text) (
      lib.filterAttrs (
        name: _: builtins.match servers name != null
      ) self.nixosConfigurations.${host}.config.systemd.units
    );
  serverUnits = pkgs.linkFarm "server-units" (
    lib.mapAttrs (name: pkgs.writeText (lib.strings.sanitizeDerivationName name)) (
      unitsOf "single" // unitsOf "node1"
    )
  );
  check =
    name: tools: script:
    pkgs.runCommand "check-${name}" { nativeBuildInputs = tools; } ''
      ${script}
      touch $out
    '';
in
{
  format = check "format" [ pkgs.nixfmt ] "find ${nixFiles} -name '*.nix' -exec nixfmt --check {} +";
  dead-code = check "dead-code" [ pkgs.deadnix ] "deadnix --fail ${nixFiles}";
  python = check "python" [
    pkgs.ruff
  ] "ruff check --no-cache --config ${../../scripts/ruff.toml} ${../metabase}";
  # Each unit, ours and the servers', is exposed at most 1.5.
  units = check "units" [ pkgs.systemd ] ''
    for unit in ${packages.goldrecord-units}/lib/systemd/system/*.service ${serverUnits}/*.service; do
      systemd-analyze security --offline=true --no-pager --threshold=15 "$unit" > report || {
        cat report
        exit 1
      }
    done
  '';
  # Nothing secret is in the store, whatever machine it is of.
  no-secrets = check "no-secrets" [ ] ''
    echo 'admin_password = hunter2222' > planted
    if echo "$PWD/planted" | bash ${./no_secrets} 2>/dev/null; then
      echo "a planted password is not found"
      exit 1
    fi
    bash ${./no_secrets} < ${
      pkgs.closureInfo {
        rootPaths = map (host: self.nixosConfigurations.${host}.config.system.build.etc) [
          "single"
          "node4"
          "node5"
        ];
      }
    }/store-paths
  '';
}
