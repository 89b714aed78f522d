# Metabase, set up before anybody reaches it: it listens on loopback, its set-up is finished there through its API, and
# only then does the port open that people use.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  metabase = cfg.metabase;
  inherit (lib) mkOption types;
  options = import ../lib/options.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  credentials = import ../lib/credentials.nix { inherit lib cfg; };
  jvm = import ../lib/jvm.nix;

  secrets = [
    "metabase-admin-password"
    "clickhouse-reader-password"
  ];
  settings = (pkgs.formats.json { }).generate "reports.json" {
    url = "http://127.0.0.1:${toString metabase.innerPort}";
    inherit (metabase) email site;
    reports = toString metabase.reports;
    clickhouse = {
      host = lib.head (cfg.having.clickhouse ++ [ "" ]);
      inherit (cfg.clickhouse) port;
      user = "reader";
      dbname = "gold";
      ssl = false;
    };
  };
in
{
  imports = [
    ./clickhouse.nix
    ./goldrecord/units.nix
    ./topology.nix
  ];

  options.services.goldrecord.metabase = {
    enable = options.enable "metabase" "Metabase runs here";
    port = options.port 3001 "Its pages, for anybody who reaches the machine. Open once it is set up.";
    innerPort = options.port 3002 "Where it listens on loopback.";
    email = mkOption {
      type = types.str;
      default = "admin@goldrecord.local";
      description = "How its administrator signs in, with the credential `metabase-admin-password`.";
    };
    site = mkOption {
      type = types.str;
      default = "goldrecord";
      description = "What it calls itself.";
    };
    reports = mkOption {
      type = types.path;
      default = ../reports;
      defaultText = lib.literalMD "the flake's";
      description = "The folder of the dashboards, a JSON file each.";
    };
    heap = options.heap 1024;
  };

  config = lib.mkIf metabase.enable {
    assertions = credentials.assertions "metabase" secrets ++ [
      {
        assertion = cfg.having.clickhouse != [ ];
        message = "services.goldrecord.metabase asks ClickHouse, and no machine has the role clickhouse; give it to one.";
      }
    ];

    services.goldrecord.ports = {
      metabase = {
        inherit (metabase) port;
        from = "anywhere";
      };
      metabase-inner = {
        port = metabase.innerPort;
        from = "nowhere";
      };
    };

    services.goldrecord.units = true;
    services.goldrecord.wantedCredentials = secrets;
    environment.etc."goldrecord/reports.json".source = settings;

    services.metabase = {
      enable = true;
      listen = {
        ip = "127.0.0.1";
        port = metabase.innerPort;
      };
    };

    systemd.services = {
      metabase = {
        after = [ "clickhouse.service" ];
        unitConfig.StartLimitIntervalSec = 0;
        environment.JAVA_TOOL_OPTIONS = toString (jvm.options metabase.heap);
        serviceConfig = hardening.over hardening.jvm // {
          Restart = "always";
          RestartSec = "5s";
          SuccessExitStatus = 143;
          MemoryMax = jvm.memoryMax metabase.heap;
          TasksMax = 512;
        };
      };

      goldrecord-reports-apply = {
        overrideStrategy = "asDropin";
        wantedBy = [ "multi-user.target" ];
        requires = [ "metabase.service" ];
        restartTriggers = [ settings ];
        serviceConfig.LoadCredential = credentials.load secrets;
      };

      metabase-door = {
        description = "Metabase's port";
        requires = [
          "goldrecord-reports-apply.service"
          "metabase-door.socket"
        ];
        after = [
          "goldrecord-reports-apply.service"
          "metabase-door.socket"
        ];
        serviceConfig = hardening.over hardening.strict // {
          ExecStart = "${config.systemd.package}/lib/systemd/systemd-socket-proxyd 127.0.0.1:${toString metabase.innerPort}";
          DynamicUser = true;
          MemoryMax = "128M";
        };
      };
    };

    systemd.sockets.metabase-door = {
      description = "Metabase's port";
      wantedBy = [ "goldrecord-reports-apply.service" ];
      partOf = [ "goldrecord-reports-apply.service" ];
      after = [ "goldrecord-reports-apply.service" ];
      socketConfig.ListenStream = toString metabase.port;
    };
  };
}
