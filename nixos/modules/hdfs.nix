# HDFS: one NameNode, or two that replace each other, and the machines with the disks.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  hdfs = cfg.hdfs;
  inherit (lib) mkOption types;
  options = import ../lib/options.nix { inherit lib cfg; };
  addresses = import ../lib/addresses.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  jvm = import ../lib/jvm.nix;
  jmx = import ../lib/jmx.nix { inherit pkgs; };

  namenodes = cfg.having.namenode;
  journals = cfg.having.journalnode;
  ha = lib.length namenodes > 1;
  first = lib.head namenodes;
  others = lib.filter (name: name != cfg.node) namenodes;
  copies = lib.max 1 (lib.min 3 (lib.length cfg.having.datanode));
  runs = hdfs.namenode.enable || hdfs.datanode.enable || hdfs.journalnode.enable;

  nameDir = "/var/lib/hdfs-namenode/name";
  journalDir = "/var/lib/hdfs-journalnode";
  command = "${config.services.hadoop.package}/bin/hdfs --config /etc/hadoop-conf";

  racks = lib.any (n: n.rack != null) (lib.attrValues cfg.nodes);
  rackTable = pkgs.writeText "racks" (
    lib.concatStrings (
      lib.mapAttrsToList (
        _: n: "${n.address} /${if n.rack == null then "default" else n.rack}\n"
      ) cfg.nodes
    )
  );

  haSettings =
    lib.foldl'
      (
        settings: name:
        settings
        // {
          "dfs.namenode.rpc-address.lake.${name}" = "${name}:${toString hdfs.port}";
          "dfs.namenode.http-address.lake.${name}" = "${name}:${toString hdfs.webPort}";
        }
      )
      {
        "dfs.nameservices" = "lake";
        "dfs.ha.namenodes.lake" = lib.concatStringsSep "," namenodes;
        "dfs.namenode.shared.edits.dir" =
          "qjournal://${lib.concatStringsSep ";" (addresses.all "journalnode" 8485)}/lake";
        "dfs.client.failover.proxy.provider.lake" =
          "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider";
        "dfs.ha.automatic-failover.enabled" = "true";
        # Whoever lost the journal cannot write to it any more: nothing else has to be fenced.
        "dfs.ha.fencing.methods" = "shell(${pkgs.coreutils}/bin/true)";
        "dfs.ha.tail-edits.in-progress" = "true";
        "dfs.ha.tail-edits.period" = "1s";
        # An active one on a loaded machine may take its time to step back.
        "ha.failover-controller.graceful-fence.rpc-timeout.ms" = "30000";
      }
      namenodes;

  # A NameNode without a folder is made by the other one where that is there; only the first of a new installation is
  # formatted, and HDFS refuses that itself where the journals hold another's edits.
  prepare = ''
    if [ ! -e ${nameDir}/current/VERSION ]; then
  ''
  + (
    if ha then
      ''
        if (: < /dev/tcp/${lib.head others}/${toString hdfs.port}) 2>/dev/null; then
          ${command} namenode -bootstrapStandby -nonInteractive
        elif [ ${cfg.node} = ${first} ]; then
          ${command} namenode -format -nonInteractive
        else
          echo "this NameNode has nothing yet and copies it from ${first}, which does not answer at port ${toString hdfs.port}; trying again" >&2
          exit 1
        fi
      ''
    else
      ''
        ${command} namenode -format -nonInteractive
      ''
  )
  + ''
    fi
  '';

  options' =
    heap: name: port:
    toString (jvm.options heap ++ [ (jmx name cfg.here.address port) ]);
  server = heap: more: {
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    unitConfig.StartLimitIntervalSec = 0;
    # The commands behind `hdfs` are shell scripts.
    path = [ pkgs.bash ];
    serviceConfig =
      hardening.over hardening.jvm
      // {
        Restart = lib.mkForce "always";
        RestartSec = "2s";
        SuccessExitStatus = 143;
        StateDirectoryMode = "0700";
        MemoryMax = jvm.memoryMax heap;
        LimitNOFILE = 65536;
        TasksMax = 4096;
      }
      // more;
  };
  nodesMay = port: {
    inherit port;
    from = "nodes";
  };
in
{
  imports = [ ./topology.nix ];

  options.services.goldrecord.hdfs = {
    port = options.port 8020 "Where clients ask the NameNode.";
    webPort = options.port 9870 "The NameNode's pages.";
    replication = mkOption {
      type = types.ints.positive;
      default = copies;
      defaultText = lib.literalMD "as many as there are DataNodes, at most 3";
      description = "On how many DataNodes each block lies.";
    };
    namenode = {
      enable = options.enable "namenode" "a NameNode runs here";
      heap = options.heap 1024;
      metricsPort = options.port 7072 "Where Prometheus reads its metrics.";
    };
    datanode = {
      enable = options.enable "datanode" "a DataNode runs here";
      heap = options.heap 512;
      disks = mkOption {
        type = types.listOf types.path;
        default = [ ];
        example = [
          "/disks/1"
          "/disks/2"
        ];
        description = "The folders of the blocks, one a disk. With two or more, one may fail and the machine goes on.";
      };
      metricsPort = options.port 7073 "Where Prometheus reads its metrics.";
    };
    journalnode = {
      enable = options.enable "journalnode" "a JournalNode, which keeps what the active NameNode writes down, runs here";
      heap = options.heap 256;
    };
    settings = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      example = {
        "dfs.namenode.handler.count" = 64;
      };
      description = "Further keys of `hdfs-site.xml`.";
    };
  };

  config = lib.mkIf runs {
    assertions = [
      {
        assertion = !hdfs.datanode.enable || hdfs.datanode.disks != [ ];
        message = "services.goldrecord.hdfs.datanode.disks is empty: ${cfg.node} is a DataNode without disks. Write a folder for each disk, such as [ \"/disks/1\" \"/disks/2\" ].";
      }
      {
        assertion = namenodes != [ ];
        message = "services.goldrecord.nodes: no machine has the role namenode, and HDFS does nothing without one; give it to one machine, or to two.";
      }
      {
        assertion = lib.length namenodes <= 2;
        message = "services.goldrecord.nodes: ${lib.concatStringsSep ", " namenodes} have the role namenode; at most two are supported.";
      }
      {
        assertion = !ha || (lib.length journals >= 3 && lib.mod (lib.length journals) 2 == 1);
        message = "services.goldrecord.nodes: two NameNodes want three (or five) machines with the role journalnode, and there are ${toString (lib.length journals)}.";
      }
      {
        assertion = !ha || cfg.having.zookeeper != [ ];
        message = "services.goldrecord.nodes: two NameNodes want machines with the role zookeeper, which say which of them is active; give it to three.";
      }
      {
        assertion = hdfs.replication <= lib.max 1 (lib.length cfg.having.datanode);
        message = "services.goldrecord.hdfs.replication: ${toString hdfs.replication} copies want as many DataNodes, and there are ${toString (lib.length cfg.having.datanode)}; lower it or add machines with the role datanode.";
      }
    ];

    services.goldrecord.ports = lib.mkMerge [
      (lib.mkIf hdfs.namenode.enable {
        hdfs-namenode = nodesMay hdfs.port;
        hdfs-namenode-web = nodesMay hdfs.webPort;
        hdfs-namenode-metrics = nodesMay hdfs.namenode.metricsPort;
      })
      (lib.mkIf (hdfs.namenode.enable && ha) { hdfs-zkfc = nodesMay 8019; })
      (lib.mkIf hdfs.datanode.enable {
        hdfs-datanode = nodesMay 9866;
        hdfs-datanode-ipc = nodesMay 9867;
        hdfs-datanode-web = nodesMay 9864;
        hdfs-datanode-metrics = nodesMay hdfs.datanode.metricsPort;
      })
      (lib.mkIf hdfs.journalnode.enable {
        hdfs-journalnode = nodesMay 8485;
        hdfs-journalnode-web = nodesMay 8480;
      })
    ];

    services.hadoop = {
      coreSite = {
        "fs.defaultFS" = if ha then "hdfs://lake" else "hdfs://${first}:${toString hdfs.port}";
        "hadoop.tmp.dir" = "/tmp/hadoop";
        # They all start side by side.
        "ipc.client.connect.max.retries" = 30;
      }
      // lib.optionalAttrs ha {
        "ha.zookeeper.quorum" = addresses.zookeepers;
      }
      // lib.optionalAttrs racks {
        "net.topology.node.switch.mapping.impl" = "org.apache.hadoop.net.TableMapping";
        "net.topology.table.file.name" = "${rackTable}";
      };
      hdfsSite = {
        "dfs.namenode.rpc-bind-host" = cfg.here.address;
        "dfs.namenode.http-bind-host" = cfg.here.address;
        "dfs.namenode.name.dir" = "file://${nameDir}";
        "dfs.datanode.failed.volumes.tolerated" = if lib.length hdfs.datanode.disks > 1 then 1 else 0;
        "dfs.datanode.hostname" = cfg.node;
        "dfs.datanode.address" = "${cfg.here.address}:9866";
        "dfs.datanode.ipc.address" = "${cfg.here.address}:9867";
        "dfs.datanode.http.address" = "${cfg.here.address}:9864";
        "dfs.journalnode.edits.dir" = journalDir;
        "dfs.journalnode.rpc-address" = "${cfg.here.address}:8485";
        "dfs.journalnode.http-address" = "${cfg.here.address}:8480";
        "dfs.replication" = hdfs.replication;
        # A closed file is on the disk, not in the page cache.
        "dfs.datanode.synconclose" = "true";
        "dfs.permissions.superusergroup" = "hadoop";
      }
      // lib.optionalAttrs hdfs.datanode.enable {
        "dfs.datanode.data.dir" = lib.concatMapStringsSep "," (
          disk: "file://${disk}/hdfs"
        ) hdfs.datanode.disks;
      }
      # A commit need not wait until a second DataNode has told the NameNode that it has the block.
      // lib.optionalAttrs (hdfs.replication >= 2) {
        "dfs.namenode.file.close.num-committed-allowed" = 1;
      }
      // (
        if ha then
          haSettings
        else
          { "dfs.namenode.http-address" = "${cfg.here.address}:${toString hdfs.webPort}"; }
      )
      // hdfs.settings;
      hdfs = {
        namenode = {
          inherit (hdfs.namenode) enable;
          extraEnv.HDFS_NAMENODE_OPTS = options' hdfs.namenode.heap "hadoop" hdfs.namenode.metricsPort;
        };
        datanode = {
          inherit (hdfs.datanode) enable;
          extraEnv.HDFS_DATANODE_OPTS = options' hdfs.datanode.heap "hadoop" hdfs.datanode.metricsPort;
        };
        journalnode = {
          inherit (hdfs.journalnode) enable;
          extraEnv.HDFS_JOURNALNODE_OPTS = toString (jvm.options hdfs.journalnode.heap);
        };
        zkfc = {
          enable = hdfs.namenode.enable && ha;
          extraEnv.HDFS_ZKFC_OPTS = toString (jvm.options 128);
        };
      };
    };

    systemd.tmpfiles.rules = lib.optionals hdfs.datanode.enable (
      lib.concatMap (disk: [ "d '${disk}/hdfs' 0700 hdfs hadoop - -" ]) hdfs.datanode.disks
    );

    systemd.services = {
      hdfs-namenode = lib.mkIf hdfs.namenode.enable (
        server hdfs.namenode.heap { StateDirectory = "hdfs-namenode"; }
        // {
          preStart = prepare;
        }
      );
      hdfs-datanode = lib.mkIf hdfs.datanode.enable (
        lib.recursiveUpdate (server hdfs.datanode.heap {
          ReadWritePaths = map (disk: "${disk}/hdfs") hdfs.datanode.disks;
        }) { unitConfig.RequiresMountsFor = hdfs.datanode.disks; }
      );
      hdfs-journalnode = lib.mkIf hdfs.journalnode.enable (
        server hdfs.journalnode.heap { StateDirectory = "hdfs-journalnode"; }
      );
      hdfs-zkfc = lib.mkIf (hdfs.namenode.enable && ha) (
        server 128 { }
        // {
          after = [
            "network-online.target"
            "zookeeper.service"
            "hdfs-namenode.service"
          ];
          # 2: the other one has made it already.
          preStart = "${command} zkfc -formatZK -nonInteractive || [ $? = 2 ]";
        }
      );
      # The lake's own folder, owned by who writes it: HDFS lets nobody else make one in its root.
      hdfs-folders = lib.mkIf (hdfs.namenode.enable && cfg.node == first) {
        description = "The lake's folder in HDFS";
        wantedBy = [ "multi-user.target" ];
        wants = [ "hdfs-namenode.service" ];
        after = [
          "hdfs-namenode.service"
          "hdfs-zkfc.service"
        ];
        before = [ "goldrecord-bootstrap.service" ];
        unitConfig.StartLimitIntervalSec = 0;
        environment.HADOOP_CLIENT_OPTS = "-Xmx128m";
        script = ''
          # What is ordered after this is held up only by its first start: a failed one would let it go.
          until ${command} dfsadmin -safemode wait; do
            sleep 1
          done
          # Nobody sees the folder before it is its owner's.
          if ! ${command} dfs -test -e /lake; then
            ${command} dfs -mkdir -p /making/lake
            ${command} dfs -chown goldrecord /making/lake
            ${command} dfs -mv /making/lake /lake
            ${command} dfs -rmdir /making
          fi
          ${command} dfsadmin -allowSnapshot /lake
        '';
        serviceConfig = hardening.over hardening.jvm // {
          Type = "oneshot";
          RemainAfterExit = true;
          User = "hdfs";
          Restart = "on-failure";
          RestartSec = "2s";
          MemoryMax = "512M";
        };
      };
    };
  };
}
