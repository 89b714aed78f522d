//! Gets the servers' programs, once for every process and test of this machine.
//!
//! They come as libraries from Maven Central (Kafka, HDFS, the registry) and npm (ClickHouse) or as
//! a package of Debian's (Prometheus), and lie under `$XDG_CACHE_HOME/goldrecord/servers`, one folder a server and version. A folder gets
//! its name when it is whole, so that a fetch cut short leaves nothing that looks like one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{make_folder, write};
use crate::program::{INSTALL, find, run};
use crate::{Error, Kind, Result, cache, debian, template};

const KAFKA: &str = "4.3.1";
const HADOOP: &str = "3.5.0";
const LOG4J: &str = "2.25.5";
const APICURIO: &str = "2.6.13.Final";
const CHDB: &str = "26.7.3-stable.1";

#[cfg(target_arch = "x86_64")]
const CHDB_PACKAGE: &str = "@chdb/lib-linux-x64-gnu";
#[cfg(target_arch = "aarch64")]
const CHDB_PACKAGE: &str = "@chdb/lib-linux-arm64-gnu";

/// The folder with the programs of `kind`, fetched now if that was never done.
pub fn installation(kind: Kind) -> Result<PathBuf> {
    fetched(kind.name(), &folder_name(kind), |into| match kind {
        Kind::Kafka => fetch_jars(into, "kafka", &kafka_jars()),
        Kind::Hdfs => fetch_jars(into, "hdfs", &hdfs_jars()),
        Kind::Registry => fetch_registry(into),
        Kind::ClickHouse => fetch_clickhouse(into),
        Kind::Prometheus => debian::unpack(&["prometheus", "promtool"], into),
    })
}

/// The proxy that stands before a server that knows neither TLS nor passwords.
pub(crate) fn caddy() -> Result<PathBuf> {
    let unpack = |into: &Path| debian::unpack(&["caddy"], into);
    Ok(fetched("caddy", "caddy-debian", unpack)?.join("usr/bin/caddy"))
}

/// The folder called `folder`, filled by `fetch` if that was never done.
fn fetched(name: &str, folder: &str, fetch: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let servers = cache::folder()?.join("servers");
    let whole = servers.join(folder);
    if whole.is_dir() {
        return Ok(whole);
    }
    make_folder(&servers)?;
    let lock_path = servers.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(Error::io("cannot write", &lock_path))?;
    // Held until the file is closed; who waits here finds the folder whole.
    lock.lock().map_err(Error::io("cannot lock", &lock_path))?;
    if whole.is_dir() {
        return Ok(whole);
    }
    let partial = servers.join(format!("{folder}.partial"));
    remove_remains(&partial)?;
    make_folder(&partial)?;
    eprintln!(
        "goldrecord-testkit: fetching {name} into {} (only once)",
        whole.display()
    );
    fetch(&partial)?;
    fs::rename(&partial, &whole).map_err(Error::io("cannot rename to", &whole))?;
    Ok(whole)
}

/// Prometheus's tool that checks configurations and rules, and tests rules on series of one's own.
pub fn promtool() -> Result<PathBuf> {
    Ok(installation(Kind::Prometheus)?.join("usr/bin/promtool"))
}

/// Names everything that decides what is inside, so that a new version is fetched anew.
fn folder_name(kind: Kind) -> String {
    match kind {
        Kind::Kafka => format!("kafka-{KAFKA}"),
        Kind::Hdfs => format!("hdfs-{HADOOP}"),
        Kind::Registry => format!("registry-{APICURIO}"),
        Kind::ClickHouse => format!("clickhouse-{CHDB}"),
        // Whatever version Debian has on the day of the fetch.
        Kind::Prometheus => "prometheus-debian".to_owned(),
    }
}

fn remove_remains(partial: &Path) -> Result<()> {
    match fs::remove_dir_all(partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", partial)(error))
        }
        _ => Ok(()),
    }
}

/// A library of Maven's: group, artifact, version, and its type where it is no plain one.
type Jar = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

fn kafka_jars() -> [Jar; 4] {
    [
        ("org.apache.kafka", "kafka_2.13", KAFKA, None),
        ("org.apache.kafka", "kafka-tools", KAFKA, None),
        ("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J, None),
        ("org.apache.logging.log4j", "log4j-1.2-api", LOG4J, None),
    ]
}

fn hdfs_jars() -> [Jar; 4] {
    [
        ("org.apache.hadoop", "hadoop-hdfs", HADOOP, None),
        // The web applications are in this one alone, and the servers do not start without them.
        ("org.apache.hadoop", "hadoop-hdfs", HADOOP, Some("test-jar")),
        ("org.apache.hadoop", "hadoop-common", HADOOP, None),
        ("org.apache.hadoop", "hadoop-hdfs-client", HADOOP, None),
    ]
}

fn fetch_jars(into: &Path, name: &str, jars: &[Jar]) -> Result<()> {
    let dependencies: Vec<String> = jars.iter().map(dependency).collect();
    let pom = template::fill(
        include_str!("templates/pom.xml"),
        &[
            ("name", name.to_owned()),
            ("dependencies", dependencies.join("\n")),
        ],
    );
    let pom_path = into.join("pom.xml");
    write(&pom_path, &pom)?;
    let mut maven = maven()?;
    maven.arg("-f").arg(&pom_path);
    maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    maven.arg(format!("-DoutputDirectory={}", into.join("lib").display()));
    run(maven, &format!("fetching {name} with Maven"))
}

fn dependency(jar: &Jar) -> String {
    let (group, artifact, version, kind) = jar;
    let kind = kind
        .map(|kind| format!("<type>{kind}</type>"))
        .unwrap_or_default();
    format!(
        "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
         <version>{version}</version>{kind}<scope>runtime</scope></dependency>"
    )
}

fn fetch_registry(into: &Path) -> Result<()> {
    let mut maven = maven()?;
    maven.arg("dependency:copy");
    maven.arg(format!(
        "-Dartifact=io.apicurio:apicurio-registry-app:{APICURIO}:tar.gz:all"
    ));
    maven.arg(format!("-DoutputDirectory={}", into.display()));
    run(maven, "fetching the schema registry with Maven")?;
    let archive = into.join(format!("apicurio-registry-app-{APICURIO}-all.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(into);
    run(tar, "unpacking the schema registry")?;
    let runner = into.join(format!("apicurio-registry-app-{APICURIO}-runner.jar"));
    fs::rename(&runner, into.join("runner.jar")).map_err(Error::io("cannot rename", runner))?;
    fs::remove_file(&archive).map_err(Error::io("cannot remove", archive))
}

fn fetch_clickhouse(into: &Path) -> Result<()> {
    let mut npm = Command::new(find("npm", "to fetch ClickHouse", INSTALL)?);
    npm.args([
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--no-save",
        "--ignore-scripts",
        "--prefix",
    ]);
    npm.arg(into).arg(format!("{CHDB_PACKAGE}@{CHDB}"));
    run(npm, "fetching ClickHouse with npm")?;
    let source = into.join("engine.c");
    write(&source, include_str!("templates/clickhouse-engine.c"))?;
    let library = format!("node_modules/{CHDB_PACKAGE}");
    let mut compiler = Command::new(find("cc", "to link ClickHouse's engine", INSTALL)?);
    compiler
        .arg("-O1")
        .arg("-o")
        .arg(into.join("clickhouse"))
        .arg(&source);
    compiler.arg(format!("-L{}", into.join(&library).display()));
    // Found beside the program, so that the folder can be renamed when it is whole.
    compiler
        .arg("-lchdb")
        .arg(format!("-Wl,-rpath,$ORIGIN/{library}"));
    run(compiler, "linking ClickHouse's engine")
}

fn maven() -> Result<Command> {
    let mut maven = Command::new(find("mvn", "to fetch Java servers", INSTALL)?);
    // Quiet, never asking, without a progress bar.
    maven.args(["-q", "-B", "-ntp"]);
    Ok(maven)
}
