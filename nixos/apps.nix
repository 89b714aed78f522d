# What `nix run` starts: the demo, and a whole machine to try it on.
{ pkgs, self }:
let
  inherit (pkgs.stdenv.hostPlatform) system;
  inherit (self.packages.${system}) goldrecord;
  demo = pkgs.writeShellScript "goldrecord-demo" ''
    exec ${goldrecord}/bin/goldrecord demo --project-dir ${goldrecord}/share/goldrecord/warehouse "$@"
  '';
  machine = self.nixosConfigurations.single.extendModules {
    modules = [
      ./profiles/try.nix
      { nixpkgs.hostPlatform = pkgs.lib.mkForce system; }
    ];
  };
  app = program: description: {
    type = "app";
    program = toString program;
    meta = { inherit description; };
  };
  apps = {
    demo = app demo "Run events all the way to the report, without any server";
    vm = app "${machine.config.system.build.vm}/bin/run-single-vm" "A virtual machine with everything on it";
  };
in
apps // { default = apps.demo; }
