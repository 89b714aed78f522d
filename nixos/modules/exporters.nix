# What Prometheus cannot read from a server itself: the machine, its units, and Kafka's groups and topics.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.goldrecord;
  inherit (lib) mkOption types;
  addresses = import ../lib/addresses.nix { inherit lib cfg; };
  options = import ../lib/options.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
in
{
  imports = [ ./topology.nix ];

  options.services.goldrecord.exporters = {
    enable = mkOption {
      type = types.bool;
      default = cfg.having.monitoring != [ ];
      defaultText = lib.literalMD "whether any machine has the role `monitoring`";
      description = "Whether the machine and its units are exported.";
    };
    nodePort = options.port 9100 "Where the machine is read.";
    systemdPort = options.port 9558 "Where the units' states are read.";
    kafka.enable = mkOption {
      type = types.bool;
      default = lib.elem "monitoring" cfg.here.roles && addresses.some "kafka";
      defaultText = lib.literalMD "whether this machine has the role `monitoring`";
      description = "Whether Kafka's topics and the lag of all groups are exported from here (kminion).";
    };
    kafkaPort = options.port 8080 "Where Kafka is read.";
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.exporters.enable {
      services.goldrecord.ports = {
        exporter-node = {
          port = cfg.exporters.nodePort;
          from = "nodes";
        };
        exporter-systemd = {
          port = cfg.exporters.systemdPort;
          from = "nodes";
        };
      };
      systemd.services = lib.genAttrs [ "prometheus-node-exporter" "prometheus-systemd-exporter" ] (_: {
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = hardening.over (
          hardening.strict
          // {
            Restart = "always";
            # They tell of all processes and mounts.
            ProtectProc = "default";
            PrivateMounts = false;
          }
        );
      });
      services.prometheus.exporters = {
        node = {
          enable = true;
          listenAddress = cfg.here.address;
          port = cfg.exporters.nodePort;
        };
        systemd = {
          enable = true;
          listenAddress = cfg.here.address;
          port = cfg.exporters.systemdPort;
        };
      };
    })
    (lib.mkIf cfg.exporters.kafka.enable {
      services.goldrecord.ports.exporter-kafka = {
        port = cfg.exporters.kafkaPort;
        from = "nodes";
      };
      services.prometheus.exporters.kafka = {
        enable = true;
        listenAddress = cfg.here.address;
        port = cfg.exporters.kafkaPort;
      };
      systemd.services.prometheus-kafka-exporter = {
        # It need not be where a broker is.
        requires = lib.mkForce [ ];
        unitConfig.StartLimitIntervalSec = 0;
        environment = {
          KAFKA_BROKERS = addresses.brokers;
          EXPORTER_HOST = cfg.here.address;
          EXPORTER_PORT = toString cfg.exporters.kafkaPort;
        };
        serviceConfig = hardening.over hardening.strict // {
          Restart = lib.mkForce "always";
        };
      };
    })
  ];
}
