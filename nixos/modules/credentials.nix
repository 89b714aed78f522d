# Secrets: what each is called, where it lies, and whether it is there before anybody wants it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  inherit (lib) mkOption types;
  hardening = import ../lib/hardening.nix { inherit lib; };
  wanted = lib.filter (name: cfg.credentials ? ${name}) (lib.unique cfg.wantedCredentials);
in
{
  options.services.goldrecord = {
    credentials = mkOption {
      type = types.attrsOf (types.either types.path types.str);
      default = { };
      example = lib.literalExpression ''
        {
          clickhouse-password = config.sops.secrets.clickhouse-password.path;
          grafana-secret-key = config.age.secrets.grafana-secret-key.path;
        }
      '';
      description = ''
        Secrets, each a file on the machine that holds nothing else, by name. systemd hands them to the services
        that need them; they never enter the Nix store. Write the file's path as a string, or use the path that
        sops-nix or agenix gives.
      '';
    };
    wantedCredentials = mkOption {
      type = types.listOf types.str;
      default = [ ];
      internal = true;
      description = "Those that a service of this machine is handed.";
    };
  };

  config = {
    assertions = lib.mapAttrsToList (name: path: {
      assertion = !(lib.hasPrefix builtins.storeDir (toString path));
      message = "services.goldrecord.credentials.${name} lies in the Nix store, which everybody on the machine can read; write the path of a file outside of it as a string, such as \"/run/secrets/${name}\".";
    }) cfg.credentials;

    # systemd refuses a service whose credential is not there, and says only that. Which one, and what to do, is said here.
    systemd.services.goldrecord-credentials = lib.mkIf (wanted != [ ]) {
      description = "The secrets of this machine are there";
      wantedBy = [ "multi-user.target" ];
      after = [ "goldrecord-secrets.service" ];
      unitConfig.StartLimitIntervalSec = 0;
      path = [ pkgs.coreutils ];
      script = ''
        missing=
      ''
      + lib.concatMapStrings (
        name:
        let
          path = lib.escapeShellArg (toString cfg.credentials.${name});
        in
        ''
          if [ ! -s ${path} ]; then
            echo services.goldrecord.credentials.${name}: there is no file ${path}, or nothing in it. \
              Write the secret into it, for root alone to read, and what wants it starts by itself. >&2
            missing=yes
          fi
        ''
      ) wanted
      + ''
        [ -z "$missing" ]
      '';
      serviceConfig = hardening.strict // {
        Type = "oneshot";
        RemainAfterExit = true;
        Restart = "on-failure";
        RestartSec = "10s";
        PrivateNetwork = true;
        MemoryMax = "64M";
      };
    };
  };
}
