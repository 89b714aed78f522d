//! What a template sees: `ref`, `source`, `config`, `var`, `this` and the rest of dbt's context.
//!
//! The functions are the same for all templates and stand in the environment. What differs from
//! template to template is one [`Frame`] in the render context, which the functions look up.

mod answers;
mod builtins;
mod columns;
mod config;
mod docs;
mod graph;
mod macros;
mod messages;
mod modules;
mod references;
mod relation;
mod warehouse;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Object, Value};
use minijinja::{Error, State};
use serde_norway::{Mapping, Value as Yaml};

pub use answers::Answer;
pub use builtins::BUILTINS;
pub use columns::Api;
pub use config::{ConfigFunction, VarFunction, to_yaml};
pub use docs::Docs;
pub use graph::{Graph, Ref, Search, Target};
pub use macros::{Adapter, MacroCall, Namespace};
pub use messages::Exceptions;
pub use modules::{Modules, Moment};
pub use relation::RelationValue;
pub use warehouse::Warehouse;

use super::calls::failure;
use crate::manifest::Relation;
use crate::microbatch::Window;

/// The name of the adapter, for `target.type` and the prefix of dispatched macros.
pub const ADAPTER: &str = "goldrecord";
/// The render context's key for the [`Frame`].
pub const FRAME: &str = "__frame";

/// What is rendered, why, and what was seen on the way.
#[derive(Debug, Default)]
pub struct Frame {
    /// The node's package.
    pub package: String,
    /// The relation that `this` is.
    pub this: Option<Relation>,
    /// Whether the graph is known: `ref` gives real relations and `execute` is true.
    pub graph: Option<Arc<Graph>>,
    /// The documentation blocks, for descriptions.
    pub docs: Option<Arc<Docs>>,
    /// Who answers for tables, when the graph is known.
    pub warehouse: Option<Arc<dyn Warehouse>>,
    /// The node's unique id, for `ref` to itself.
    pub unique_id: String,
    /// Upstream nodes that the parsing pass found; `ref` to others is refused when the graph is known.
    pub depends_on: Vec<String>,
    /// What `is_incremental()` says.
    pub incremental: bool,
    /// The batch: relations with an `event_time` show its rows alone.
    pub window: Option<Window>,
    /// The node's configuration as far as known, for `config.get`.
    pub config: Mapping,
    /// What a unit test gives other values.
    pub overrides: Overrides,
    /// What the template asked for.
    pub captured: Mutex<Captured>,
}

/// What has other values while a unit test's model is rendered.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Macros and functions, by their names (a package's with its name and a dot before): what calls of them give.
    pub macros: BTreeMap<String, Value>,
    /// Variables.
    pub vars: BTreeMap<String, Yaml>,
    /// Environment variables.
    pub environment: BTreeMap<String, Value>,
}

impl Overrides {
    /// What a call of a macro or function gives instead.
    fn of_call(&self, name: &str) -> Option<&Value> {
        let dbt = || self.macros.get(&format!("dbt.{name}"));
        self.macros.get(name).or_else(dbt)
    }
}

/// What a template asked for while it was rendered.
#[derive(Debug, Default)]
pub struct Captured {
    /// `ref` calls, in order.
    pub refs: Vec<Ref>,
    /// `source` calls, in order.
    pub sources: Vec<(String, String)>,
    /// `config` calls, in order.
    pub configs: Vec<Mapping>,
    /// Names of ephemeral models met by `ref`.
    pub ephemeral: Vec<String>,
    /// The value of a `__capture` call.
    pub value: Option<Value>,
}

impl Frame {
    /// What was asked for so far. A panic of another thread left whole values behind.
    pub fn captured(&self) -> MutexGuard<'_, Captured> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object for Frame {}

/// What a unit test has a macro or function give.
fn overridden(state: &State<'_, '_>, name: &str) -> Option<Value> {
    let frame = frame(state).ok()?;
    frame.overrides.of_call(name).cloned()
}

/// The frame of the render that calls.
fn frame(state: &State<'_, '_>) -> Result<Arc<Frame>, Error> {
    state
        .lookup(FRAME)
        .and_then(|value| value.downcast_object::<Frame>())
        .ok_or_else(|| failure("this function is not available here"))
}
