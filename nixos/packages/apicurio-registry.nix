# The Schema Registry: Apicurio, which answers Confluent's API under /apis/ccompat/v7.
{
  lib,
  stdenvNoCC,
  fetchurl,
  jdk21_headless,
  makeWrapper,
}:
stdenvNoCC.mkDerivation (finalAttrs: {
  pname = "apicurio-registry";
  version = "3.3.3";

  src = fetchurl {
    url = "mirror://maven/io/apicurio/apicurio-registry-app/${finalAttrs.version}/apicurio-registry-app-${finalAttrs.version}-all.tar.gz";
    hash = "sha256-i8Z1HHbZY3NCJLAdXn+EzLPLYch9O9d8NsNfEKXL7WM=";
  };
  sourceRoot = ".";

  nativeBuildInputs = [ makeWrapper ];

  installPhase = ''
    runHook preInstall
    mkdir -p $out/share/apicurio-registry
    cp -r app lib quarkus quarkus-run.jar $out/share/apicurio-registry/
    makeWrapper ${lib.getExe jdk21_headless} $out/bin/apicurio-registry \
      --add-flags '$JAVA_OPTS' \
      --add-flags "-jar $out/share/apicurio-registry/quarkus-run.jar"
    runHook postInstall
  '';

  meta = {
    description = "Registry of Avro, JSON and Protobuf schemas";
    homepage = "https://www.apicur.io/registry/";
    license = lib.licenses.asl20;
    sourceProvenance = [ lib.sourceTypes.binaryBytecode ];
    mainProgram = "apicurio-registry";
    platforms = lib.platforms.linux;
  };
})
