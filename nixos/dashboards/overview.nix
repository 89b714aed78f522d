# One page that says whether events come in, how far behind they are, and what is full.
{ lib }:
let
  prometheus = {
    type = "prometheus";
    uid = "prometheus";
  };
  clickhouse = {
    type = "grafana-clickhouse-datasource";
    uid = "clickhouse";
  };
  # Panels stand two in a row, 12 units wide each.
  place =
    index: panel:
    {
      id = index + 1;
      gridPos = {
        x = lib.mod index 2 * 12;
        y = index / 2 * 8;
        w = 12;
        h = 8;
      };
    }
    // panel;
  series = title: unit: queries: {
    type = "timeseries";
    inherit title;
    datasource = prometheus;
    fieldConfig = {
      defaults = { inherit unit; };
      overrides = [ ];
    };
    targets = lib.imap0 (i: query: {
      refId = lib.elemAt lib.upperChars i;
      datasource = prometheus;
      expr = query.expr;
      legendFormat = query.legend;
    }) queries;
  };
  one =
    title: unit: expr: legend:
    series title unit [ { inherit expr legend; } ];
  table = title: sql: {
    type = "table";
    inherit title;
    datasource = clickhouse;
    targets = [
      {
        refId = "A";
        datasource = clickhouse;
        editorType = "sql";
        queryType = "table";
        format = 1;
        rawSql = sql;
      }
    ];
  };
in
{
  uid = "goldrecord-overview";
  title = "goldrecord: overview";
  tags = [ "goldrecord" ];
  timezone = "utc";
  schemaVersion = 41;
  refresh = "15s";
  time = {
    from = "now-1h";
    to = "now";
  };
  panels = lib.imap0 place [
    (one "Does everything answer?" "short" "min by (job) (up)" "{{job}}")
    (one "Events into bronze" "reqps"
      ''sum by (topic) (rate(goldrecord_ingestor_committed_records_total{kind="good"}[5m]))''
      "{{topic}}"
    )
    (one "Bad records and gaps" "reqps"
      ''sum by (topic, kind, reason) (rate(goldrecord_ingestor_committed_records_total{kind!="good"}[5m]))''
      "{{topic}} {{kind}} {{reason}}"
    )
    (one "How far behind is bronze?" "s" "max by (topic) (goldrecord_ingestor_lag_seconds)" "{{topic}}")
    (one "Records not yet in bronze" "short" "sum by (topic) (goldrecord_ingestor_lag_records)"
      "{{topic}}"
    )
    (series "From a record's time in Kafka to the table" "s" [
      {
        expr = "histogram_quantile(0.5, sum by (le) (rate(goldrecord_ingestor_commit_delay_seconds_bucket[5m])))";
        legend = "half";
      }
      {
        expr = "histogram_quantile(0.99, sum by (le) (rate(goldrecord_ingestor_commit_delay_seconds_bucket[5m])))";
        legend = "99 %";
      }
    ])
    (one "Kafka: bytes in" "Bps"
      "sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesinpersec_total{topic!=\"\"}[5m]))"
      "{{topic}}"
    )
    (one "Kafka: partitions with too few copies" "short"
      "sum by (instance) (kafka_server_replicamanager_underreplicatedpartitions)"
      "{{instance}}"
    )
    (series "HDFS" "percentunit" [
      {
        expr = "max(hadoop_namenode_fsnamesystem_capacityused / hadoop_namenode_fsnamesystem_capacitytotal)";
        legend = "used";
      }
    ])
    (one "HDFS: DataNodes that answer" "short" "max(hadoop_namenode_fsnamesystem_numlivedatanodes)"
      "alive"
    )
    (one "ClickHouse: queries" "reqps" "sum(rate(ClickHouseProfileEvents_Query[5m]))" "queries")
    (one "Disks" "percentunit"
      ''1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay"} / node_filesystem_size_bytes''
      "{{instance}} {{mountpoint}}"
    )
    (one "Memory of our services" "bytes" ''process_resident_memory_bytes{job="ingestor"}''
      "{{instance}}"
    )
    (table "Releases in ClickHouse" "SELECT * FROM gold._releases ORDER BY release DESC LIMIT 20")
  ];
}
