{
  imports = [ ./common.nix ];
  networking.hostName = "node1";
  services.goldrecord.hdfs.namenode.heap = 4096;
  services.goldrecord.kafka.disks = [ "/disks/kafka" ];
}
