# AKHQ: Kafka's topics, records, groups and schemas in the browser. It asks nobody who they are, so only the machines
# of the installation reach it; from elsewhere, `ssh -L 8082:NODE:8082 NODE`.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  akhq = cfg.akhq;
  inherit (lib) mkOption types;
  options = import ../lib/options.nix { inherit lib cfg; };
  addresses = import ../lib/addresses.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  jvm = import ../lib/jvm.nix;
  packages = import ../packages { inherit pkgs; };

  configFile = (pkgs.formats.yaml { }).generate "akhq.yml" {
    micronaut.server = {
      host = cfg.here.address;
      inherit (akhq) port;
    };
    # Its health and metrics would open another port.
    endpoints.all.enabled = false;
    akhq = {
      connections.goldrecord = {
        properties."bootstrap.servers" = addresses.brokers;
      }
      // lib.optionalAttrs (addresses.some "registry") {
        schema-registry = {
          type = "confluent";
          url = addresses.registry;
        };
      };
      # Topics and schemas are declared, not clicked.
      security.default-group = "reader";
    };
  };
in
{
  imports = [
    ./kafka.nix
    ./registry.nix
    ./topology.nix
  ];

  options.services.goldrecord.akhq = {
    enable = options.enable "akhq" "AKHQ runs here";
    package = mkOption {
      type = types.package;
      default = packages.akhq;
      defaultText = lib.literalMD "the flake's `akhq`";
      description = "The program.";
    };
    port = options.port 8082 "Its pages.";
    heap = options.heap 512;
  };

  config = lib.mkIf akhq.enable {
    assertions = [
      {
        assertion = addresses.some "kafka";
        message = "services.goldrecord.akhq shows Kafka, and no machine has the role kafka; give it to one.";
      }
    ];

    services.goldrecord.ports.akhq = {
      inherit (akhq) port;
      from = "nodes";
    };

    systemd.services.akhq = {
      description = "AKHQ";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [
        "network-online.target"
        "apache-kafka.service"
      ];
      unitConfig.StartLimitIntervalSec = 0;
      environment = {
        MICRONAUT_CONFIG_FILES = configFile;
        JAVA_OPTS = toString (jvm.options akhq.heap);
      };
      serviceConfig = hardening.over hardening.jvm // {
        ExecStart = lib.getExe akhq.package;
        DynamicUser = true;
        Restart = "always";
        RestartSec = "5s";
        SuccessExitStatus = 143;
        MemoryMax = jvm.memoryMax akhq.heap;
        TasksMax = 512;
      };
    };
  };
}
