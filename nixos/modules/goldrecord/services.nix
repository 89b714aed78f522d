# The units of ../../../units as drop-ins: which run here, with which credentials, and where their metrics are.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.goldrecord;
  inherit (lib) mkOption types;

  options = import ../../lib/options.nix { inherit lib cfg; };
  addresses = import ../../lib/addresses.nix { inherit lib cfg; };

  kafka = [
    "kafka-password"
    "kafka-certificate"
    "kafka-key"
  ];
  # What a unit may be handed. Only what `credentials` names is.
  wanted = {
    bootstrap = kafka ++ [
      "registry-password"
      "clickhouse-password"
    ];
    eventsim = kafka ++ [ "registry-password" ];
    ingestor = kafka ++ [ "registry-password" ];
    loader = [ "clickhouse-password" ];
    layers = [ ];
    lake-maintenance = [ ];
  };
  credentialsFor =
    service:
    map (name: "${name}:${toString cfg.credentials.${name}}") (
      lib.filter (name: cfg.credentials ? ${name}) wanted.${service}
    );

  dropIn =
    service: more:
    lib.mkMerge [
      {
        overrideStrategy = "asDropin";
        serviceConfig.LoadCredential = credentialsFor service;
      }
      more
    ];
  # A daemon that starts with the target, and again when its configuration changes.
  daemon =
    service: more:
    dropIn service (
      {
        wantedBy = [ "goldrecord.target" ];
        restartTriggers = [ cfg.configFile ];
      }
      // more
    );
  # What a timer or another unit starts; a switch of the system leaves a run alone.
  job =
    service: more:
    dropIn service (
      {
        restartIfChanged = false;
        stopIfChanged = false;
      }
      // more
    );

  instances = lib.range 1 cfg.here.ingestors;
  metricsPort = instance: 9420 + instance;

  inherit (addresses) some;
  any =
    cfg.bootstrap.enable
    || cfg.eventsim.enable
    || cfg.ingestor.enable
    || cfg.layers.enable
    || cfg.loader.enable
    || cfg.maintenance.enable;
in
{
  options.services.goldrecord = {
    bootstrap.enable = options.enable "layers" "topics, schemas, tables and databases that are missing are made here, before anything needs them";
    ingestor.enable = options.enable "ingestor" "events are brought from Kafka to bronze here";
    layers.enable = options.enable "layers" "silver and gold are built here. One machine of the installation does";
    layers.watch = mkOption {
      type = types.bool;
      default = false;
      description = "A build begins whenever a source has new rows, in place of one after the other with a minute between them.";
    };
    loader.enable = options.enable "layers" "each good build of gold is loaded into ClickHouse from here";
    maintenance.enable = options.enable "layers" "the lake is compacted and cleaned from here";
    eventsim = {
      enable = options.enable "eventsim" "simulated listeners send events, for trying out and for load";
      options = mkOption {
        type = types.str;
        default = "--users 1000";
        example = "--users 20000 --seed 7";
        description = "Options of `goldrecord-eventsim simulate`.";
      };
    };
  };

  config = lib.mkIf any {
    assertions = [
      {
        assertion = cfg.settings.kafka.sasl != "kerberos";
        message = ''services.goldrecord.settings.kafka.sasl: Kerberos is not supported yet; use "scram-sha-512" with tls = true.'';
      }
      {
        assertion =
          !(lib.elem cfg.settings.kafka.sasl [
            "plain"
            "scram-sha-256"
            "scram-sha-512"
          ])
          || (cfg.settings.kafka.user != null && cfg.credentials ? kafka-password);
        message = "services.goldrecord.settings.kafka.sasl = \"${toString cfg.settings.kafka.sasl}\" wants settings.kafka.user and credentials.kafka-password, a file with the user's password.";
      }
      {
        assertion = cfg.settings.registry.user == null || cfg.credentials ? registry-password;
        message = "services.goldrecord.settings.registry.user wants credentials.registry-password, a file with the user's password.";
      }
      {
        assertion =
          !(cfg.loader.enable || cfg.bootstrap.enable)
          || cfg.settings.clickhouse.url == null
          || cfg.credentials ? clickhouse-password;
        message = "services.goldrecord: ClickHouse is loaded as ${toString cfg.settings.clickhouse.user}, whose password is missing; write services.goldrecord.credentials.clickhouse-password = \"/run/secrets/clickhouse-password\", a file outside of the Nix store.";
      }
      {
        assertion = !cfg.loader.enable || cfg.settings.clickhouse.url != null;
        message = "services.goldrecord.loader: no machine has the role clickhouse and settings.clickhouse.url is not set; set one, or loader.enable = false.";
      }
      {
        assertion = cfg.settings.lake.url != null;
        message = "services.goldrecord: no machine has the role namenode and settings.lake.url is not set; write where the lake is, such as settings.lake.url = \"hdfs://node1:8020/lake\".";
      }
      {
        assertion = cfg.settings.kafka.bootstrap_servers != null;
        message = "services.goldrecord: no machine has the role kafka and settings.kafka.bootstrap_servers is not set; write the brokers, such as \"node1:9092,node2:9092\".";
      }
      {
        assertion = !cfg.layers.enable || lib.length cfg.having.layers <= 1;
        message = "services.goldrecord.nodes: ${lib.concatStringsSep " and " cfg.having.layers} have the role layers; builds would refuse each other. Leave it to one of them.";
      }
    ];

    services.goldrecord = {
      units = true;
      wantedCredentials = lib.concatMap (service: lib.optionals cfg.${service}.enable wanted.${service}) [
        "bootstrap"
        "eventsim"
        "ingestor"
        "loader"
      ];
      settings = {
        kafka.bootstrap_servers = lib.mkIf (some "kafka") (lib.mkDefault addresses.brokers);
        registry.url = lib.mkIf (some "registry") (lib.mkDefault addresses.registry);
        lake.url = lib.mkIf (some "namenode") (lib.mkDefault "hdfs://${addresses.namenodes}/lake");
        layers.project = lib.mkDefault "${cfg.package}/share/goldrecord/warehouse";
        clickhouse = lib.mkIf (some "clickhouse") {
          url = lib.mkDefault addresses.clickhouse;
          user = lib.mkDefault "loader";
        };
        bootstrap.replication = lib.mkIf (some "kafka") (
          lib.mkDefault (lib.min 3 (lib.length cfg.having.kafka))
        );
      };
      ports = lib.mkIf cfg.ingestor.enable (
        lib.listToAttrs (
          map (
            i:
            lib.nameValuePair "goldrecord-ingestor@${toString i}" {
              port = metricsPort i;
              from = "nodes";
            }
          ) instances
        )
      );
    };

    users.users.goldrecord = {
      isSystemUser = true;
      group = "goldrecord";
      home = "/var/lib/goldrecord";
      description = "goldrecord";
    };
    users.groups.goldrecord = { };
    environment.systemPackages = [ cfg.package ];

    systemd = {
      targets.goldrecord.wantedBy = [ "multi-user.target" ];
      timers = {
        goldrecord-layers = lib.mkIf (cfg.layers.enable && !cfg.layers.watch) {
          wantedBy = [ "goldrecord.target" ];
        };
        goldrecord-loader = lib.mkIf (cfg.loader.enable && cfg.layers.watch) {
          wantedBy = [ "goldrecord.target" ];
        };
        goldrecord-lake-maintenance = lib.mkIf cfg.maintenance.enable {
          wantedBy = [ "goldrecord.target" ];
        };
      };
      services = lib.mkMerge [
        (lib.mkIf cfg.bootstrap.enable { goldrecord-bootstrap = daemon "bootstrap" { }; })
        (lib.mkIf cfg.eventsim.enable {
          goldrecord-eventsim = daemon "eventsim" { environment.EVENTSIM_OPTIONS = cfg.eventsim.options; };
        })
        (lib.mkIf cfg.ingestor.enable (
          lib.listToAttrs (
            map (
              i:
              lib.nameValuePair "goldrecord-ingestor@${toString i}" (
                daemon "ingestor" {
                  environment.GOLDRECORD_METRICS__LISTEN = "${cfg.here.address}:${toString (metricsPort i)}";
                }
              )
            ) instances
          )
        ))
        (lib.mkIf cfg.layers.enable {
          goldrecord-layers = job "layers" {
            serviceConfig.WorkingDirectory = toString cfg.settings.layers.project;
          };
        })
        (lib.mkIf (cfg.layers.enable && cfg.layers.watch) {
          goldrecord-layers-watch = daemon "layers" {
            serviceConfig.WorkingDirectory = toString cfg.settings.layers.project;
          };
        })
        (lib.mkIf cfg.loader.enable { goldrecord-loader = job "loader" { }; })
        (lib.mkIf cfg.maintenance.enable {
          goldrecord-lake-maintenance = job "lake-maintenance" { };
        })
      ];
    };
  };
}
