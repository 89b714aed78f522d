# How a server's JVM is started: it sees the host's memory, not the unit's limit, so its heap is always said.
{
  # heap in MiB
  options = heap: [
    "-Xms${toString (heap / 2)}m"
    "-Xmx${toString heap}m"
    "-XX:+UseG1GC"
    "-XX:+ExitOnOutOfMemoryError"
    "-Djava.awt.headless=true"
  ];
  # Beside the heap come code, threads, buffers and the page tables: half as much again, and 256 MiB.
  memoryMax = heap: "${toString (heap + heap / 2 + 256)}M";
}
