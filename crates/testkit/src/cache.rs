//! Where things that are made once are kept.

use std::path::PathBuf;

use crate::{Error, Result};

/// `$XDG_CACHE_HOME/goldrecord`, or `~/.cache/goldrecord`.
pub(crate) fn folder() -> Result<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache
        .map(|cache| cache.join("goldrecord"))
        .ok_or(Error::NoHome)
}
