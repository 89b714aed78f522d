//! Prometheus: what scrapes the services' metrics and judges the alerts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Kind, server_of_a_test, strings};
use crate::process::{Launch, write};
use crate::server::{Recipe, Server};
use crate::{Error, Result, http};

/// HTTP.
pub(super) const PORTS: usize = 1;

/// A Prometheus that scrapes every second, and nothing until it is told what.
#[derive(Debug)]
pub struct Prometheus {
    server: Server,
    ports: [u16; PORTS],
}

server_of_a_test!(Prometheus, Kind::Prometheus);

/// One series of a query's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels; the metric's name is `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Its value at the time of the query.
    pub value: f64,
}

impl Prometheus {
    /// Its API and pages, such as `http://127.0.0.1:23456`.
    pub fn url(&self) -> String {
        url(self.ports[0])
    }

    /// Scrapes `addresses` (`host:port`, each at `/metrics`) as the job `job` from now on, in place of those
    /// that the job had. It takes Prometheus up to five seconds to notice, so wait for `up{job="…"}`.
    pub fn scrape(&self, job: &str, addresses: &[&str]) -> Result<()> {
        let targets = serde_json::json!([{ "targets": addresses, "labels": { "job": job } }]);
        let file = self.dir().join("targets").join(format!("{job}.json"));
        // Renamed into its place, so that no half of it is read.
        let partial = file.with_extension("partial");
        write(&partial, &targets.to_string())?;
        std::fs::rename(&partial, &file).map_err(Error::io("cannot rename to", file))
    }

    /// Evaluates the alerting and recording rules of `text`, a rules file, under `name` from now on.
    pub fn load_rules(&self, name: &str, text: &str) -> Result<()> {
        write(&self.dir().join("rules").join(format!("{name}.yml")), text)?;
        let reloaded = http::post(self.ports[0], "/-/reload");
        reloaded.map(drop).map_err(|answer| Error::Refused {
            server: Kind::Prometheus,
            what: format!("the rules {name}"),
            answer,
        })
    }

    /// What an expression of PromQL is now: its series, or one without labels for a scalar.
    pub fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let path = format!("/api/v1/query?query={}", http::encode(expression));
        let answer = http::get(self.ports[0], &path);
        answer
            .and_then(|answer| samples(&answer))
            .map_err(|answer| Error::Refused {
                server: Kind::Prometheus,
                what: format!("the query {expression}"),
                answer,
            })
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the recipes of the other servers need Java and can fail"
    )]
    fn recipe_in(installation: &Path, _dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
        Ok(recipe(installation, ports))
    }
}

pub(super) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

pub(super) fn recipe(installation: &Path, [port]: [u16; PORTS]) -> Recipe {
    let server = Launch {
        name: "prometheus",
        program: installation.join("usr/bin/prometheus"),
        arguments: strings([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            // `POST /-/reload`
            "--web.enable-lifecycle",
            // Five seconds by default, after another five that cannot be changed.
            "--scrape.discovery-reload-interval=100ms",
        ])
        .chain([format!("--web.listen-address=127.0.0.1:{port}")])
        .collect(),
    };
    Recipe {
        kind: Kind::Prometheus,
        files: vec![
            (
                "prometheus.yml",
                include_str!("../templates/prometheus.yml").to_owned(),
            ),
            // Folders are looked at from the start, so they must be there.
            ("targets/none.json", "[]".to_owned()),
            ("rules/none.yml", "groups: []\n".to_owned()),
        ],
        prepare: None,
        processes: vec![server],
        check: Box::new(move || http::get(port, "/-/ready").map(drop)),
    }
}

/// The samples of an answer of the query API.
fn samples(answer: &str) -> Result<Vec<Sample>, String> {
    #[derive(Deserialize)]
    struct Answer {
        data: Data,
    }
    #[derive(Deserialize)]
    #[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
    enum Data {
        Vector(Vec<Series>),
        Scalar((f64, String)),
    }
    #[derive(Deserialize)]
    struct Series {
        metric: BTreeMap<String, String>,
        value: (f64, String),
    }
    let sample = |labels, value: &str| {
        let value = value
            .parse()
            .map_err(|error| format!("the value {value}: {error}"))?;
        Ok(Sample { labels, value })
    };
    let answer: Answer =
        serde_json::from_str(answer).map_err(|error| format!("{error} in {answer}"))?;
    match answer.data {
        Data::Vector(series) => series
            .into_iter()
            .map(|series| sample(series.metric, &series.value.1))
            .collect(),
        Data::Scalar((_, value)) => Ok(vec![sample(BTreeMap::new(), &value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_series_with_their_values() {
        let answer = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"a"},"value":[1795370772.835,"1"]},
            {"metric":{},"value":[1795370772.835,"+Inf"]}]}}"#;
        let samples = samples(answer).expect("two series");
        assert_eq!(samples[0].labels["job"], "a");
        assert_eq!(samples[0].value.to_bits(), 1_f64.to_bits());
        assert!(samples[1].value.is_infinite());
    }

    #[test]
    fn a_scalar_is_one_sample_without_labels() {
        let answer = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}"#;
        let samples = samples(answer).expect("a scalar");
        assert_eq!((samples.len(), samples[0].labels.len()), (1, 0));
    }
}
