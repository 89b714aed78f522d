# Who does what in the cluster of five. The same on every machine.
#
# Any one machine may fail: events still come in and are kept; while node4 or node5 is away nobody sees new charts or
# pages, and while node2 is away no new gold is built. docs/operations.md says how to move a role.
{
  services.goldrecord = {
    nodes = {
      node1 = {
        id = 1;
        address = "10.10.0.1";
        rack = "a";
        roles = [
          "namenode"
          "journalnode"
          "zookeeper"
          "kafka"
          "registry"
        ];
      };
      node2 = {
        id = 2;
        address = "10.10.0.2";
        rack = "b";
        roles = [
          "namenode"
          "journalnode"
          "zookeeper"
          "kafka"
          "layers"
        ];
      };
      node3 = {
        id = 3;
        address = "10.10.0.3";
        rack = "c";
        roles = [
          "datanode"
          "journalnode"
          "zookeeper"
          "kafka"
          "ingestor"
        ];
      };
      node4 = {
        id = 4;
        address = "10.10.0.4";
        rack = "a";
        roles = [
          "datanode"
          "ingestor"
          "clickhouse"
        ];
      };
      node5 = {
        id = 5;
        address = "10.10.0.5";
        rack = "b";
        roles = [
          "datanode"
          "registry"
          "monitoring"
          "metabase"
          "akhq"
        ];
      };
    };
    kafka.clusterId = "7rBv3kQ9RmWfJ2xE5tHc1g";
  };
}
