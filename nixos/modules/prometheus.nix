# Prometheus: scrapes everything that the topology says is there.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.goldrecord;
  prometheus = cfg.prometheus;
  inherit (lib) mkOption types;
  options = import ../lib/options.nix { inherit lib cfg; };
  addresses = import ../lib/addresses.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };

  job =
    name: role: port: more:
    {
      job_name = name;
      static_configs = [ { targets = addresses.all role port; } ];
    }
    // more;
  everywhere = name: port: {
    job_name = name;
    static_configs = [
      { targets = map (host: "${host}:${toString port}") (lib.attrNames cfg.nodes); }
    ];
  };
  # Our services' alerts stand in docs/metrics.md, where a test of the ingestor tries them on real series.
  alerts = map (block: "groups:" + lib.head (lib.splitString "\n```" block)) (
    lib.tail (lib.splitString "```yaml\ngroups:" (lib.readFile ../../docs/metrics.md))
  );
  ingestors = lib.concatMap (
    host: map (i: "${host}:${toString (9420 + i)}") (lib.range 1 cfg.nodes.${host}.ingestors)
  ) cfg.having.ingestor;
in
{
  imports = [
    ./clickhouse.nix
    ./exporters.nix
    ./hdfs.nix
    ./kafka.nix
    ./registry.nix
    ./topology.nix
  ];

  options.services.goldrecord.prometheus = {
    enable = options.enable "monitoring" "Prometheus runs here";
    port = options.port 9090 "Its pages and API, for the machines of the installation.";
    retentionDays = mkOption {
      type = types.ints.positive;
      default = 30;
      description = "How long samples are kept.";
    };
  };

  config = lib.mkIf prometheus.enable {
    services.goldrecord.ports.prometheus = {
      inherit (prometheus) port;
      from = "nodes";
    };

    services.prometheus = {
      enable = true;
      listenAddress = cfg.here.address;
      inherit (prometheus) port;
      retentionTime = "${toString prometheus.retentionDays}d";
      globalConfig = {
        scrape_interval = "15s";
        evaluation_interval = "15s";
      };
      ruleFiles = [ ../alerts/targets.yml ];
      rules = alerts;
      scrapeConfigs = lib.filter (j: (lib.head j.static_configs).targets != [ ]) [
        (everywhere "node" cfg.exporters.nodePort)
        (everywhere "systemd" cfg.exporters.systemdPort)
        (job "prometheus" "monitoring" prometheus.port { })
        (job "kafka" "kafka" cfg.kafka.metricsPort { })
        (job "kminion" "monitoring" cfg.exporters.kafkaPort { })
        (job "registry" "registry" cfg.registry.managementPort { metrics_path = "/metrics"; })
        (job "namenode" "namenode" cfg.hdfs.namenode.metricsPort { })
        (job "datanode" "datanode" cfg.hdfs.datanode.metricsPort { })
        (job "clickhouse" "clickhouse" cfg.clickhouse.metricsPort { })
        {
          job_name = "ingestor";
          static_configs = [ { targets = ingestors; } ];
        }
      ];
    };

    systemd.services.prometheus = {
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = hardening.over hardening.strict // {
        MemoryMax = "2G";
        TasksMax = 512;
      };
    };
  };
}
