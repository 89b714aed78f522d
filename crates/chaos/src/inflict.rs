//! Faults, carried out. Each ends with everything running again.

use std::thread::sleep;
use std::time::Duration;

use rdkafka::admin::AdminOptions;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::error::{Error, Result};
use crate::load::lock;
use crate::network::Cut;
use crate::plan::{Fault, Kind};
use crate::stage::Stage;
use crate::watch::Offsets;

/// Carries out a fault, from its beginning to its end.
pub fn inflict(stage: &mut Stage, fault: &Fault) -> Result<()> {
    let lasts = fault.lasts;
    match fault.kind {
        Kind::IngestorKill => {
            stage.ingestors[fault.ingestor].kill();
            sleep(lasts);
            stage.ingestors[fault.ingestor].start()
        }
        Kind::IngestorZombie => {
            stage.ingestors[fault.ingestor].freeze();
            sleep(lasts);
            stage.ingestors[fault.ingestor].thaw();
            Ok(())
        }
        Kind::NetworkCut => cut(stage, fault, Cut::Everything),
        Kind::LakeCut => cut(stage, fault, Cut::AllButKafka),
        Kind::KafkaCut => cut(stage, fault, Cut::Kafka),
        Kind::BrokerKill => {
            stage.kafka.kill();
            sleep(lasts);
            Ok(stage.kafka.restart()?)
        }
        Kind::NamenodeKill => {
            stage.hdfs.kill_namenode();
            sleep(lasts);
            stage.hdfs.revive_namenode()
        }
        Kind::NamenodeFailover => {
            if !fault.running {
                stage.hdfs.kill_namenode();
                sleep(lasts);
            }
            stage.hdfs.fail_over(!fault.running)
        }
        Kind::DatanodeKill => {
            stage.hdfs.kill_datanode();
            sleep(lasts);
            stage.hdfs.revive()
        }
        Kind::HdfsFreeze => {
            stage.hdfs.pause();
            sleep(lasts);
            stage.hdfs.resume();
            Ok(())
        }
        Kind::RegistryKill => {
            stage.registry.kill();
            // Who starts now needs the schemas, and has to wait for them.
            let starting = &mut stage.ingestors[fault.ingestor];
            starting.kill();
            starting.start()?;
            sleep(lasts);
            Ok(stage.registry.restart()?)
        }
        Kind::DiskFull => {
            stage.disk.fill()?;
            sleep(lasts);
            stage.disk.free()?;
            // A DataNode may give up a disk that refuses, and itself with it.
            stage.hdfs.revive()
        }
        Kind::SafeMode => {
            stage.hdfs.safe_mode(true)?;
            sleep(lasts);
            stage.hdfs.safe_mode(false)
        }
        Kind::RetentionOverrun => overrun(stage, fault),
        Kind::RebalanceStorm => {
            for turn in &fault.turns {
                stage.ingestors[*turn].stop()?;
                sleep(lasts);
                stage.ingestors[*turn].start()?;
            }
            Ok(())
        }
        Kind::MaintenanceKill => {
            let maintenance = stage.maintenance.as_mut();
            let maintenance = maintenance.expect("planned only where there is maintenance");
            maintenance.kill();
            sleep(lasts);
            maintenance.start()
        }
    }
}

fn cut(stage: &Stage, fault: &Fault, cut: Cut) -> Result<()> {
    let network = &stage.networks[fault.ingestor];
    network.cut(cut)?;
    sleep(fault.lasts);
    network.mend(cut)
}

/// While nobody reads, deletes most of what was not read of every third partition.
fn overrun(stage: &mut Stage, fault: &Fault) -> Result<()> {
    for ingestor in &mut stage.ingestors {
        if fault.running {
            ingestor.freeze();
        } else {
            ingestor.kill();
        }
    }
    sleep(fault.lasts);
    let deletions = deletions(&stage.stored(), &stage.acknowledged(), fault.ingestor);
    let mut list = TopicPartitionList::new();
    for ((topic, partition), (from, before)) in &deletions {
        list.add_partition_offset(topic, *partition, Offset::Offset(*before))
            .map_err(Error::kafka("cannot name the records to delete"))?;
        // Before it is asked for: it may be done though no answer comes.
        lock(&stage.ledger).deleted(topic, *partition, *from, *before);
    }
    if !deletions.is_empty() {
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        let asked = stage.admin.delete_records(&list, &options);
        stage
            .runtime
            .block_on(asked)
            .map_err(Error::kafka("cannot delete records"))?;
    }
    for ingestor in &mut stage.ingestors {
        if fault.running {
            ingestor.thaw();
        } else {
            ingestor.start()?;
        }
    }
    Ok(())
}

/// The records to delete, from and before which offset: two thirds of what a table lacks, of every third partition.
fn deletions(
    stored: &Offsets,
    acknowledged: &Offsets,
    first: usize,
) -> std::collections::BTreeMap<(String, i32), (i64, i64)> {
    acknowledged
        .iter()
        .skip(first % 3)
        .step_by(3)
        .filter_map(|(partition, end)| {
            let from = stored.get(partition).copied()?;
            let before = from + (end - from) * 2 / 3;
            (before > from).then(|| (partition.clone(), (from, before)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_table_has_is_deleted() {
        let offsets = |list: &[(i32, i64)]| -> Offsets {
            list.iter()
                .map(|(p, o)| (("t".to_owned(), *p), *o))
                .collect()
        };
        let stored = offsets(&[(0, 10), (1, 10), (3, 40), (4, 10)]);
        let acknowledged = offsets(&[(0, 40), (1, 40), (2, 40), (3, 40), (4, 11)]);
        let found = deletions(&stored, &acknowledged, 0);
        // The second of every third holds nothing new, and of one record two thirds are none.
        assert_eq!(found, [(("t".to_owned(), 0), (10, 30))].into());
        assert_eq!(
            deletions(&stored, &acknowledged, 1),
            [(("t".to_owned(), 1), (10, 30))].into()
        );
        // Partition 2 was never opened: where it begins is not known.
        assert!(deletions(&stored, &acknowledged, 2).is_empty());
    }
}
