# Kafka, without ZooKeeper: every machine with the role is broker and controller.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  kafka = cfg.kafka;
  inherit (lib) mkOption types;
  options = import ../lib/options.nix { inherit lib cfg; };
  addresses = import ../lib/addresses.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  jvm = import ../lib/jvm.nix;
  jmx = import ../lib/jmx.nix { inherit pkgs; };

  brokers = cfg.having.kafka;
  count = lib.length brokers;
  copies = lib.max 1 (lib.min 3 count);
  inSync = if copies == 3 then 2 else 1;
  milliseconds = days: days * 24 * 60 * 60 * 1000;

  topic = types.submodule {
    options = {
      partitions = mkOption {
        type = types.ints.positive;
        default = 8;
        description = "Into how many partitions it is made. An existing topic keeps its own.";
      };
      replication = mkOption {
        type = types.ints.positive;
        default = copies;
        defaultText = lib.literalMD "as many as there are brokers, at most 3";
        description = "On how many brokers each partition lies.";
      };
      settings = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = {
          "retention.ms" = "259200000";
        };
        description = "Its own settings, also set on a topic that is there.";
      };
    };
  };

  quota = types.submodule {
    options = lib.genAttrs [ "producer_byte_rate" "consumer_byte_rate" ] (
      name:
      mkOption {
        type = types.nullOr types.ints.positive;
        default = null;
        description = "`${name}`: bytes a second on each broker.";
      }
    );
  };
  pairs =
    settings: lib.concatStringsSep "," (lib.mapAttrsToList (k: v: "${k}=${toString v}") settings);
  declare = pkgs.writeShellScript "kafka-declare" (
    ''
      set -eu
      tool=${kafka.package}/bin
    ''
    + lib.concatStrings (
      lib.mapAttrsToList (name: t: ''
        "$tool/kafka-topics.sh" --bootstrap-server ${addresses.brokers} --create --if-not-exists --topic ${lib.escapeShellArg name} \
          --partitions ${toString t.partitions} --replication-factor ${toString t.replication}
        ${lib.optionalString (t.settings != { }) ''
          "$tool/kafka-configs.sh" --bootstrap-server ${addresses.brokers} --alter --entity-type topics --entity-name ${lib.escapeShellArg name} \
            --add-config ${lib.escapeShellArg (pairs t.settings)}
        ''}
      '') kafka.topics
    )
    + lib.concatStrings (
      lib.mapAttrsToList (client: rates: ''
        "$tool/kafka-configs.sh" --bootstrap-server ${addresses.brokers} --alter --entity-type clients --entity-name ${lib.escapeShellArg client} \
          --add-config ${lib.escapeShellArg (pairs (lib.filterAttrs (_: v: v != null) rates))}
      '') kafka.quotas
    )
  );
in
{
  imports = [
    ./kafka-clients.nix
    ./topology.nix
  ];

  options.services.goldrecord.kafka = {
    enable = options.enable "kafka" "a broker runs here";
    package = lib.mkPackageOption pkgs "apacheKafka" { };
    clusterId = mkOption {
      type = types.nullOr (types.strMatching "[A-Za-z0-9_-]{22}");
      default = null;
      example = "4L6g3nShT-eMCtK--X86sw";
      description = "The cluster's name for itself, made once with `kafka-storage.sh random-uuid` and never changed: bronze's offsets hang on it.";
    };
    port = options.port 9092 "Where clients connect.";
    controllerPort = options.port 9093 "Where the controllers vote.";
    metricsPort = options.port 7071 "Where Prometheus reads the JVM's metrics.";
    disks = mkOption {
      type = types.listOf types.path;
      default = [ "/var/lib/apache-kafka" ];
      example = [
        "/disks/kafka1"
        "/disks/kafka2"
      ];
      description = "Folders for the log, one a disk.";
    };
    heap = mkOption {
      type = types.ints.positive;
      default = 1024;
      description = "The JVM's heap in MiB. The log is served from the page cache: leave the memory to that.";
    };
    retentionDays = mkOption {
      type = types.ints.positive;
      default = 7;
      description = "How long records stay. It must outlast the longest time that no ingestor runs.";
    };
    flushMilliseconds = mkOption {
      type = types.nullOr types.ints.positive;
      default = if count == 1 then 1000 else null;
      defaultText = lib.literalMD "1000 with one broker, else not set";
      description = ''
        How long an acknowledged record may be in memory only. Several brokers protect each other; one alone loses so
        much when the power fails.
      '';
    };
    topics = mkOption {
      type = types.attrsOf topic;
      default = { };
      example = lib.literalExpression ''{ clicks = { partitions = 12; settings."retention.ms" = "259200000"; }; }'';
      description = "Topics that are made besides those of the ingestor, which `goldrecord bootstrap` makes.";
    };
    quotas = mkOption {
      type = types.attrsOf quota;
      default = { };
      example = {
        backfill.producer_byte_rate = 10000000;
      };
      description = "What clients may use, by `client.id`.";
    };
    settings = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      example = {
        "num.io.threads" = 16;
      };
      description = "Further keys of `server.properties`.";
    };
  };

  config = lib.mkIf kafka.enable {
    assertions = [
      {
        assertion = kafka.clusterId != null;
        message = "services.goldrecord.kafka.clusterId is not set; make one with `nix run nixpkgs#apacheKafka -- kafka-storage.sh random-uuid` and write it here, the same on every machine, for ever.";
      }
      {
        assertion = lib.mod count 2 == 1;
        message = "services.goldrecord.nodes: ${toString count} machines have the role kafka; an even number of controllers survives no more failures than one less. Use 1, 3 or 5.";
      }
      {
        assertion = kafka.disks != [ ];
        message = "services.goldrecord.kafka.disks is empty; write a folder for the log, such as [ \"/var/lib/apache-kafka\" ].";
      }
    ]
    ++ lib.mapAttrsToList (name: t: {
      assertion = t.replication <= count;
      message = "services.goldrecord.kafka.topics.${name}: ${toString t.replication} copies want as many brokers, and there are ${toString count}; lower replication or add machines with the role kafka.";
    }) kafka.topics;

    services.goldrecord.ports = {
      kafka = {
        inherit (kafka) port;
        from = "nodes";
      };
      kafka-controller = {
        port = kafka.controllerPort;
        from = "nodes";
      };
      kafka-metrics = {
        port = kafka.metricsPort;
        from = "nodes";
      };
    };

    services.apache-kafka = {
      enable = true;
      inherit (kafka) package clusterId;
      formatLogDirs = true;
      # A disk that was replaced is formatted beside those that were not.
      formatLogDirsIgnoreFormatted = true;
      jvmOptions = jvm.options kafka.heap ++ [
        (jmx "kafka" cfg.here.address kafka.metricsPort)
      ];
      settings = {
        "process.roles" = [
          "broker"
          "controller"
        ];
        "node.id" = cfg.here.id;
        "broker.rack" = cfg.here.rack;
        listeners = [
          "PLAINTEXT://${cfg.node}:${toString kafka.port}"
          "CONTROLLER://${cfg.node}:${toString kafka.controllerPort}"
        ];
        "advertised.listeners" = [ "PLAINTEXT://${cfg.node}:${toString kafka.port}" ];
        "listener.security.protocol.map" = [
          "PLAINTEXT:PLAINTEXT"
          "CONTROLLER:PLAINTEXT"
        ];
        "controller.listener.names" = [ "CONTROLLER" ];
        "controller.quorum.voters" = map (
          name: "${toString cfg.nodes.${name}.id}@${name}:${toString kafka.controllerPort}"
        ) brokers;
        "log.dirs" = kafka.disks;
        "log.retention.ms" = milliseconds kafka.retentionDays;
        "log.flush.interval.ms" = kafka.flushMilliseconds;
        # A misspelt topic is an error, not a topic.
        "auto.create.topics.enable" = false;
        "num.partitions" = 8;
        "default.replication.factor" = copies;
        "min.insync.replicas" = inSync;
        "offsets.topic.replication.factor" = copies;
        "transaction.state.log.replication.factor" = copies;
        "transaction.state.log.min.isr" = inSync;
        "share.coordinator.state.topic.replication.factor" = copies;
        "share.coordinator.state.topic.min.isr" = inSync;
        "unclean.leader.election.enable" = false;
        # A broker that was killed may come back once its old session is over.
        "broker.session.timeout.ms" = 6000;
        "broker.heartbeat.interval.ms" = 1000;
      }
      // kafka.settings;
    };

    systemd.services.apache-kafka = {
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      unitConfig = {
        StartLimitIntervalSec = 0;
        RequiresMountsFor = kafka.disks;
      };
      serviceConfig = hardening.over hardening.jvm // {
        Restart = "always";
        RestartSec = "2s";
        TimeoutStopSec = "3min";
        ReadWritePaths = kafka.disks;
        StateDirectory = "apache-kafka";
        StateDirectoryMode = "0700";
        LimitNOFILE = 128000;
        MemoryMax = jvm.memoryMax kafka.heap;
        TasksMax = 1024;
        OOMScoreAdjust = -200;
      };
    };

    systemd.services.kafka-declare = lib.mkIf (kafka.topics != { } || kafka.quotas != { }) {
      description = "Kafka's declared topics and quotas";
      wantedBy = [ "multi-user.target" ];
      after = [ "apache-kafka.service" ];
      wants = [ "apache-kafka.service" ];
      before = [ "goldrecord-bootstrap.service" ];
      unitConfig.StartLimitIntervalSec = 0;
      path = [
        pkgs.coreutils
        pkgs.gnugrep
      ];
      environment.KAFKA_HEAP_OPTS = "-Xmx256m";
      serviceConfig = hardening.over hardening.jvm // {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = declare;
        User = "apache-kafka";
        # Brokers that are not there yet.
        Restart = "on-failure";
        RestartSec = "5s";
        MemoryMax = "768M";
      };
    };
    environment.systemPackages = [ kafka.package ];
  };
}
