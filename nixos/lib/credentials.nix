# Secrets of a service that is not ours: handed over by systemd, refused at evaluation where one is missing.
{ lib, cfg }:
{
  load =
    names:
    map (name: "${name}:${toString cfg.credentials.${name}}") (
      lib.filter (n: cfg.credentials ? ${n}) names
    );
  assertions =
    service:
    map (name: {
      assertion = cfg.credentials ? ${name};
      message = "services.goldrecord.${service} wants the credential ${name}; write services.goldrecord.credentials.${name} = \"/run/secrets/${name}\", the path of a file outside of the Nix store that holds it.";
    });
}
