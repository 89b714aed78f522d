//! Which files are compacted with which.
//!
//! A partition's small and settled files are taken in the order in which they were written, up to the target size.
//! Rewriting a file must be worth it: either the result is large enough to be left alone from then on, or no file is
//! larger than the others of its group together, so that each rewriting at least doubles the file that a row lies in and
//! no row is rewritten more often than the logarithm of the target.

use std::collections::BTreeMap;

use goldrecord_lake::AddFile;

/// The most files of one commit: a refusal costs the work of all of them.
const MOST_FILES: usize = 1000;

/// When files are compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Files smaller than half of this are compacted towards it.
    pub target_bytes: u64,
    /// Files written after this are left alone, in milliseconds since 1970.
    pub written_before_ms: i64,
}

/// Files that are rewritten and committed together: of each partition one group, which becomes one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// By partition, then in the order in which they were written.
    pub files: Vec<AddFile>,
}

/// What is to be done to a table's live files. Each job takes at least two files of every partition that it touches.
pub fn plan<'a>(files: impl IntoIterator<Item = &'a AddFile>, rule: Rule) -> Vec<Job> {
    let mut partitions: BTreeMap<_, Vec<&AddFile>> = BTreeMap::new();
    for file in files.into_iter().filter(|file| rule.takes(file)) {
        let partition = partitions.entry(&file.partition_values).or_default();
        partition.push(file);
    }
    let groups = partitions
        .into_values()
        .flat_map(|files| rule.groups(files));
    rule.jobs(groups.collect())
}

impl Rule {
    fn takes(&self, file: &AddFile) -> bool {
        bytes(file) < self.target_bytes / 2 && file.modification_time <= self.written_before_ms
    }

    /// The groups of one partition.
    fn groups<'a>(&self, mut files: Vec<&'a AddFile>) -> Vec<Vec<&'a AddFile>> {
        files.sort_by_key(|file| (file.modification_time, &file.path));
        let mut groups: Vec<Vec<&AddFile>> = Vec::new();
        let mut filled = 0;
        for file in files {
            match groups.last_mut() {
                Some(group)
                    if filled + bytes(file) <= self.target_bytes && group.len() < MOST_FILES =>
                {
                    group.push(file);
                    filled += bytes(file);
                }
                _ => {
                    groups.push(vec![file]);
                    filled = bytes(file);
                }
            }
        }
        let worth_it = groups.into_iter().map(|group| self.worth_it(group));
        worth_it.filter(|group| group.len() >= 2).collect()
    }

    /// The group without the files that are too large to be rewritten for the others' sake.
    fn worth_it<'a>(&self, mut group: Vec<&'a AddFile>) -> Vec<&'a AddFile> {
        loop {
            let total: u64 = group.iter().map(|file| bytes(file)).sum();
            let largest = (0..group.len()).max_by_key(|index| bytes(group[*index]));
            let Some(largest) = largest else {
                return group;
            };
            if total >= self.target_bytes / 2 || bytes(group[largest]) * 2 <= total {
                return group;
            }
            group.remove(largest);
        }
    }

    /// Puts small groups into one commit. Two of one partition would be written as one file, so they are never together.
    fn jobs(&self, groups: Vec<Vec<&AddFile>>) -> Vec<Job> {
        let mut jobs: Vec<Job> = Vec::new();
        let mut filled = 0;
        for group in groups {
            let own: u64 = group.iter().map(|file| bytes(file)).sum();
            let fits = |job: &Job| {
                let last = job.files.last().map(|file| &file.partition_values);
                filled + own <= self.target_bytes
                    && job.files.len() + group.len() <= MOST_FILES
                    && last != group.first().map(|file| &file.partition_values)
            };
            let files = group.iter().copied().cloned();
            match jobs.last_mut() {
                Some(job) if fits(job) => {
                    job.files.extend(files);
                    filled += own;
                }
                _ => {
                    let files = files.collect();
                    jobs.push(Job { files });
                    filled = own;
                }
            }
        }
        jobs
    }
}

fn bytes(file: &AddFile) -> u64 {
    u64::try_from(file.size).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use goldrecord_lake::Stats;
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule {
        target_bytes: 1000,
        written_before_ms: 100,
    };

    fn file(number: usize, day: Option<u32>, size: u64, written_ms: i64) -> AddFile {
        AddFile {
            path: format!("file {number}"),
            partition_values: BTreeMap::from([(
                "day".to_owned(),
                day.map(|day| format!("2026-10-{day:02}")),
            )]),
            size: size as i64,
            modification_time: written_ms,
            data_change: false,
            stats: Stats::default(),
        }
    }

    fn names(job: &Job) -> Vec<&str> {
        job.files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn small_old_files_of_a_partition_become_one_in_the_order_of_their_writing() {
        let files = [
            file(1, Some(1), 100, 30),
            file(2, Some(1), 100, 10),
            file(3, Some(1), 600, 20),  // large enough
            file(4, Some(1), 100, 101), // too young
            file(5, None, 10, 10),
            file(6, None, 10, 20),
            file(7, Some(2), 10, 10), // alone
        ];
        let jobs = plan(&files, RULE);
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        assert_eq!(names(&jobs[0]), ["file 5", "file 6", "file 2", "file 1"]);
    }

    #[test]
    fn a_file_is_not_rewritten_for_the_sake_of_a_much_smaller_one() {
        let pair = |a, b| [file(1, None, a, 1), file(2, None, b, 2)];
        assert!(plan(&pair(400, 50), RULE).is_empty());
        assert_eq!(plan(&pair(400, 100), RULE).len(), 1, "enough together");
        assert_eq!(plan(&pair(50, 50), RULE).len(), 1, "twice the size");
        let three = [
            file(1, None, 300, 1),
            file(2, None, 20, 2),
            file(3, None, 30, 3),
        ];
        assert!(plan(&three, RULE).is_empty(), "neither does the pair left");
        let four = [
            file(4, None, 30, 4),
            three[0].clone(),
            three[1].clone(),
            three[2].clone(),
        ];
        assert_eq!(names(&plan(&four, RULE)[0]), ["file 2", "file 3", "file 4"]);
    }

    fn any_files() -> impl Strategy<Value = Vec<AddFile>> {
        let one = (prop::option::of(1u32..4), 1u64..700, 0i64..150);
        prop::collection::vec(one, 0..60).prop_map(|files| {
            let files = files.into_iter().enumerate();
            files
                .map(|(number, (day, size, written))| file(number, day, size, written))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn no_file_is_taken_twice_and_none_that_should_not_be(files in any_files()) {
            let jobs = plan(&files, RULE);
            let mut seen = std::collections::BTreeSet::new();
            for job in &jobs {
                prop_assert!(job.files.iter().map(bytes).sum::<u64>() <= RULE.target_bytes);
                let mut of_partition: BTreeMap<_, usize> = BTreeMap::new();
                for file in &job.files {
                    prop_assert!(RULE.takes(file), "{file:?}");
                    prop_assert!(seen.insert(&file.path), "{} is taken twice", file.path);
                    *of_partition.entry(&file.partition_values).or_default() += 1;
                }
                prop_assert!(of_partition.values().all(|count| *count >= 2), "{job:?}");
            }
        }

        /// Carried out over and over, compaction comes to an end, with few files left.
        #[test]
        fn it_comes_to_an_end(files in any_files()) {
            let mut files = files;
            let mut rounds = 0;
            loop {
                let jobs = plan(&files, RULE);
                if jobs.is_empty() {
                    break;
                }
                rounds += 1;
                prop_assert!(rounds < 20, "it goes on for ever");
                for (index, job) in jobs.iter().enumerate() {
                    files.retain(|file| !job.files.contains(file));
                    let mut merged: BTreeMap<_, AddFile> = BTreeMap::new();
                    for file in &job.files {
                        let into = merged.entry(file.partition_values.clone());
                        into.and_modify(|into| {
                            into.size += file.size;
                            into.modification_time = into.modification_time.max(file.modification_time);
                        })
                        .or_insert_with(|| AddFile {
                            path: format!("{rounds} {index} {}", file.path),
                            ..file.clone()
                        });
                    }
                    files.extend(merged.into_values());
                }
            }
            let mut small: BTreeMap<_, usize> = BTreeMap::new();
            for file in files.iter().filter(|file| RULE.takes(file)) {
                *small.entry(&file.partition_values).or_default() += 1;
            }
            // Each is larger than all the smaller ones together.
            prop_assert!(small.values().all(|count| *count <= 10), "{small:?}");
        }
    }
}
