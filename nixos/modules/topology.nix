# Which machines there are and what each does. The same on every machine: addresses, firewalls, voters and scrape
# targets all follow from it.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.goldrecord;
  inherit (lib) mkOption types;

  roles = [
    "akhq"
    "clickhouse"
    "datanode"
    "eventsim"
    "ingestor"
    "journalnode"
    "kafka"
    "layers"
    "metabase"
    "monitoring"
    "namenode"
    "registry"
    "zookeeper"
  ];

  node = types.submodule {
    options = {
      address = mkOption {
        type = types.str;
        example = "10.10.0.1";
        description = "The address that the other machines reach this one by, on a network that only they are on.";
      };
      id = mkOption {
        type = types.ints.positive;
        example = 1;
        description = "A number of its own, never given to another machine: Kafka and ZooKeeper know it by this.";
      };
      rack = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "rack-a";
        description = "Where it stands: Kafka and HDFS put copies into different racks.";
      };
      ingestors = mkOption {
        type = types.ints.between 1 9;
        default = 1;
        example = 3;
        description = ''
          With the role `ingestor`, how many run side by side on it. They share the partitions with those of the
          other machines; more of them than a topic has partitions stand idle. Each takes one to two cores under load.
        '';
      };
      roles = mkOption {
        type = types.listOf (types.enum roles);
        default = [ ];
        example = [
          "kafka"
          "datanode"
        ];
        description = "What runs on it.";
      };
    };
  };

  port = types.submodule {
    options = {
      port = mkOption {
        type = types.port;
        description = "The TCP port.";
      };
      from = mkOption {
        type = types.enum [
          "nodes"
          "anywhere"
          "nowhere"
        ];
        description = "Who may connect: the machines of the installation, anybody who reaches this machine, or only this machine itself.";
      };
    };
  };

  ports = lib.attrValues cfg.ports;
  portsFrom = from: map (p: p.port) (lib.filter (p: p.from == from) ports);
  peers = lib.filter (address: address != cfg.here.address) (
    lib.mapAttrsToList (_: n: n.address) cfg.nodes
  );
  list = values: lib.concatMapStringsSep ", " toString values;
  isV6 = lib.hasInfix ":";
  peersOf = isKind: lib.filter isKind peers;
  accept =
    family: addresses:
    lib.optionalString (addresses != [ ] && portsFrom "nodes" != [ ]) ''
      ${family} saddr { ${list addresses} } tcp dport { ${list (portsFrom "nodes")} } accept
    '';

  # The names under which a port is claimed more than once.
  clashes = lib.filterAttrs (_: names: lib.length names > 1) (
    lib.foldlAttrs (
      seen: name: p:
      seen // { ${toString p.port} = (seen.${toString p.port} or [ ]) ++ [ name ]; }
    ) { } cfg.ports
  );
  repeated =
    what: values:
    let
      again = lib.filter (v: lib.count (w: w == v) values > 1) (lib.unique values);
    in
    {
      assertion = again == [ ];
      message = "services.goldrecord.nodes: ${what} ${list again} is given to more than one machine; give each its own.";
    };
in
{
  imports = [ ./credentials.nix ];

  options.services.goldrecord = {
    nodes = mkOption {
      type = types.attrsOf node;
      default = { };
      example = lib.literalExpression ''
        {
          node1 = { id = 1; address = "10.10.0.1"; roles = [ "kafka" "namenode" "journalnode" ]; };
          node2 = { id = 2; address = "10.10.0.2"; roles = [ "kafka" "datanode" ]; };
        }
      '';
      description = "Every machine of the installation, by its host name. Write it once and import it on all of them.";
    };
    node = mkOption {
      type = types.str;
      default = config.networking.hostName;
      defaultText = lib.literalExpression "config.networking.hostName";
      description = "Which of the nodes this machine is.";
    };
    here = mkOption {
      type = types.attrs;
      internal = true;
      readOnly = true;
      description = "This machine's entry.";
    };
    having = mkOption {
      type = types.attrsOf (types.listOf types.str);
      internal = true;
      readOnly = true;
      description = "The names of the machines that have a role, in order.";
    };
    ports = mkOption {
      type = types.attrsOf port;
      default = { };
      internal = true;
      description = "What listens on this machine, by name.";
    };
  };

  config = {
    services.goldrecord = {
      here =
        cfg.nodes.${cfg.node} or {
          address = "127.0.0.1";
          id = 1;
          rack = null;
          ingestors = 1;
          roles = [ ];
        };
      having = lib.genAttrs roles (
        role: lib.attrNames (lib.filterAttrs (_: n: lib.elem role n.roles) cfg.nodes)
      );
    };

    assertions = [
      {
        assertion = cfg.nodes ? ${cfg.node};
        message = ''
          services.goldrecord.nodes has no machine ${cfg.node}; add it, such as
            services.goldrecord.nodes.${cfg.node} = { id = 1; address = "10.10.0.1"; roles = [ "kafka" ]; };
          or say with services.goldrecord.node which of ${list (lib.attrNames cfg.nodes)} this machine is.
        '';
      }
      (repeated "the id" (lib.mapAttrsToList (_: n: n.id) cfg.nodes))
      (repeated "the address" (lib.mapAttrsToList (_: n: n.address) cfg.nodes))
    ]
    ++ lib.mapAttrsToList (port: names: {
      assertion = false;
      message = "Port ${port} is wanted by ${lib.concatStringsSep " and " names} on ${cfg.node}; give one of them another port (services.goldrecord.*.port).";
    }) clashes;

    networking = {
      # Names of the nodes mean the same on all of them; NixOS would give this machine's own a loopback address.
      hosts = lib.mkMerge (
        [ { "127.0.0.2" = lib.mkForce [ ]; } ]
        ++ lib.mapAttrsToList (name: n: { ${n.address} = [ name ]; }) cfg.nodes
      );
      nftables.enable = lib.mkDefault true;
      firewall = {
        allowedTCPPorts = portsFrom "anywhere";
        extraInputRules = accept "ip" (peersOf (a: !isV6 a)) + accept "ip6" (peersOf isV6);
      };
    };
  };
}
