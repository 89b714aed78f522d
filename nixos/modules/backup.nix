# Copies that outlive a mistake: snapshots of the lake, and the registry's schemas as a file. ClickHouse holds nothing
# that the lake does not: it is loaded again from there. Restoring is `goldrecord-restore` (docs/operations.md).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  backup = cfg.backup;
  inherit (lib) mkOption types;
  hardening = import ../lib/hardening.nix { inherit lib; };

  hdfs = "${config.services.hadoop.package}/bin/hdfs --config /etc/hadoop-conf";
  snapshots = cfg.hdfs.namenode.enable && cfg.node == lib.head cfg.having.namenode;
  registry = cfg.registry.enable && cfg.node == lib.head cfg.having.registry;
  api = "http://${cfg.node}:${toString cfg.registry.port}/apis/registry/v3/admin";
  folder = "/var/lib/goldrecord-backup";

  job = description: {
    inherit description;
    startAt = backup.at;
  };

  restore = pkgs.writeShellApplication {
    name = "goldrecord-restore";
    runtimeInputs = [
      pkgs.coreutils
      pkgs.curl
    ];
    text = ''
      usage() {
        cat >&2 <<'TEXT'
      goldrecord-restore snapshots                list the lake's snapshots
      goldrecord-restore lake SNAPSHOT FOLDER     copy FOLDER of the lake, such as bronze/listen_events, as it was
                                                  to /restored/FOLDER, beside what is there now
      goldrecord-restore registry FILE            bring an exported registry into an empty one
      TEXT
        exit 2
      }
      case "''${1:-}:$#" in
        snapshots:1)
          ${hdfs} dfs -ls /lake/.snapshot
          ;;
        lake:3)
          ${hdfs} dfs -mkdir -p "/restored/$(dirname "$3")"
          ${hdfs} dfs -cp -p "/lake/.snapshot/$2/$3" "/restored/$3"
          echo "restored to /restored/$3; goldrecord-restore changes nothing in its place"
          ;;
        registry:2)
          curl --fail --silent --show-error --data-binary "@$2" -H 'Content-Type: application/zip' ${api}/import
          ;;
        *) usage ;;
      esac
    '';
  };
in
{
  imports = [
    ./hdfs.nix
    ./registry.nix
    ./topology.nix
  ];

  options.services.goldrecord.backup = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether snapshots and exports are made.";
    };
    at = mkOption {
      type = types.str;
      default = "02:30";
      description = "When, as `OnCalendar=` of systemd says it.";
    };
    keep = mkOption {
      type = types.ints.positive;
      default = 14;
      description = "How many of each are kept.";
    };
  };

  config = lib.mkIf backup.enable (
    lib.mkMerge [
      (lib.mkIf snapshots {
        systemd.services.hdfs-snapshot = job "A snapshot of the lake" // {
          after = [ "hdfs-folders.service" ];
          path = [ pkgs.coreutils ];
          environment.HADOOP_CLIENT_OPTS = "-Xmx128m";
          script = ''
            set -o pipefail
            ${hdfs} dfs -createSnapshot /lake "day-$(date --utc +%Y%m%dT%H%M%S)"
            ${hdfs} dfs -ls /lake/.snapshot | sed -n 's,.*/[.]snapshot/\(day-.*\),\1,p' | sort |
              head -n -${toString backup.keep} | while read -r old; do
                ${hdfs} dfs -deleteSnapshot /lake "$old"
              done
          '';
          serviceConfig = hardening.jvm // {
            Type = "oneshot";
            TimeoutStartSec = "1h";
            MemoryMax = "512M";
            User = "hdfs";
          };
        };
      })
      (lib.mkIf registry {
        systemd.services.registry-export = job "The registry's schemas as a file" // {
          after = [ "apicurio-registry.service" ];
          path = [
            pkgs.coreutils
            pkgs.curl
          ];
          script = ''
            set -o pipefail
            file=${folder}/registry-$(date --utc +%Y%m%dT%H%M%S).zip
            curl --fail --silent --show-error --location -H 'Accept: application/zip' -o "$file.new" ${api}/export
            mv "$file.new" "$file"
            ls ${folder}/registry-*.zip | head -n -${toString backup.keep} | while read -r old; do
              rm "$old"
            done
          '';
          serviceConfig = hardening.strict // {
            Type = "oneshot";
            TimeoutStartSec = "10min";
            MemoryMax = "128M";
            DynamicUser = true;
            StateDirectory = baseNameOf folder;
            StateDirectoryMode = "0700";
          };
        };
      })
      (lib.mkIf (snapshots || registry) { environment.systemPackages = [ restore ]; })
    ]
  );
}
