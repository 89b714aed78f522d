# Options that every service has.
{ lib, cfg }:
let
  inherit (lib) mkOption types;
in
{
  # Whether it runs here: by default where the machine has the role. `what` completes "Whether …".
  enable =
    role: what:
    mkOption {
      type = types.bool;
      default = lib.elem role cfg.here.roles;
      defaultText = lib.literalMD "whether this machine has the role `${role}`";
      description = "Whether ${what}.";
    };

  port =
    default: description:
    mkOption {
      type = types.port;
      inherit default description;
    };

  heap =
    default:
    mkOption {
      type = types.ints.positive;
      inherit default;
      description = "The JVM's heap in MiB.";
    };
}
