# One module a service, each on its own; `default` is all of them. Every one brings what it is built on.
{
  default = {
    imports = [
      ./akhq.nix
      ./backup.nix
      ./clickhouse.nix
      ./exporters.nix
      ./goldrecord
      ./grafana.nix
      ./hdfs.nix
      ./kafka.nix
      ./metabase.nix
      ./prometheus.nix
      ./registry.nix
      ./zookeeper.nix
    ];
  };
  akhq = ./akhq.nix;
  backup = ./backup.nix;
  clickhouse = ./clickhouse.nix;
  exporters = ./exporters.nix;
  goldrecord = ./goldrecord;
  grafana = ./grafana.nix;
  hdfs = ./hdfs.nix;
  kafka = ./kafka.nix;
  metabase = ./metabase.nix;
  prometheus = ./prometheus.nix;
  registry = ./registry.nix;
  zookeeper = ./zookeeper.nix;
}
