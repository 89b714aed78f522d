//! The graph, and the compile pass: names to relations, templates to SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use minijinja::Value;
use sha2::{Digest as _, Sha256};

use super::parse::{Draft, Drafts, is_kept, render_generic};
use super::{ProjectFile, Target, empty_frame, read_text};
use crate::diagnostics::{Diagnostic, place};
use crate::jinja::Jinja;
use crate::jinja::context::{Frame, Graph, RelationValue, Target as RefTarget};
use crate::manifest::{Manifest, Materialized, Node, Relation, ResourceType};
use crate::{Error, Result};

/// Follow references, compile every template, and hand out the manifest.
pub fn compile(project: &ProjectFile, target: &Target, drafts: Drafts) -> Result<Manifest> {
    let Drafts {
        jinja,
        nodes: mut drafts,
        warnings,
    } = drafts;
    let disabled = drafts
        .iter()
        .filter(|draft| !draft.enabled)
        .map(|draft| draft.node.name.clone())
        .collect();
    drafts.retain(|draft| draft.enabled);
    place_relations(&jinja, &mut drafts)?;
    let graph = Arc::new(graph(&drafts, disabled));
    follow_references(&graph, &mut drafts)?;
    let mut drafts: BTreeMap<String, Draft> = drafts
        .into_iter()
        .map(|draft| (draft.node.unique_id.clone(), draft))
        .collect();
    let order = order(&drafts)?;
    let mut compiled: BTreeMap<String, Compiled> = BTreeMap::new();
    let mut errors = Vec::new();
    for unique_id in order {
        let Some(draft) = drafts.get_mut(&unique_id) else {
            continue;
        };
        match compile_draft(&jinja, &graph, draft, &compiled) {
            Ok(Some(result)) => drop(compiled.insert(unique_id, result)),
            Ok(None) => {}
            Err(diagnostic) => errors.push(Error::from(diagnostic)),
        }
    }
    if !errors.is_empty() {
        return Err(Error::many(errors));
    }
    let mut nodes = BTreeMap::new();
    for (unique_id, mut draft) in drafts {
        draft.node.fingerprint = fingerprint(project, &draft.node)?;
        nodes.insert(unique_id, draft.node);
    }
    Ok(Manifest {
        project: project.name.clone(),
        root: project.root.clone(),
        target_path: project.target_path.clone(),
        target: target.name.clone(),
        is_default_target: target.is_default,
        schema: target.schema.clone(),
        threads: target.threads,
        nodes,
        warnings,
    })
}

/// Give models and seeds their relations, by the project's or dbt's naming macros.
fn place_relations(jinja: &Jinja, drafts: &mut [Draft]) -> Result<()> {
    let mut taken: BTreeMap<Relation, String> = BTreeMap::new();
    let mut errors = Vec::new();
    for draft in drafts {
        let node = &mut draft.node;
        if !is_kept(node) {
            if let Some(relation) = &node.relation {
                taken.insert(relation.clone(), node.original_file_path.clone());
            }
            continue;
        }
        let facts = [("__node", facts(node))];
        let name = |call: &str, custom: Option<&str>| -> Result<String, Diagnostic> {
            let frame = empty_frame(&node.package);
            let custom = ("__custom", custom.map_or(Value::from(()), Value::from));
            let value = jinja.evaluate(
                &node.original_file_path,
                &format!("{call}(__custom, __node)"),
                &frame,
                &[facts[0].clone(), custom],
            )?;
            Ok(crate::jinja::python_str(&value).trim().to_owned())
        };
        let relation =
            name("generate_schema_name", node.config.schema.as_deref()).and_then(|schema| {
                Ok(Relation::new(
                    schema,
                    name("generate_alias_name", node.config.alias.as_deref())?,
                ))
            });
        match relation {
            Ok(relation) => {
                if let Some(other) = taken.insert(relation.clone(), node.original_file_path.clone())
                {
                    let message = format!("two nodes write {relation}");
                    let diagnostic =
                        Diagnostic::new(message).in_file(node.original_file_path.clone());
                    errors.push(Error::from(
                        diagnostic.help(format!("the other one is {other}")),
                    ));
                }
                node.relation = Some(relation);
            }
            Err(diagnostic) => errors.push(diagnostic.into()),
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Error::many(errors))
    }
}

/// A node as macros see it.
fn facts(node: &Node) -> Value {
    let config = Value::from_pairs([
        (
            "materialized",
            Value::from(node.config.materialized.as_str()),
        ),
        (
            "schema",
            node.config
                .schema
                .as_deref()
                .map_or(Value::from(()), Value::from),
        ),
        (
            "alias",
            node.config
                .alias
                .as_deref()
                .map_or(Value::from(()), Value::from),
        ),
        ("tags", Value::from(node.config.tags.clone())),
        ("meta", crate::jinja::serialized(&node.config.meta)),
    ]);
    Value::from_pairs([
        ("name", Value::from(node.name.as_str())),
        ("unique_id", Value::from(node.unique_id.as_str())),
        ("resource_type", Value::from(node.resource_type.as_str())),
        ("package_name", Value::from(node.package.as_str())),
        ("path", Value::from(node.path.as_str())),
        (
            "original_file_path",
            Value::from(node.original_file_path.as_str()),
        ),
        ("fqn", Value::from(node.fqn.clone())),
        ("tags", Value::from(node.config.tags.clone())),
        ("config", config),
    ])
}

fn graph(drafts: &[Draft], disabled: Vec<String>) -> Graph {
    let mut graph = Graph {
        disabled,
        ..Graph::default()
    };
    for Draft { node, .. } in drafts {
        let relation = match &node.relation {
            Some(relation) => RelationValue::Table(relation.clone()),
            None => RelationValue::Cte(cte_name(&node.name)),
        };
        let target = RefTarget {
            unique_id: node.unique_id.clone(),
            relation,
        };
        match (node.resource_type, &node.source_name) {
            (ResourceType::Model | ResourceType::Seed, _) => {
                graph
                    .models
                    .entry(node.name.clone())
                    .or_default()
                    .insert(node.package.clone(), target);
            }
            (ResourceType::Source, Some(source)) => {
                graph
                    .sources
                    .insert((source.clone(), node.name.clone()), target);
            }
            _ => {}
        }
    }
    graph
}

fn follow_references(graph: &Graph, drafts: &mut [Draft]) -> Result<()> {
    let mut errors = Vec::new();
    for draft in drafts {
        let mut upstream: Vec<String> = Vec::new();
        let refs = draft.refs.iter().map(|reference| {
            (
                reference.name.as_str(),
                graph
                    .resolve(reference, &draft.node.package)
                    .map(|target| &target.unique_id),
            )
        });
        let sources = draft.sources.iter().map(|(source, table)| {
            (
                table.as_str(),
                graph
                    .resolve_source(source, table)
                    .map(|target| &target.unique_id),
            )
        });
        for (name, found) in refs.chain(sources) {
            match found {
                Ok(unique_id) if upstream.contains(unique_id) => {}
                Ok(unique_id) => upstream.push(unique_id.clone()),
                Err(diagnostic) => errors.push(Error::from(at_mention(diagnostic, draft, name))),
            }
        }
        draft.node.depends_on = upstream;
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Error::many(errors))
    }
}

/// A message at the place where the draft's text (or its YAML) has the name in quotes.
fn at_mention(diagnostic: Diagnostic, draft: &Draft, name: &str) -> Diagnostic {
    let file = &draft.node.original_file_path;
    if let Some(generic) = &draft.generic {
        return generic
            .file
            .at_key(diagnostic, &generic.key, Some(&generic.table));
    }
    let quoted = [format!("'{name}'"), format!("\"{name}\"")];
    for (index, line) in draft.node.raw_code.lines().enumerate() {
        if let Some(at) = quoted.iter().find_map(|quoted| line.find(quoted)) {
            let column = line[..at].chars().count() + 2;
            return diagnostic.at(place(file, &draft.node.raw_code, index + 1, Some(column)));
        }
    }
    diagnostic.in_file(file.clone())
}

/// Unique ids in an order in which every node comes after what it reads. A cycle is an error that
/// names its path.
fn order(drafts: &BTreeMap<String, Draft>) -> Result<Vec<String>> {
    let mut order = Vec::new();
    let mut done = BTreeSet::new();
    for unique_id in drafts.keys() {
        visit(unique_id, drafts, &mut Vec::new(), &mut done, &mut order)?;
    }
    Ok(order)
}

fn visit<'a>(
    unique_id: &'a str,
    drafts: &'a BTreeMap<String, Draft>,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
    order: &mut Vec<String>,
) -> Result<()> {
    if done.contains(unique_id) {
        return Ok(());
    }
    let Some(draft) = drafts.get(unique_id) else {
        return Ok(());
    };
    if let Some(start) = path.iter().position(|seen| *seen == unique_id) {
        let mut names: Vec<&str> = path[start..]
            .iter()
            .filter_map(|id| drafts.get(*id))
            .map(|draft| draft.node.name.as_str())
            .collect();
        names.push(&draft.node.name);
        // Each node reads the next one.
        let diagnostic = Diagnostic::new(format!(
            "models read each other in a circle: {}",
            names.join(" → ")
        ));
        let next = names.get(1).copied().unwrap_or_default();
        return Err(at_mention(diagnostic, draft, next).into());
    }
    path.push(unique_id);
    for upstream in &draft.node.depends_on {
        visit(upstream, drafts, path, done, order)?;
    }
    path.pop();
    done.insert(unique_id);
    order.push(unique_id.to_owned());
    Ok(())
}

/// An ephemeral model's SQL, for its readers.
struct Compiled {
    name: String,
    sql: String,
    ephemeral: Vec<String>,
}

fn compile_draft(
    jinja: &Jinja,
    graph: &Arc<Graph>,
    draft: &mut Draft,
    compiled: &BTreeMap<String, Compiled>,
) -> Result<Option<Compiled>, Diagnostic> {
    if matches!(
        draft.node.resource_type,
        ResourceType::Seed | ResourceType::Source | ResourceType::Exposure
    ) {
        return Ok(None);
    }
    let (sql, ephemeral) = render(jinja, graph, draft, false)?;
    if draft.node.config.materialized == Materialized::Ephemeral {
        draft.node.compiled_code = Some(with_ephemeral(&sql, &ephemeral, compiled));
        return Ok(Some(Compiled {
            name: cte_name(&draft.node.name),
            sql,
            ephemeral,
        }));
    }
    if draft.node.config.materialized == Materialized::Incremental {
        let (sql, ephemeral) = render(jinja, graph, draft, true)?;
        draft.node.compiled_incremental = Some(with_ephemeral(&sql, &ephemeral, compiled));
    }
    draft.node.compiled_code = Some(with_ephemeral(&sql, &ephemeral, compiled));
    Ok(None)
}

fn render(
    jinja: &Jinja,
    graph: &Arc<Graph>,
    draft: &Draft,
    incremental: bool,
) -> Result<(String, Vec<String>), Diagnostic> {
    let node = &draft.node;
    let frame = Arc::new(Frame {
        package: node.package.clone(),
        this: node.relation.clone(),
        graph: Some(graph.clone()),
        unique_id: node.unique_id.clone(),
        depends_on: node.depends_on.clone(),
        incremental,
        config: draft.raw_config.clone(),
        captured: Mutex::default(),
    });
    let sql = match &draft.generic {
        Some(generic) => render_generic(
            jinja,
            node,
            generic.arguments.clone(),
            &generic.target,
            &frame,
        )
        .map_err(|diagnostic| {
            generic
                .file
                .at_key(diagnostic, &generic.key, Some(&generic.table))
        })?,
        None => jinja.render_with(
            &node.original_file_path,
            &node.raw_code,
            &frame,
            &[("model", facts(node))],
        )?,
    };
    let ephemeral = std::mem::take(&mut frame.captured().ephemeral);
    Ok((sql, ephemeral))
}

fn cte_name(model: &str) -> String {
    format!("__dbt__cte__{model}")
}

/// The SQL with the ephemeral models that it reads, and those that they read, before it.
fn with_ephemeral(
    sql: &str,
    ephemeral: &[String],
    compiled: &BTreeMap<String, Compiled>,
) -> String {
    let mut order: Vec<&Compiled> = Vec::new();
    let mut seen = BTreeSet::new();
    for unique_id in ephemeral {
        gather(unique_id, compiled, &mut seen, &mut order);
    }
    if order.is_empty() {
        return sql.to_owned();
    }
    let tables: Vec<String> = order
        .iter()
        .map(|model| format!("{} as (\n{}\n)", model.name, model.sql.trim()))
        .collect();
    let tables = tables.join(", ");
    let start = first_word(sql);
    let rest = &sql[start..];
    let is_word = |rest: &str, word: &str| {
        rest.get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
            && rest[word.len()..].starts_with(|c: char| c.is_whitespace())
    };
    if is_word(rest, "with") {
        let mut after = start + "with".len();
        let skipped = sql[after..].len() - sql[after..].trim_start().len();
        if is_word(&sql[after + skipped..], "recursive") {
            after += skipped + "recursive".len();
        }
        return format!("{} {tables}, {}", &sql[..after], sql[after..].trim_start());
    }
    format!("{}with {tables}\n{rest}", &sql[..start])
}

fn gather<'a>(
    unique_id: &'a str,
    compiled: &'a BTreeMap<String, Compiled>,
    seen: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a Compiled>,
) {
    let Some(model) = compiled.get(unique_id) else {
        return;
    };
    if !seen.insert(unique_id) {
        return;
    }
    for upstream in &model.ephemeral {
        gather(upstream, compiled, seen, order);
    }
    order.push(model);
}

/// Where the SQL begins, past spaces and comments.
fn first_word(sql: &str) -> usize {
    let mut at = 0;
    loop {
        at += sql[at..].len() - sql[at..].trim_start().len();
        let rest = &sql[at..];
        let skip = if rest.starts_with("--") {
            rest.find('\n').map(|end| end + 1)
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2)
        } else {
            return at;
        };
        match skip {
            Some(skip) => at += skip,
            None => return at,
        }
    }
}

/// The hash of what makes the node's rows and their layout.
fn fingerprint(project: &ProjectFile, node: &Node) -> Result<String> {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(node.config.materialized.as_str());
    add(node.compiled_code.as_deref().unwrap_or_default());
    add(node.compiled_incremental.as_deref().unwrap_or_default());
    for list in [&node.config.partition_by, &node.config.unique_key] {
        add(&list.join(","));
    }
    add(node
        .config
        .incremental_strategy
        .as_deref()
        .unwrap_or_default());
    if let Some(reach) = node.meta("reach") {
        add(&reach.to_string());
    }
    if node.resource_type == ResourceType::Seed {
        add(&read_text(&project.root, &node.original_file_path)?);
        for (column, sql_type) in &node.config.column_types {
            add(column);
            add(sql_type);
        }
        add(&node.config.delimiter.to_string());
    }
    Ok(super::hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ephemeral_model_is_put_before_its_reader() {
        let mut compiled = BTreeMap::new();
        for (name, reads) in [("a", vec![]), ("b", vec!["a".to_owned()])] {
            let ephemeral = reads;
            compiled.insert(
                name.to_owned(),
                Compiled {
                    name: cte_name(name),
                    sql: format!("select '{name}'"),
                    ephemeral,
                },
            );
        }
        let reads = ["b".to_owned()];
        assert_eq!(
            with_ephemeral("-- c\nselect 1", &reads, &compiled),
            "-- c\nwith __dbt__cte__a as (\nselect 'a'\n), __dbt__cte__b as (\nselect 'b'\n)\nselect 1"
        );
        assert_eq!(
            with_ephemeral(
                "WITH x as (select 1) select 2",
                &["a".to_owned()],
                &compiled
            ),
            "WITH __dbt__cte__a as (\nselect 'a'\n), x as (select 1) select 2"
        );
        assert_eq!(with_ephemeral("select 1", &[], &compiled), "select 1");
    }
}
