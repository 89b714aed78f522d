# ZooKeeper, for one thing: it tells the two NameNodes' failover controllers which of them may be active
# (docs/decisions/0007-zookeeper-for-namenodes.md). Kafka does without.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.goldrecord;
  zookeeper = cfg.zookeeper;
  options = import ../lib/options.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  jvm = import ../lib/jvm.nix;
  servers = cfg.having.zookeeper;
  count = lib.length servers;
in
{
  imports = [ ./topology.nix ];

  options.services.goldrecord.zookeeper = {
    enable = options.enable "zookeeper" "a member of the ensemble runs here";
    port = options.port 2181 "Where the failover controllers connect.";
    heap = options.heap 128;
  };

  config = lib.mkIf zookeeper.enable {
    assertions = [
      {
        assertion = lib.mod count 2 == 1;
        message = "services.goldrecord.nodes: ${toString count} machines have the role zookeeper; an even number survives no more failures than one less. Use 1, 3 or 5.";
      }
    ];

    services.goldrecord.ports = {
      zookeeper = {
        inherit (zookeeper) port;
        from = "nodes";
      };
      zookeeper-quorum = {
        port = 2888;
        from = "nodes";
      };
      zookeeper-election = {
        port = 3888;
        from = "nodes";
      };
    };

    services.zookeeper = {
      enable = true;
      inherit (zookeeper) port;
      inherit (cfg.here) id;
      servers = lib.optionalString (count > 1) (
        lib.concatMapStrings (name: "server.${toString cfg.nodes.${name}.id}=${name}:2888:3888\n") servers
      );
      extraConf = ''
        initLimit=10
        syncLimit=5
        tickTime=2000
        clientPortAddress=${cfg.here.address}
        admin.enableServer=false
        4lw.commands.whitelist=ruok,srvr
      '';
      extraCmdLineOptions = jvm.options zookeeper.heap;
    };

    systemd.services.zookeeper = {
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = hardening.over hardening.jvm // {
        Restart = "always";
        RestartSec = "2s";
        SuccessExitStatus = 143;
        MemoryMax = jvm.memoryMax zookeeper.heap;
        ReadWritePaths = [ config.services.zookeeper.dataDir ];
        TasksMax = 256;
      };
    };
  };
}
