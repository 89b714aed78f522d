//! `macros` and `docs` of `manifest.json`.

use serde_json::{Map, Value, json};

use crate::manifest::{Doc, Macro};

/// Macros by unique id.
pub fn macros(macros: &[Macro]) -> Value {
    let found = macros.iter().map(|one| {
        let unique_id = format!("macro.{}.{}", one.package, one.name);
        let patch = one.patch_path.as_ref();
        let told = json!({
            "name": one.name,
            "resource_type": "macro",
            "package_name": one.package,
            "path": one.path,
            "original_file_path": one.path,
            "unique_id": unique_id,
            "macro_sql": one.text,
            "depends_on": {"macros": []},
            "description": one.description,
            "meta": one.meta,
            "docs": {"show": true, "node_color": null},
            "config": {"meta": one.meta, "docs": {"show": true, "node_color": null}},
            "patch_path": patch.map(|path| format!("{}://{path}", one.package)),
            "arguments": one.arguments,
            "supported_languages": null,
        });
        (unique_id, told)
    });
    found.collect::<Map<_, _>>().into()
}

/// Documentation blocks by unique id.
pub fn docs(docs: &[Doc]) -> Value {
    let found = docs.iter().map(|doc| {
        let unique_id = format!("doc.{}.{}", doc.package, doc.name);
        let name = doc.path.rsplit('/').next().unwrap_or(&doc.path);
        let told = json!({
            "name": doc.name,
            "resource_type": "doc",
            "package_name": doc.package,
            "path": name,
            "original_file_path": doc.path,
            "unique_id": unique_id,
            "block_contents": doc.contents,
        });
        (unique_id, told)
    });
    found.collect::<Map<_, _>>().into()
}
