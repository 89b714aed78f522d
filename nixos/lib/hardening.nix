# What every service is held to, beyond what it does itself: its exposure by `systemd-analyze security` is at most 1.5.
{ lib }:
rec {
  # In place of whatever nixpkgs says about the same.
  over = lib.mapAttrs (_: lib.mkForce);
  # For programs that never make code at run time.
  strict = jvm // {
    MemoryDenyWriteExecute = true;
  };
  # A JVM compiles as it runs.
  jvm = {
    NoNewPrivileges = true;
    UMask = "0077";
    ProtectSystem = "strict";
    ProtectHome = true;
    PrivateTmp = true;
    PrivateDevices = true;
    DevicePolicy = "closed";
    PrivateUsers = true;
    PrivateMounts = true;
    PrivateIPC = true;
    RemoveIPC = true;
    KeyringMode = "private";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    CapabilityBoundingSet = "";
    AmbientCapabilities = "";
    LockPersonality = true;
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
    ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallFilter = [
      "@system-service"
      "~@privileged"
    ];
    # What is refused is an error to the program, not its end.
    SystemCallErrorNumber = "EPERM";
    LimitCORE = 0;
  };
}
