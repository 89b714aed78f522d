# services.goldrecord.settings: goldrecord.toml, its keys read off the program's own struct (options.json; a test of
# the crate `service` writes it and fails when it differs).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  inherit (lib) mkOption types;
  sections = lib.importJSON ./options.json;

  named = {
    string = types.str;
    path = types.either types.path types.str;
    boolean = types.bool;
    unsigned = types.ints.unsigned;
    span = types.strMatching "[0-9][0-9_]* *(ms|s|m|h|d)" // {
      description = "time such as 500ms, 10s, 5m, 1h or 7d";
    };
    bytes = types.either types.ints.unsigned (
      types.strMatching "[0-9][0-9_]* *(B|KiB|MiB|GiB)"
      // {
        description = "size such as 512KiB, 64MiB or 1GiB";
      }
    );
  };
  typeOf =
    kind:
    if lib.isString kind then
      named.${kind}
    else if kind ? enum then
      types.enum kind.enum
    else if kind ? list then
      types.listOf (typeOf kind.list)
    else if kind ? attributes then
      types.attrsOf (typeOf kind.attributes)
    else
      types.submodule { options = lib.mapAttrs (_: optionOf) kind.section; };
  # What is not set is left out of the file, so that the program's default holds, also a later version's.
  optionOf =
    key:
    mkOption {
      type = types.nullOr (typeOf key.type);
      default = null;
      defaultText = lib.literalMD (
        if key ? default then "`${builtins.toJSON key.default}`, the program's own" else "not set"
      );
      inherit (key) description;
    };

  present = lib.filterAttrsRecursive (_: value: value != null && value != { });
in
{
  options.services.goldrecord = {
    settings = lib.mapAttrs (
      _: section:
      mkOption {
        type = types.submodule { options = lib.mapAttrs (_: optionOf) section.keys; };
        default = { };
        inherit (section) description;
      }
    ) sections;
    configFile = mkOption {
      type = types.path;
      internal = true;
      readOnly = true;
      description = "The file that the services read.";
    };
  };

  config = {
    services.goldrecord.configFile = (pkgs.formats.toml { }).generate "goldrecord.toml" (
      present cfg.settings
    );
    environment.etc."goldrecord/goldrecord.toml".source = cfg.configFile;
  };
}
