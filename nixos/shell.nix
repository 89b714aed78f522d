# What building, testing and linting want.
{ pkgs }:
pkgs.mkShell {
  packages = with pkgs; [
    cargo
    cargo-deny
    clippy
    deadnix
    jdk17_headless
    maven
    nixfmt
    nodejs
    openssl
    pkg-config
    python3
    ruff
    rustc
    rustfmt
    shellcheck
    typos
    zlib
  ];
}
