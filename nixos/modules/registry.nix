# The Schema Registry: Apicurio, its schemas in Kafka, so that it has no state of its own to lose.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  registry = cfg.registry;
  inherit (lib) mkOption types;
  options = import ../lib/options.nix { inherit lib cfg; };
  addresses = import ../lib/addresses.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  jvm = import ../lib/jvm.nix;
  packages = import ../packages { inherit pkgs; };
in
{
  imports = [ ./topology.nix ];

  options.services.goldrecord.registry = {
    enable = options.enable "registry" "a Schema Registry runs here. Several share the schemas in Kafka";
    package = mkOption {
      type = types.package;
      default = packages.apicurio-registry;
      defaultText = lib.literalMD "the flake's `apicurio-registry`";
      description = "The program.";
    };
    port = options.port 8081 "Where the API is. Confluent's has the path `/apis/ccompat/v7`.";
    managementPort = options.port 8083 "Where its health and metrics are.";
    heap = options.heap 384;
    bootstrapServers = mkOption {
      type = types.str;
      default = addresses.brokers;
      defaultText = lib.literalMD "the machines with the role `kafka`";
      description = "The brokers that keep the schemas.";
    };
  };

  config = lib.mkIf registry.enable {
    assertions = [
      {
        assertion = registry.bootstrapServers != "";
        message = "services.goldrecord.registry keeps its schemas in Kafka, and no machine has the role kafka; give it to one, or write registry.bootstrapServers = \"host:9092\".";
      }
    ];

    services.goldrecord.ports = {
      registry = {
        inherit (registry) port;
        from = "nodes";
      };
      registry-metrics = {
        port = registry.managementPort;
        from = "nodes";
      };
    };

    systemd.services.apicurio-registry = {
      description = "Schema Registry";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [
        "network-online.target"
        "apache-kafka.service"
      ];
      unitConfig.StartLimitIntervalSec = 0;
      environment = {
        APICURIO_STORAGE_KIND = "kafkasql";
        APICURIO_KAFKASQL_BOOTSTRAP_SERVERS = registry.bootstrapServers;
        QUARKUS_HTTP_HOST = cfg.here.address;
        QUARKUS_HTTP_PORT = toString registry.port;
        QUARKUS_MANAGEMENT_HOST = cfg.here.address;
        QUARKUS_MANAGEMENT_PORT = toString registry.managementPort;
        JAVA_OPTS = toString (jvm.options registry.heap);
      };
      serviceConfig = hardening.over hardening.jvm // {
        ExecStart = lib.getExe registry.package;
        DynamicUser = true;
        StateDirectory = "apicurio-registry";
        WorkingDirectory = "/var/lib/apicurio-registry";
        # It ends when Kafka is not there.
        Restart = "always";
        RestartSec = "5s";
        # How a JVM ends on SIGTERM.
        SuccessExitStatus = 143;
        MemoryMax = jvm.memoryMax registry.heap;
        TasksMax = 512;
      };
    };
  };
}
