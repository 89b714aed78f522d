{
  description = "goldrecord: events from Kafka to Delta tables to ClickHouse, exactly once, as an appliance";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      hosts = import ./nixos/hosts { inherit lib self; };
    in
    {
      packages = eachSystem (
        pkgs:
        let
          packages = import ./nixos/packages { inherit pkgs; };
        in
        packages // { default = packages.goldrecord; }
      );

      overlays.default = final: _: import ./nixos/packages { pkgs = final; };

      nixosModules = import ./nixos/modules;

      nixosConfigurations = hosts;

      checks = eachSystem (pkgs: import ./nixos/checks { inherit lib pkgs self; });

      apps = eachSystem (pkgs: import ./nixos/apps.nix { inherit pkgs self; });

      devShells = eachSystem (pkgs: {
        default = import ./nixos/shell.nix { inherit pkgs; };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
