# A page in the browser for topics, records, groups and schemas.
{
  lib,
  stdenvNoCC,
  fetchurl,
  jdk17_headless,
  makeWrapper,
}:
stdenvNoCC.mkDerivation (finalAttrs: {
  pname = "akhq";
  version = "0.25.1";

  src = fetchurl {
    url = "https://github.com/tchiotludo/akhq/releases/download/${finalAttrs.version}/akhq-${finalAttrs.version}-all.jar";
    # As another package of it has it, since no registry carries the jar. Were it wrong, the build would stop and print the true one.
    hash = "sha256-WuxCDfiQ44it6JxplebtRaN9PLH/IvXZg3sRVv9Or3I=";
  };
  dontUnpack = true;

  nativeBuildInputs = [ makeWrapper ];

  installPhase = ''
    runHook preInstall
    install -D -m 644 $src $out/share/akhq/akhq.jar
    makeWrapper ${lib.getExe jdk17_headless} $out/bin/akhq \
      --add-flags '$JAVA_OPTS' \
      --add-flags "-jar $out/share/akhq/akhq.jar"
    runHook postInstall
  '';

  meta = {
    description = "Kafka's topics, records, groups and schemas in the browser";
    homepage = "https://akhq.io/";
    license = lib.licenses.asl20;
    sourceProvenance = [ lib.sourceTypes.binaryBytecode ];
    mainProgram = "akhq";
    platforms = lib.platforms.linux;
  };
})
