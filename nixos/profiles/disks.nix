# Disks by label, as docs/operations.md partitions them.
{ lib, ... }:
{
  boot.loader = {
    systemd-boot.enable = lib.mkDefault true;
    efi.canTouchEfiVariables = lib.mkDefault true;
  };
  fileSystems = {
    "/" = {
      device = lib.mkDefault "/dev/disk/by-label/nixos";
      fsType = lib.mkDefault "ext4";
    };
    "/boot" = {
      device = lib.mkDefault "/dev/disk/by-label/boot";
      fsType = lib.mkDefault "vfat";
      options = [ "umask=0077" ];
    };
  };
}
