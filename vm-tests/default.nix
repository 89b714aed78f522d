# The scenarios on virtual machines: `nix build .#checks.x86_64-linux.vm-pipeline`. `container/` runs the same ones where
# nothing can be built.
{
  lib,
  pkgs,
  self,
}:
let
  # A test has its own events, is not patient, and shares its machine.
  impatient =
    { lib, ... }:
    {
      nixpkgs.hostPlatform = lib.mkForce pkgs.stdenv.hostPlatform.system;
      services.goldrecord.settings = {
        ingestor.flush_interval = lib.mkForce "2s";
        bootstrap.partitions = 4;
      };
      virtualisation = {
        cores = 4;
        memorySize = 8192;
        diskSize = 8192;
      };
    };
  single = {
    imports = [
      self.nixosModules.default
      ../nixos/hosts/single.nix
      impatient
    ];
    services.goldrecord.eventsim.enable = false;
  };

  scenarios = lib.fileset.toSource {
    root = ./.;
    fileset = ./scenarios;
  };
  test =
    name: nodes: script:
    lib.nixos.runTest {
      name = "goldrecord-${name}";
      hostPkgs = pkgs;
      inherit nodes;
      # The scenarios are checked by the same lints as the rest of the Python.
      skipTypeCheck = true;
      testScript = ''
        import sys

        sys.path.insert(0, "${scenarios}")
        ${script}
      '';
    };
  scenario =
    name:
    test name { inherit single; } ''
      from scenarios.site import Site
      from scenarios.${name} import ${name}

      start_all()
      ${name}(Site(single, subtest))
    '';
in
lib.mapAttrs' (name: lib.nameValuePair "vm-${name}") (
  lib.genAttrs [
    "crash"
    "pipeline"
    "scale"
    "security"
  ] scenario
)
