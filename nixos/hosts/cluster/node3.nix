{
  imports = [ ./common.nix ];
  networking.hostName = "node3";
  services.goldrecord.hdfs.datanode.disks = [
    "/disks/1"
    "/disks/2"
  ];
  services.goldrecord.kafka.disks = [ "/disks/kafka" ];
}
