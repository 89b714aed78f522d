# The lints that want nothing but the sources.
{ pkgs }:
let
  inherit (pkgs) lib;
  packages = import ../packages { inherit pkgs; };
  nixFiles = lib.fileset.toSource {
    root = ../..;
    fileset = lib.fileset.fileFilter (file: file.hasExt "nix") ../..;
  };
  check =
    name: tools: script:
    pkgs.runCommand "check-${name}" { nativeBuildInputs = tools; } ''
      ${script}
      touch $out
    '';
in
{
  format = check "format" [ pkgs.nixfmt ] "find ${nixFiles} -name '*.nix' -exec nixfmt --check {} +";
  dead-code = check "dead-code" [ pkgs.deadnix ] "deadnix --fail ${nixFiles}";
  python = check "python" [
    pkgs.ruff
  ] "ruff check --no-cache --config ${../../scripts/ruff.toml} ${../metabase}";
  # Each of our units is exposed at most 1.5, and systemd understands every line of it.
  units = check "units" [ pkgs.systemd ] ''
    for unit in ${packages.goldrecord-units}/lib/systemd/system/*.service; do
      systemd-analyze security --offline=true --threshold=15 "$unit"
    done
  '';
}
