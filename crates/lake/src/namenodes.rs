//! The address of an HDFS: one NameNode, or several of which one is active.

use url::Url;

/// `hdfs://host:port/folder`, or `hdfs://host:port,host:port/folder` for NameNodes that stand in for each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `host:port` of each; a single one without a port is a name service of `HADOOP_CONF_DIR`.
    namenodes: Vec<String>,
    /// The folder as it stands in the URL, beginning with `/` or empty.
    pub folder: String,
}

/// What the NameNodes of one address are called together, in the client's configuration.
const SERVICE: &str = "lake";

impl Address {
    /// Reads what follows `hdfs://`.
    pub fn parse(rest: &str) -> Result<Self, String> {
        let (authority, folder) = rest
            .find('/')
            .map_or((rest, ""), |slash| rest.split_at(slash));
        let several = authority.contains(',');
        let namenodes: Result<Vec<String>, String> = authority
            .split(',')
            .map(|namenode| normalised(namenode, several))
            .collect();
        Ok(Self {
            namenodes: namenodes?,
            folder: folder.to_owned(),
        })
    }

    /// All of them, as in the address.
    pub fn authority(&self) -> String {
        self.namenodes.join(",")
    }

    /// What the client connects to.
    pub fn url(&self) -> String {
        match self.namenodes.as_slice() {
            [one] => format!("hdfs://{one}"),
            _ => format!("hdfs://{SERVICE}"),
        }
    }

    /// What the client must know besides, in the keys of `hdfs-site.xml`: nothing for a single NameNode.
    pub fn configuration(&self) -> Vec<(String, String)> {
        if self.namenodes.len() == 1 {
            return Vec::new();
        }
        let ids: Vec<String> = (1..=self.namenodes.len())
            .map(|n| format!("nn{n}"))
            .collect();
        let address = |(id, namenode): (&String, &String)| {
            let key = format!("dfs.namenode.rpc-address.{SERVICE}.{id}");
            (key, namenode.clone())
        };
        std::iter::once((format!("dfs.ha.namenodes.{SERVICE}"), ids.join(",")))
            .chain(ids.iter().zip(&self.namenodes).map(address))
            .collect()
    }
}

fn normalised(namenode: &str, needs_port: bool) -> Result<String, String> {
    let url = Url::parse(&format!("hdfs://{namenode}"))
        .map_err(|error| format!("the NameNode `{namenode}`: {error}"))?;
    match (url.host_str().filter(|host| !host.is_empty()), url.port()) {
        (None, _) => Err("the NameNode is missing".to_owned()),
        (Some(_), None) if needs_port => Err(format!("the NameNode `{namenode}` has no port")),
        (Some(host), None) => Ok(host.to_owned()),
        (Some(host), Some(port)) => Ok(format!("{host}:{port}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_namenode_is_itself() {
        let address = Address::parse("nn:8020/lake/").expect("an address");
        assert_eq!(address.url(), "hdfs://nn:8020");
        assert_eq!(address.folder, "/lake/");
        assert_eq!(address.configuration(), []);
    }

    #[test]
    fn several_are_a_service_whose_members_are_configured() {
        let address = Address::parse("nn1:8020,nn2:8021/lake").expect("an address");
        assert_eq!(address.url(), "hdfs://lake");
        assert_eq!(address.authority(), "nn1:8020,nn2:8021");
        let configuration: Vec<String> = address
            .configuration()
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(
            configuration,
            [
                "dfs.ha.namenodes.lake=nn1,nn2",
                "dfs.namenode.rpc-address.lake.nn1=nn1:8020",
                "dfs.namenode.rpc-address.lake.nn2=nn2:8021",
            ]
        );
    }

    #[test]
    fn what_names_no_namenode_is_refused() {
        for (rest, why) in [
            ("", "missing"),
            ("/lake", "missing"),
            ("nn1:8020,/lake", "missing"),
            ("nn1:8020,nn2/lake", "`nn2` has no port"),
            ("nn1:port/lake", "`nn1:port`"),
        ] {
            let refused = Address::parse(rest).expect_err(rest);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
