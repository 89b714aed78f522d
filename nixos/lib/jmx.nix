# The JVM option that serves a server's JMX beans to Prometheus, by the rules of ../jmx.
{ pkgs }:
name: address: port:
let
  agent = pkgs.prometheus-jmx-javaagent;
in
"-javaagent:${agent}/lib/jmx_prometheus_javaagent-${agent.version}.jar=${address}:${toString port}:${../jmx}/${name}.yml"
