# What Prometheus cannot read from a server itself: the machine, its units, and Kafka's groups and topics.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.goldrecord;
  inherit (lib) mkOption types;
  hardening = import ../lib/hardening.nix { inherit lib; };
  brokers = lib.concatMapStringsSep "," (
    name: "${name}:${toString (cfg.kafka.port or 9092)}"
  ) cfg.having.kafka;
  portOption =
    default: what:
    mkOption {
      type = types.port;
      inherit default;
      description = "Where ${what} is read.";
    };
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
    nodePort = portOption 9100 "the machine";
    systemdPort = portOption 9558 "the units' states";
    kafka.enable = mkOption {
      type = types.bool;
      default = lib.elem "monitoring" cfg.here.roles && brokers != "";
      defaultText = lib.literalMD "whether this machine has the role `monitoring`";
      description = "Whether Kafka's topics and the lag of all groups are exported from here (kminion).";
    };
    kafkaPort = portOption 8080 "Kafka";
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
          KAFKA_BROKERS = brokers;
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
