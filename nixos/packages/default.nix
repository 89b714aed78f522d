# Every package of the flake, over a nixpkgs of whoever asks.
{ pkgs }:
let
  inherit (pkgs) lib;
  goldrecord = pkgs.callPackage ./goldrecord.nix { };
  # The workspace is built once; a service's package holds its program alone.
  programs = [
    "eventsim"
    "ingestor"
    "lake-maintenance"
    "layers"
    "loader"
  ];
  program =
    name:
    pkgs.runCommand "goldrecord-${name}-${goldrecord.version}"
      {
        meta = goldrecord.meta // {
          mainProgram = "goldrecord-${name}";
        };
      }
      ''
        mkdir -p $out/bin
        ln -s ${goldrecord}/bin/goldrecord-${name} $out/bin/
      '';
in
{
  inherit goldrecord;
  goldrecord-units = pkgs.callPackage ./units.nix { inherit goldrecord; };
  akhq = pkgs.callPackage ./akhq.nix { };
  apicurio-registry = pkgs.callPackage ./apicurio-registry.nix { };
}
// lib.listToAttrs (map (name: lib.nameValuePair "goldrecord-${name}" (program name)) programs)
