# Three machines: one with everything, and two NameNodes beside it. Addresses as both drivers give them, in order.
let
  nodes = {
    node1 = {
      id = 1;
      address = "192.168.1.1";
      roles = [
        "kafka"
        "registry"
        "zookeeper"
        "journalnode"
        "datanode"
        "clickhouse"
        "ingestor"
        "layers"
      ];
    };
    node2 = {
      id = 2;
      address = "192.168.1.2";
      roles = [
        "namenode"
        "journalnode"
      ];
    };
    node3 = {
      id = 3;
      address = "192.168.1.3";
      roles = [
        "namenode"
        "journalnode"
      ];
    };
  };
  machine =
    name:
    { lib, ... }:
    {
      imports = [ ../nixos/profiles/machine.nix ];
      networking.hostName = name;
      system.stateVersion = "26.05";
      services.goldrecord = {
        inherit nodes;
        kafka = {
          clusterId = "q4mX1pZ7TfKzN0sV2hYb8A";
          heap = 384;
        };
        hdfs = {
          namenode.heap = 256;
          datanode = {
            heap = 256;
            disks = [ "/var/lib/hdfs-datanode" ];
          };
        };
        clickhouse.memory = 2048;
        settings = {
          ingestor = {
            flush_interval = "2s";
            memory = "128MiB";
          };
          bootstrap.partitions = 4;
        };
        # Only these machines know each other here.
        credentials = lib.genAttrs [
          "clickhouse-password"
          "clickhouse-reader-password"
        ] (secret: "/etc/secrets/${secret}");
      };
    };
in
builtins.mapAttrs (name: _: machine name) nodes
