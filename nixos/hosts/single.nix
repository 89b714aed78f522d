# Everything on one machine: enough for some thousand events a second, and for trying it out.
{
  imports = [
    ../profiles/disks.nix
    ../profiles/machine.nix
    # Passwords are made at the first start, in /var/lib/goldrecord-secrets.
    ../profiles/made-secrets.nix
  ];

  networking.hostName = "single";
  system.stateVersion = "26.05";
  # users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 …" ];

  services.goldrecord = {
    nodes.single = {
      id = 1;
      # Nothing but Grafana and Metabase is reached from outside.
      address = "127.0.0.1";
      roles = [
        "kafka"
        "registry"
        "namenode"
        "datanode"
        "clickhouse"
        "ingestor"
        "layers"
        "monitoring"
        "metabase"
        "akhq"
        # Simulated listeners: leave them out for your own events.
        "eventsim"
      ];
    };

    kafka = {
      clusterId = "q4mX1pZ7TfKzN0sV2hYb8A";
      heap = 512;
      retentionDays = 7;
    };
    hdfs = {
      namenode.heap = 512;
      datanode = {
        heap = 256;
        disks = [ "/var/lib/hdfs-datanode" ];
      };
    };
    clickhouse.memory = 2048;
    settings.ingestor.flush_interval = "10s";
  };
}
