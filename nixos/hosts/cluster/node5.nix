{
  imports = [ ./common.nix ];
  networking.hostName = "node5";
  services.goldrecord.hdfs.datanode.disks = [
    "/disks/1"
    "/disks/2"
  ];
}
