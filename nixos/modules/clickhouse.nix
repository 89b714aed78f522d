# ClickHouse, with three users: the loader, who owns `gold`; the reader, who sees it; and nobody else.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  clickhouse = cfg.clickhouse;
  inherit (lib) mkOption types;
  options = import ../lib/options.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  credentials = import ../lib/credentials.nix { inherit lib cfg; };

  secrets = [
    "clickhouse-password"
    "clickhouse-reader-password"
  ]
  ++ lib.optionals clickhouse.tls [
    "clickhouse-certificate"
    "clickhouse-key"
  ];
  credential = name: "/run/credentials/clickhouse.service/${name}";
  remove = {
    "@remove" = "remove";
  };
  database = config.services.goldrecord.settings.clickhouse.database or null;
  gold = if database == null then "gold" else database;
  user = hash: grants: {
    password_sha256_hex."@from_env" = hash;
    networks.ip =
      lib.mapAttrsToList (_: n: n.address) cfg.nodes
      ++ [
        "127.0.0.1"
        "::1"
      ]
      ++ clickhouse.readersFrom;
    quota = "default";
    grants.query = grants;
  };

  # The configuration names hashes; passwords are read here and go nowhere.
  start = pkgs.writeShellScript "clickhouse-start" ''
    set -euo pipefail
    hash() {
      tr -d '\n' < "$CREDENTIALS_DIRECTORY/$1" | sha256sum | cut -d ' ' -f 1
    }
    CLICKHOUSE_LOADER_HASH=$(hash clickhouse-password)
    CLICKHOUSE_READER_HASH=$(hash clickhouse-reader-password)
    export CLICKHOUSE_LOADER_HASH CLICKHOUSE_READER_HASH
    exec ${clickhouse.package}/bin/clickhouse-server --config=/etc/clickhouse-server/config.xml
  '';
in
{
  imports = [ ./topology.nix ];

  options.services.goldrecord.clickhouse = {
    enable = options.enable "clickhouse" "ClickHouse runs here";
    package = lib.mkPackageOption pkgs "clickhouse" { };
    port = options.port 8123 "HTTP, for the machines of the installation.";
    nativePort = options.port 9000 "ClickHouse's own protocol, for the machines of the installation.";
    metricsPort = options.port 9363 "Where Prometheus reads its metrics.";
    tls = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether readers outside of the installation may connect over HTTPS, with the credentials
        `clickhouse-certificate` and `clickhouse-key`, PEM both.
      '';
    };
    tlsPort = options.port 8443 "HTTPS, for anybody, with `tls`.";
    readersFrom = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "192.168.0.0/24" ];
      description = "Networks outside of the installation that may sign in, with `tls`.";
    };
    memory = mkOption {
      type = types.ints.positive;
      default = 4096;
      description = "What it may use, in MiB.";
    };
  };

  config = lib.mkIf clickhouse.enable {
    assertions = credentials.assertions "clickhouse" secrets ++ [
      {
        assertion = clickhouse.readersFrom == [ ] || clickhouse.tls;
        message = "services.goldrecord.clickhouse.readersFrom lets others sign in, and without TLS their passwords would be read on the way; set clickhouse.tls = true and the credentials clickhouse-certificate and clickhouse-key.";
      }
    ];

    services.goldrecord.wantedCredentials = secrets;
    services.goldrecord.ports = {
      clickhouse = {
        inherit (clickhouse) port;
        from = "nodes";
      };
      clickhouse-native = {
        port = clickhouse.nativePort;
        from = "nodes";
      };
      clickhouse-metrics = {
        port = clickhouse.metricsPort;
        from = "nodes";
      };
    }
    // lib.optionalAttrs clickhouse.tls {
      clickhouse-tls = {
        port = clickhouse.tlsPort;
        from = "anywhere";
      };
    };

    services.clickhouse = {
      enable = true;
      inherit (clickhouse) package;
      serverConfig = {
        listen_host = lib.unique [
          "127.0.0.1"
          cfg.here.address
        ];
        http_port = clickhouse.port;
        tcp_port = clickhouse.nativePort;
        mysql_port = remove;
        postgresql_port = remove;
        interserver_http_port = remove;
        # The journal has it all.
        logger = {
          level = "information";
          console = true;
        };
        max_server_memory_usage = clickhouse.memory * 1024 * 1024;
        prometheus = {
          endpoint = "/metrics";
          port = clickhouse.metricsPort;
          metrics = true;
          events = true;
          asynchronous_metrics = true;
        };
        # What is not there is an error, not a guess.
        allow_no_password = false;
        allow_plaintext_password = false;
      }
      // lib.optionalAttrs clickhouse.tls {
        https_port = clickhouse.tlsPort;
        openSSL.server = {
          certificateFile = credential "clickhouse-certificate";
          privateKeyFile = credential "clickhouse-key";
          disableProtocols = "sslv2,sslv3,tlsv1,tlsv1_1";
        };
      };
      usersConfig = {
        profiles.reader = {
          # Queries, and their settings, but no changes.
          readonly = 2;
          max_memory_usage = clickhouse.memory * 1024 * 1024 / 2;
          max_execution_time = 60;
        };
        users = {
          default = remove;
          loader =
            user "CLICKHOUSE_LOADER_HASH" [
              "GRANT ALL ON ${gold}.*"
              "GRANT ALL ON ${gold}_data.*"
              "GRANT SELECT ON system.*"
              "GRANT TABLE ENGINE ON MergeTree"
            ]
            // {
              profile = "default";
            };
          reader =
            user "CLICKHOUSE_READER_HASH" [
              "GRANT SELECT ON ${gold}.*"
              # Its views are read with the reader's own rights.
              "GRANT SELECT ON ${gold}_data.*"
            ]
            // {
              profile = "reader";
            };
        };
      };
    };

    systemd.services.clickhouse = {
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      unitConfig.StartLimitIntervalSec = 0;
      path = [ pkgs.coreutils ];
      serviceConfig = hardening.over hardening.jvm // {
        ExecStart = lib.mkForce start;
        LoadCredential = credentials.load secrets;
        Restart = "always";
        RestartSec = "2s";
        StateDirectoryMode = "0700";
        MemoryMax = "${toString (clickhouse.memory + clickhouse.memory / 4)}M";
        LimitNOFILE = 500000;
        TasksMax = 8192;
      };
    };
  };
}
