# Configurations that must not evaluate, and the sentence that says why and what to write instead.
{
  lib,
  pkgs,
  self,
}:
let
  system =
    module:
    lib.nixosSystem {
      modules = [
        self.nixosModules.default
        ../hosts/single.nix
        { nixpkgs.hostPlatform = lib.mkForce pkgs.stdenv.hostPlatform.system; }
        module
      ];
    };
  # The messages of our assertions that fail; NixOS's own are not looked at, which saves most of the time.
  failures =
    module:
    let
      ours = lib.filter (
        definition: lib.hasPrefix (toString ../.) (toString definition.file)
      ) (system module).options.assertions.definitionsWithLocations;
    in
    map (a: a.message) (
      lib.filter (a: !a.assertion) (lib.concatMap (definition: definition.value) ours)
    );
  # Whether an option's type refuses the value.
  mistyped =
    path: module:
    !(builtins.tryEval (builtins.deepSeq (lib.getAttrFromPath path (system module).config) true))
    .success;

  roles = roles: { services.goldrecord.nodes.single.roles = lib.mkForce roles; };
  second = extra: {
    services.goldrecord.nodes.other = {
      id = 2;
      address = "10.10.0.2";
    }
    // extra;
  };

  # name = a module and words of the one message that it must fail with
  cases = {
    datanode-without-disks = {
      module.services.goldrecord.hdfs.datanode.disks = lib.mkForce [ ];
      says = "is a DataNode without disks";
    };
    port-clash = {
      module.services.goldrecord.grafana.port = 9090;
      says = "Port 9090 is wanted by grafana and prometheus";
    };
    credential-missing = {
      module.services.goldrecord.credentials = lib.mkForce {
        clickhouse-reader-password = "/run/secrets/r";
        grafana-admin-password = "/run/secrets/a";
        grafana-secret-key = "/run/secrets/k";
        metabase-admin-password = "/run/secrets/m";
      };
      says = "clickhouse-password";
    };
    secret-in-the-store = {
      module.services.goldrecord.credentials.clickhouse-password = ../../LICENSE;
      says = "lies in the Nix store";
    };
    cluster-id-missing = {
      module.services.goldrecord.kafka.clusterId = lib.mkForce null;
      says = "kafka-storage.sh random-uuid";
    };
    unknown-machine = {
      module.services.goldrecord.node = "nobody";
      says = "has no machine nobody";
    };
    id-twice = {
      module = second { id = 1; };
      says = "the id 1 is given to more than one machine";
    };
    address-twice = {
      module = second { address = "127.0.0.1"; };
      says = "the address 127.0.0.1 is given to more than one machine";
    };
    two-brokers = {
      module = second { roles = [ "kafka" ]; };
      says = "Use 1, 3 or 5";
    };
    two-namenodes-without-journals = {
      module = second { roles = [ "namenode" ]; };
      says = "machines with the role journalnode, and there are 0";
    };
    two-namenodes-without-zookeeper = {
      module = second { roles = [ "namenode" ]; };
      says = "machines with the role zookeeper";
    };
    more-copies-than-datanodes = {
      module.services.goldrecord.hdfs.replication = 3;
      says = "3 copies want as many DataNodes, and there are 1";
    };
    more-copies-than-brokers = {
      module.services.goldrecord.kafka.topics.t.replication = 3;
      says = "3 copies want as many brokers, and there are 1";
    };
    builds-on-two-machines = {
      module = second { roles = [ "layers" ]; };
      says = "builds would refuse each other";
    };
    secrets-made-on-two-machines = {
      module = second { };
      says = "makes each machine its own secrets";
    };
    registry-without-kafka = {
      module.imports = [
        (roles [ "registry" ])
        { services.goldrecord.settings.kafka.bootstrap_servers = "elsewhere:9092"; }
      ];
      says = "keeps its schemas in Kafka";
    };
    ingestor-without-kafka = {
      module = roles [
        "ingestor"
        "namenode"
      ];
      says = "settings.kafka.bootstrap_servers is not set";
    };
    ingestor-without-lake = {
      module = roles [
        "ingestor"
        "kafka"
      ];
      says = "settings.lake.url is not set";
    };
    kerberos = {
      module.services.goldrecord.settings.kafka.sasl = "kerberos";
      says = "Kerberos is not supported yet";
    };
    sasl-without-password = {
      module.services.goldrecord.settings.kafka = {
        sasl = "scram-sha-512";
        user = "ingestor";
      };
      says = "wants settings.kafka.user and credentials.kafka-password";
    };
    kafka-without-disks = {
      module.services.goldrecord.kafka.disks = lib.mkForce [ ];
      says = "services.goldrecord.kafka.disks is empty";
    };
    two-zookeepers = {
      module.imports = [
        (second { roles = [ "zookeeper" ]; })
        { services.goldrecord.nodes.single.roles = [ "zookeeper" ]; }
      ];
      says = "2 machines have the role zookeeper";
    };
    datanode-without-namenode = {
      module.imports = [
        (roles [ "datanode" ])
        { services.goldrecord.settings.lake.url = "hdfs://elsewhere:8020/lake"; }
      ];
      says = "no machine has the role namenode";
    };
    akhq-without-kafka = {
      module = roles [ "akhq" ];
      says = "services.goldrecord.akhq shows Kafka";
    };
    metabase-without-clickhouse = {
      module = roles [ "metabase" ];
      says = "services.goldrecord.metabase asks ClickHouse";
    };
    loader-without-clickhouse = {
      module = roles [
        "kafka"
        "namenode"
        "datanode"
        "layers"
      ];
      says = "settings.clickhouse.url is not set";
    };
    registry-user-without-password = {
      module.services.goldrecord.settings.registry.user = "reader";
      says = "wants credentials.registry-password";
    };
    clients-without-certificate = {
      module.services.goldrecord.kafka.clients.enable = true;
      says = "services.goldrecord.kafka wants the credential kafka-server";
    };
    kafka-user-without-password = {
      module.services.goldrecord.kafka.clients = {
        enable = true;
        users.shop.writes = [ "shop.*" ];
      };
      says = "kafka wants the credential kafka-user-shop";
    };
    kafka-user-of-the-machines = {
      module.services.goldrecord.kafka.clients = {
        enable = true;
        users.ANONYMOUS = { };
      };
      says = "choose another name";
    };
    readers-without-tls = {
      module.services.goldrecord.clickhouse.readersFrom = [ "192.168.0.0/24" ];
      says = "set clickhouse.tls = true";
    };
    tls-without-certificate = {
      module.services.goldrecord.clickhouse.tls = true;
      says = "clickhouse-certificate";
    };
  };

  # Values that the option's type refuses.
  wrongValues = {
    unknown-key.services.goldrecord.settings.ingestor.flush_intervals = "10s";
    no-time.services.goldrecord.settings.ingestor.flush_interval = "ten";
    no-size.services.goldrecord.settings.ingestor.memory = "2 elephants";
    no-format.services.goldrecord.settings.ingestor.format = "xml";
    no-role.services.goldrecord.nodes.single.roles = lib.mkForce [ "kafak" ];
  };

  wrong =
    lib.concatLists (
      lib.mapAttrsToList (
        name: case:
        let
          said = failures case.module;
        in
        lib.optional (
          !lib.any (lib.hasInfix case.says) said
        ) "${name}: expected a refusal with “${case.says}”, got ${builtins.toJSON said}"
      ) cases
    )
    ++ lib.mapAttrsToList (name: _: "${name}: expected the type to refuse it") (
      lib.filterAttrs (
        _: module:
        !mistyped [ "services" "goldrecord" "settings" ] module
        && !mistyped [ "services" "goldrecord" "nodes" ] module
      ) wrongValues
    )
    ++ map (said: "the single machine as it stands: ${said}") (failures { });
in
{
  refused =
    if wrong == [ ] then
      pkgs.runCommand "check-refused" { } "touch $out"
    else
      throw "configurations that must be refused, and how:\n  ${lib.concatStringsSep "\n  " wrong}";
}
