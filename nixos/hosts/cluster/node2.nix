{
  imports = [ ./common.nix ];
  networking.hostName = "node2";
  services.goldrecord.hdfs.namenode.heap = 4096;
  services.goldrecord.kafka.disks = [ "/disks/kafka" ];
}
