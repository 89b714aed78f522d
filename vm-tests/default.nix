# The scenarios on virtual machines: `nix build .#checks.x86_64-linux.vm-pipeline`. `container/` runs the same ones where
# nothing can be built.
{
  lib,
  pkgs,
  self,
}:
let
  machine = memory: {
    nixpkgs.hostPlatform = lib.mkForce pkgs.stdenv.hostPlatform.system;
    virtualisation = {
      cores = 4;
      memorySize = memory;
      diskSize = 8192;
    };
  };
  # A certificate of nobody's but this test's, with its key before it for Kafka.
  certificate = pkgs.runCommand "certificate-of-a-test" { nativeBuildInputs = [ pkgs.openssl ]; } ''
    mkdir $out
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=single -addext subjectAltName=DNS:single \
      -keyout key -out $out/certificate
    cat key $out/certificate > $out/server
  '';
  single = {
    imports = [
      self.nixosModules.default
      ../nixos/hosts/single.nix
      ./single.nix
      (machine 10240)
    ];
    environment.etc = {
      "secrets/kafka-server".source = "${certificate}/server";
      "secrets/kafka-authorities".source = "${certificate}/certificate";
    }
    // lib.genAttrs [ "secrets/kafka-user-guest" "secrets/kafka-user-shop" ] (name: {
      text = "of-a-test-${baseNameOf name}";
    });
  };
  # Only the machines of a test know each other.
  secrets.environment.etc = lib.listToAttrs (
    map
      (
        name:
        lib.nameValuePair "secrets/${name}" {
          text = "of-a-test-${name}";
          mode = "0400";
        }
      )
      [
        "clickhouse-password"
        "clickhouse-reader-password"
        "grafana-admin-password"
        "grafana-secret-key"
        "metabase-admin-password"
      ]
  );
  three = lib.mapAttrs (_: host: {
    imports = [
      self.nixosModules.default
      host
      secrets
      (machine 4096)
    ];
  }) (import ./failover.nix);
  five = lib.genAttrs [ "node1" "node2" "node3" "node4" "node5" ] (
    name:
    { config, ... }:
    {
      imports = [
        self.nixosModules.default
        ../nixos/hosts/cluster/${name}.nix
        secrets
        (machine 4096)
      ];
      # The driver gives the addresses, by the order of the names.
      networking.interfaces = lib.mkForce {
        eth1.ipv4.addresses = [
          {
            inherit (config.services.goldrecord.here) address;
            prefixLength = 24;
          }
        ];
      };
      services.goldrecord = {
        nodes = lib.genAttrs (lib.attrNames five) (n: {
          address = lib.mkForce "192.168.1.${lib.removePrefix "node" n}";
        });
        hdfs.namenode.heap = lib.mkForce 512;
        clickhouse.memory = lib.mkForce 2048;
        credentials = lib.genAttrs [
          "clickhouse-password"
          "clickhouse-reader-password"
          "grafana-admin-password"
          "grafana-secret-key"
          "metabase-admin-password"
        ] (secret: lib.mkForce "/etc/secrets/${secret}");
        settings.ingestor.flush_interval = "2s";
      };
    }
  );

  # The release before this one, as previous.nix packages it; before the first one there are only these programs.
  packages = import ../nixos/packages { inherit pkgs; };
  previous =
    if lib.pathExists ./previous.nix then pkgs.callPackage ./previous.nix { } else packages.goldrecord;

  scenarios = lib.fileset.toSource {
    root = ./.;
    fileset = ./scenarios;
  };
  test =
    name: nodes: run:
    lib.nixos.runTest {
      name = "goldrecord-${name}";
      hostPkgs = pkgs;
      inherit nodes;
      # The scenarios are held to the same lints as the rest of the Python.
      skipTypeCheck = true;
      testScript = ''
        import sys

        sys.path.insert(0, "${scenarios}")
        from scenarios.${name} import ${name}

        start_all()
        ${run}
      '';
    };
  onSite = name: ''
    from scenarios.site import Site

    ${name}(Site(single, subtest, kafka_clients="single:9094"))
  '';
  onOne = name: test name { inherit single; } (onSite name);
in
lib.mapAttrs' (name: lib.nameValuePair "vm-${name}") (
  lib.genAttrs [
    "backup"
    "crash"
    "monitoring"
    "pipeline"
    "scale"
    "security"
  ] onOne
  // {
    rollback = test "rollback" {
      single = {
        imports = [ single ];
        specialisation.changed.configuration.services.goldrecord.settings.ingestor.flush_interval =
          lib.mkOverride 10 "1s";
      };
    } (onSite "rollback");
    upgrade =
      test "upgrade"
        {
          single = {
            imports = [ single ];
            services.goldrecord.package = previous;
            specialisation.new.configuration.services.goldrecord = {
              package = lib.mkOverride 10 packages.goldrecord;
              settings.ingestor.flush_interval = lib.mkOverride 10 "1s";
            };
          };
        }
        ''
          from scenarios.site import Site

          new = "/run/booted-system/specialisation/new/bin/switch-to-configuration test"
          upgrade(
              Site(single, subtest, kafka_clients="single:9094"),
              lambda: single.succeed(new),
          )
        '';
    failover = test "failover" three ''
      from scenarios.site import Site

      failover(
          Site(
              node1,
              subtest,
              reader_password="$(cat /etc/secrets/clickhouse-reader-password)",
              reached_from_peers=True,
              name_nodes=[node2, node3],
              others=[node2, node3],
          )
      )
    '';
    cluster = test "cluster" five "cluster({m.name: m for m in machines}, subtest)";
  }
)
