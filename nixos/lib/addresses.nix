# Where the servers of the installation are, by the roles of its machines. A module on its own does not know the ports of
# the others' options: it takes their defaults.
{ lib, cfg }:
rec {
  # host:port of every machine with a role, in order
  all = role: port: map (name: "${name}:${toString port}") cfg.having.${role};
  some = role: cfg.having.${role} != [ ];
  first = role: lib.head cfg.having.${role};

  brokers = lib.concatStringsSep "," (all "kafka" (cfg.kafka.port or 9092));
  zookeepers = lib.concatStringsSep "," (all "zookeeper" (cfg.zookeeper.port or 2181));
  namenodes = lib.concatStringsSep "," (all "namenode" (cfg.hdfs.port or 8020));
  registry = "http://${first "registry"}:${toString (cfg.registry.port or 8081)}/apis/ccompat/v7";
  clickhouse = "http://${first "clickhouse"}:${toString (cfg.clickhouse.port or 8123)}";
}
