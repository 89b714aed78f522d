# The flake's single machine as a test has it, on either driver. Its secrets are what the driver puts into /etc/secrets.
{ lib, ... }:
{
  services.goldrecord = {
    # A test has its own events, is not patient, and shares its machine.
    eventsim.enable = false;
    settings = {
      ingestor = {
        flush_interval = lib.mkForce "2s";
        memory = "128MiB";
      };
      bootstrap.partitions = 4;
    };
    kafka.clients = {
      enable = true;
      users = {
        shop.writes = [
          "auth_events"
          "listen_events"
          "page_view_events"
          "status_change*"
        ];
        guest = { };
      };
    };
    credentials = lib.genAttrs [
      "kafka-server"
      "kafka-user-guest"
      "kafka-user-shop"
    ] (secret: "/etc/secrets/${secret}");
  };
}
