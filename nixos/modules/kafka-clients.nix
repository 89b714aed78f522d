# Kafka for programs that are not on the installation's machines: a listener of its own, over TLS, for users with a
# password, each of whom may use the topics that are named for it and nothing else. Between the machines nothing changes.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.goldrecord;
  kafka = cfg.kafka;
  clients = kafka.clients;
  inherit (lib) mkOption types;
  options = import ../lib/options.nix { inherit lib cfg; };
  addresses = import ../lib/addresses.nix { inherit lib cfg; };
  hardening = import ../lib/hardening.nix { inherit lib; };
  credentials = import ../lib/credentials.nix { inherit lib cfg; };

  users = lib.attrNames clients.users;
  passwords = map (user: "kafka-user-${user}") users;
  # Users and their rights are Kafka's own state: one machine writes them down.
  declares = kafka.enable && users != [ ] && cfg.node == addresses.first "kafka";

  names =
    what:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "listen_events"
        "shop.*"
      ];
      description = "${what}. With a `*` at its end, all that begin so.";
    };
  user = types.submodule {
    options = {
      writes = names "Topics that it may send to";
      reads = names "Topics that it may read";
      groups = names "Consumer groups that it may be in";
    };
  };

  # Each call of Kafka's tools is a JVM that starts: names go together.
  grant =
    user: operations: kind: names:
    let
      parted = lib.partition (lib.hasSuffix "*") names;
      call =
        pattern: chosen:
        lib.optionalString (chosen != [ ]) ''
          "$tool/kafka-acls.sh" --bootstrap-server ${addresses.brokers} --add --allow-principal User:${user} \
            ${
              lib.concatMapStringsSep " " (o: "--operation ${o}") operations
            } --resource-pattern-type ${pattern} \
            ${lib.concatMapStringsSep " " (
              name: "--${kind} ${lib.escapeShellArg (lib.removeSuffix "*" name)}"
            ) chosen}
        '';
    in
    call "literal" parted.wrong + call "prefixed" parted.right;
  declare = ''
    tool=${kafka.package}/bin
    umask 077
  ''
  + lib.concatStrings (
    lib.mapAttrsToList (user: may: ''
      password=$(cat "$CREDENTIALS_DIRECTORY/kafka-user-${user}")
      case $password in
        "" | *[!A-Za-z0-9_-]*)
          echo "the credential kafka-user-${user} must be letters, digits, - and _ alone; make one with: openssl rand -hex 24" >&2
          exit 1
          ;;
      esac
      # In a file: everybody on the machine may read command lines.
      echo "SCRAM-SHA-512=iterations=8192,password=$password" > "$RUNTIME_DIRECTORY/user"
      "$tool/kafka-configs.sh" --bootstrap-server ${addresses.brokers} --alter --entity-type users --entity-name ${user} \
        --add-config-file "$RUNTIME_DIRECTORY/user"
      rm "$RUNTIME_DIRECTORY/user"
      ${grant user [ "Write" "Describe" ] "topic" may.writes}
      ${grant user [ "Read" "Describe" ] "topic" may.reads}
      ${grant user [ "Read" ] "group" may.groups}
    '') clients.users
  );
in
{
  options.services.goldrecord.kafka.clients = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether programs elsewhere may connect, over TLS and with a user's password (SCRAM-SHA-512). The credential
        `kafka-server` is this broker's key and certificate chain, in that order in one PEM file. All brokers must agree
        on this and on the users.
      '';
    };
    port = options.port 9094 "Where they connect, from anywhere.";
    address = mkOption {
      type = types.str;
      default = cfg.node;
      defaultText = lib.literalMD "the machine's name";
      example = "kafka1.example.com";
      description = "The name that they reach this broker by, as its certificate has it.";
    };
    users = mkOption {
      type = types.attrsOf user;
      default = { };
      example = {
        shop = {
          writes = [ "shop.*" ];
        };
      };
      description = ''
        Who may do what, by name; `credentials.kafka-user-NAME` is its password. A right that is taken out of here
        stays in Kafka until `kafka-acls.sh --remove`, a user until `kafka-configs.sh --delete-config SCRAM-SHA-512`.
      '';
    };
  };

  config = lib.mkIf (kafka.enable && clients.enable) {
    assertions =
      credentials.assertions "kafka" ([ "kafka-server" ] ++ lib.optionals declares passwords)
      ++ map (user: {
        assertion = builtins.match "[A-Za-z0-9_-]+" user != null && user != "ANONYMOUS";
        message = "services.goldrecord.kafka.clients.users.${user}: a user is letters, digits, - and _, and ANONYMOUS is what Kafka calls the installation's own machines; choose another name.";
      }) users;

    services.goldrecord.wantedCredentials = [ "kafka-server" ] ++ lib.optionals declares passwords;
    services.goldrecord.ports.kafka-clients = {
      inherit (clients) port;
      from = "anywhere";
    };

    services.apache-kafka.settings = {
      listeners = lib.mkAfter [ "CLIENTS://0.0.0.0:${toString clients.port}" ];
      "advertised.listeners" = lib.mkAfter [ "CLIENTS://${clients.address}:${toString clients.port}" ];
      "listener.security.protocol.map" = lib.mkAfter [ "CLIENTS:SASL_SSL" ];
      "listener.name.clients.sasl.enabled.mechanisms" = "SCRAM-SHA-512";
      "listener.name.clients.scram-sha-512.sasl.jaas.config" =
        "org.apache.kafka.common.security.scram.ScramLoginModule required;";
      "listener.name.clients.ssl.keystore.type" = "PEM";
      "listener.name.clients.ssl.keystore.location" =
        "/run/credentials/apache-kafka.service/kafka-server";
      # Whoever comes from the machines themselves has no name and all rights, as without this listener.
      "authorizer.class.name" = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
      "super.users" = "User:ANONYMOUS";
    };

    systemd.services = {
      apache-kafka.serviceConfig.LoadCredential = credentials.load [ "kafka-server" ];
      kafka-users = lib.mkIf declares {
        description = "Kafka's users and their rights";
        wantedBy = [ "multi-user.target" ];
        after = [ "apache-kafka.service" ];
        wants = [ "apache-kafka.service" ];
        unitConfig.StartLimitIntervalSec = 0;
        path = [
          pkgs.coreutils
          pkgs.gnugrep
        ];
        environment.KAFKA_HEAP_OPTS = "-Xmx256m";
        script = declare;
        serviceConfig = hardening.over hardening.jvm // {
          Type = "oneshot";
          RemainAfterExit = true;
          User = "apache-kafka";
          RuntimeDirectory = "kafka-users";
          RuntimeDirectoryMode = "0700";
          LoadCredential = credentials.load passwords;
          # Brokers that are not there yet.
          Restart = "on-failure";
          RestartSec = "5s";
          MemoryMax = "768M";
        };
      };
    };
  };
}
