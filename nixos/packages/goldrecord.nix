{
  lib,
  rustPlatform,
  openssl,
  pkg-config,
  python3,
  zlib,
}:
let
  manifest = lib.importTOML ../../Cargo.toml;
in
rustPlatform.buildRustPackage {
  pname = "goldrecord";
  inherit (manifest.workspace.package) version;

  src = lib.fileset.toSource {
    root = ../..;
    fileset = lib.fileset.unions [
      ../../Cargo.toml
      ../../Cargo.lock
      ../../crates
      ../../nixos/metabase/setup.py
      ../../warehouse
    ];
  };
  cargoLock.lockFile = ../../Cargo.lock;

  nativeBuildInputs = [
    pkg-config
    python3
  ];
  buildInputs = [
    openssl
    # runs reports-apply
    python3
    zlib
  ];

  # librdkafka is configured by shell scripts of its own, which name an interpreter that is not in the sandbox.
  postPatch = ''
    patchShebangs "$cargoDepsCopy"/rdkafka-sys-*
  '';

  cargoBuildFlags = [
    "--package=goldrecord"
    "--package=goldrecord-eventsim"
    "--package=goldrecord-ingestor"
    "--package=goldrecord-layers"
    "--package=goldrecord-loader"
    "--package=goldrecord-maintenance"
  ];
  # The tests want the real servers: CI runs them outside of the sandbox.
  doCheck = false;

  postInstall = ''
    mkdir -p $out/share/goldrecord
    cp -r warehouse $out/share/goldrecord/warehouse
    install -D -m 755 nixos/metabase/setup.py $out/lib/goldrecord/reports-apply
  '';

  meta = {
    description = "Events from Kafka to Delta tables to ClickHouse, exactly once";
    homepage = manifest.workspace.package.repository;
    license = lib.licenses.asl20;
    mainProgram = "goldrecord";
    platforms = lib.platforms.linux;
  };
}
