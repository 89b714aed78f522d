# Grafana: Prometheus and ClickHouse as sources, its dashboards from ../dashboards.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  grafana = cfg.grafana;
  options = import ../lib/options.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  credentials = import ../lib/credentials.nix { inherit lib cfg; };

  clickhouse = cfg.having.clickhouse;
  secrets = [
    "grafana-admin-password"
    "grafana-secret-key"
  ]
  ++ lib.optional (clickhouse != [ ]) "clickhouse-reader-password";
  file = name: "$__file{/run/credentials/grafana.service/${name}}";

  dashboards = pkgs.linkFarm "dashboards" {
    "overview.json" = pkgs.writeText "overview.json" (
      builtins.toJSON (import ../dashboards/overview.nix { inherit lib; })
    );
  };
in
{
  imports = [
    ./clickhouse.nix
    ./prometheus.nix
    ./topology.nix
  ];

  options.services.goldrecord.grafana = {
    enable = options.enable "monitoring" "Grafana runs here";
    port = options.port 3000 "Its pages, for anybody who reaches the machine; they sign in as `admin`.";
  };

  config = lib.mkIf grafana.enable {
    assertions = credentials.assertions "grafana" secrets;

    services.goldrecord.wantedCredentials = secrets;
    services.goldrecord.ports.grafana = {
      inherit (grafana) port;
      from = "anywhere";
    };

    services.grafana = {
      enable = true;
      declarativePlugins = lib.optional (
        clickhouse != [ ]
      ) pkgs.grafanaPlugins.grafana-clickhouse-datasource;
      settings = {
        server = {
          http_addr = "0.0.0.0";
          http_port = grafana.port;
        };
        security = {
          admin_password = file "grafana-admin-password";
          secret_key = file "grafana-secret-key";
          disable_gravatar = true;
        };
        users.allow_sign_up = false;
        analytics = {
          reporting_enabled = false;
          check_for_updates = false;
          check_for_plugin_updates = false;
        };
      };
      provision = {
        enable = true;
        datasources.settings = {
          prune = true;
          datasources = [
            {
              name = "Prometheus";
              uid = "prometheus";
              type = "prometheus";
              access = "proxy";
              url = "http://${cfg.node}:${toString cfg.prometheus.port}";
              isDefault = true;
            }
          ]
          ++ map (host: {
            name = "ClickHouse";
            uid = "clickhouse";
            type = "grafana-clickhouse-datasource";
            jsonData = {
              inherit host;
              port = cfg.clickhouse.port;
              protocol = "http";
              username = "reader";
              defaultDatabase = "gold";
            };
            secureJsonData.password = file "clickhouse-reader-password";
          }) (lib.take 1 clickhouse);
        };
        dashboards.settings.providers = [
          {
            name = "goldrecord";
            folder = "goldrecord";
            allowUiUpdates = false;
            options.path = dashboards;
          }
        ];
      };
    };

    systemd.services.grafana = {
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = hardening.over hardening.jvm // {
        # The Go program maps its plugins' memory executable; everything else holds for it too.
        LoadCredential = credentials.load secrets;
        StateDirectory = "grafana";
        StateDirectoryMode = "0700";
        Restart = lib.mkForce "always";
        MemoryMax = "1G";
        TasksMax = 512;
      };
    };
  };
}
