//! The NixOS options of `services.goldrecord.settings`, read off the structs of the sections, so that neither can
//! have a key that the other lacks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Config;

const SECTIONS: &str = include_str!("sections.rs");
const FILE: &str = "nixos/modules/goldrecord/options.json";

/// A struct or an enum as it stands in the source.
#[derive(Default)]
struct Item {
    /// Its documentation, a line each.
    doc: Vec<String>,
    /// How `serde` writes the variants.
    rename_all: Option<String>,
    /// The fields with their types, or the variants.
    members: Vec<Member>,
    is_enum: bool,
}

#[derive(Default)]
struct Member {
    name: String,
    /// Empty for a variant.
    kind: String,
    doc: Vec<String>,
    rename: Option<String>,
}

/// The value of `key = "…"` in an attribute.
fn quoted(attribute: &str, key: &str) -> Option<String> {
    let after = attribute.split_once(&format!("{key} = \""))?.1;
    Some(after.split_once('"')?.0.to_owned())
}

/// Every public struct and enum of the source.
fn items(source: &str) -> BTreeMap<String, Item> {
    let mut found = BTreeMap::new();
    let mut doc = Vec::new();
    let mut attributes = String::new();
    let mut open: Option<(String, Item)> = None;
    for line in source.lines() {
        let text = line.trim();
        if let Some(words) = text.strip_prefix("///") {
            doc.push(words.trim().to_owned());
        } else if text.starts_with("#[") {
            attributes.push_str(text);
        } else if let Some((name, mut item)) = open.take() {
            if line == "}" {
                found.insert(name, item);
            } else {
                if let Some(member) = member(text, item.is_enum) {
                    item.members.push(Member {
                        doc: std::mem::take(&mut doc),
                        rename: quoted(&attributes, "rename"),
                        ..member
                    });
                }
                open = Some((name, item));
            }
            attributes.clear();
        } else {
            let is_enum = text.starts_with("pub enum ");
            let head = text
                .strip_prefix("pub struct ")
                .or_else(|| text.strip_prefix("pub enum "));
            if let Some(name) = head.and_then(|head| head.strip_suffix(" {")) {
                let item = Item {
                    doc: std::mem::take(&mut doc),
                    rename_all: quoted(&attributes, "rename_all"),
                    members: Vec::new(),
                    is_enum,
                };
                open = Some((name.to_owned(), item));
            }
            doc.clear();
            attributes.clear();
        }
    }
    found
}

fn member(text: &str, is_enum: bool) -> Option<Member> {
    let text = text.strip_suffix(',')?;
    let (name, kind) = if is_enum {
        (text, "")
    } else {
        text.strip_prefix("pub ")?.split_once(": ")?
    };
    Some(Member {
        name: name.to_owned(),
        kind: kind.to_owned(),
        ..Member::default()
    })
}

/// What a variant is called in the file.
fn variant(member: &Member, rename_all: Option<&str>) -> String {
    if let Some(name) = &member.rename {
        return name.clone();
    }
    let separator = match rename_all {
        Some("kebab-case") => "-",
        Some("snake_case") => "_",
        Some("lowercase") => "",
        other => panic!("{}: write how {other:?} names a variant", member.name),
    };
    let mut name = String::new();
    for letter in member.name.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push_str(separator);
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The type of a key, as `settings.nix` reads it. Every key may be left out, so `Option<T>` is `T`.
fn kind(name: &str, items: &BTreeMap<String, Item>) -> Value {
    let inner = |prefix: &str| {
        name.strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix('>'))
    };
    if let Some(inner) = inner("Option<") {
        return kind(inner, items);
    }
    if let Some(inner) = inner("Vec<") {
        return json!({ "list": kind(inner, items) });
    }
    if let Some(inner) = inner("BTreeMap<String, ") {
        return json!({ "attributes": kind(inner, items) });
    }
    match name {
        "String" => json!("string"),
        "PathBuf" => json!("path"),
        "bool" => json!("boolean"),
        "u16" | "u32" | "u64" | "usize" => json!("unsigned"),
        "Span" => json!("span"),
        "Bytes" => json!("bytes"),
        name => {
            let item = items
                .get(name)
                .unwrap_or_else(|| panic!("{name}: write what NixOS type it has"));
            if item.is_enum {
                let variants = item.members.iter();
                json!({ "enum": variants.map(|v| variant(v, item.rename_all.as_deref())).collect::<Vec<_>>() })
            } else {
                json!({ "section": keys(item, items, &Value::Null) })
            }
        }
    }
}

/// The keys of a section, with their defaults where there are any.
fn keys(section: &Item, items: &BTreeMap<String, Item>, defaults: &Value) -> Map<String, Value> {
    let key = |member: &Member| {
        let mut key = json!({
            "type": kind(&member.kind, items),
            "description": member.doc.join(" "),
        });
        let default = &defaults[&member.name];
        if !default.is_null() {
            key["default"] = default.clone();
        }
        (member.name.clone(), key)
    };
    section.members.iter().map(key).collect()
}

/// The whole file.
fn options() -> Value {
    let items = items(SECTIONS);
    let defaults = serde_json::to_value(Config::default()).expect("a configuration is JSON");
    let section = |member: &Member| {
        let item = &items[&member.kind];
        assert!(!item.doc.is_empty(), "{} has a description", member.kind);
        (
            member.name.clone(),
            json!({
                "description": member.doc.join(" "),
                "keys": keys(item, &items, &defaults[&member.name]),
            }),
        )
    };
    items["Config"].members.iter().map(section).collect()
}

#[test]
fn the_nixos_options_are_the_keys_of_the_file() {
    let now = options();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(FILE);
    if std::env::var_os("GOLDRECORD_BLESS").is_some() {
        fs::write(&path, format!("{now:#}\n")).expect("the file can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        serde_json::from_str(&there).ok() == Some(now),
        "{FILE} differs from crates/service/src/config/sections.rs; GOLDRECORD_BLESS=1 ./dev test service writes it anew"
    );
}

#[test]
fn every_key_of_the_defaults_is_an_option() {
    let defaults = serde_json::to_value(Config::default()).expect("a configuration is JSON");
    let options = options();
    for (section, keys) in defaults.as_object().expect("sections") {
        for key in keys.as_object().expect("keys").keys() {
            let option = &options[section]["keys"][key];
            assert!(option["type"] != Value::Null, "{section}.{key} has a type");
            assert!(
                option["description"] != "",
                "{section}.{key} has a description"
            );
        }
    }
}
