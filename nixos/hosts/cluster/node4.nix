{
  imports = [ ./common.nix ];
  networking.hostName = "node4";
  services.goldrecord.hdfs.datanode.disks = [
    "/disks/1"
    "/disks/2"
  ];
  services.goldrecord.clickhouse.memory = 16384;
}
