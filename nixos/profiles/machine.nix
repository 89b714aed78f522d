# What every machine of an installation has besides its services.
{ lib, pkgs, ... }:
{
  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  time.timeZone = "UTC";
  i18n.defaultLocale = "C.UTF-8";

  services.openssh = {
    enable = true;
    settings = {
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitRootLogin = "prohibit-password";
    };
  };
  # Kafka's and HDFS's leases, and the order of events, want clocks that agree.
  services.chrony.enable = true;
  services.journald.extraConfig = "SystemMaxUse=2G";
  # The page cache is worth more than pages that were swapped out.
  boot.kernel.sysctl."vm.swappiness" = 1;

  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];
  environment.systemPackages = [
    pkgs.curl
    pkgs.jq
  ];
}
