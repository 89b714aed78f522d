# The programs, and the files of ../../../units for whatever of them runs here.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  inherit (lib) mkOption types;
  packages = import ../../packages { inherit pkgs; };
in
{
  options.services.goldrecord = {
    package = mkOption {
      type = types.package;
      default = packages.goldrecord;
      defaultText = lib.literalMD "the flake's own";
      description = "The programs.";
    };
    units = mkOption {
      type = types.bool;
      default = false;
      internal = true;
      description = "Whether a unit of ours runs here.";
    };
  };

  config = lib.mkIf cfg.units {
    systemd.packages = [ (packages.goldrecord-units.override { goldrecord = cfg.package; }) ];
  };
}
