//! A reader of our own HTML, just strict enough: every tag closed in order, every attribute
//! quoted, no stray angle bracket or ampersand, ids unique.

use std::collections::BTreeSet;

const VOID: [&str; 3] = ["meta", "br", "link"];

/// What is wrong with the page, or nothing.
pub fn check(page: &str) -> Result<(), String> {
    let mut open: Vec<String> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    while let Some(start) = rest.find('<') {
        text(&rest[..start])?;
        let end = rest[start..].find('>').ok_or("a tag without end")? + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop();
            if last.as_deref() != Some(name) {
                return Err(format!("</{name}> closes {last:?}"));
            }
            continue;
        }
        let name: String = tag
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if name.is_empty() {
            return Err(format!("a stray angle bracket before {tag:?}"));
        }
        attributes(&name, &tag[name.len()..], &mut ids)?;
        if name == "style" || name == "script" {
            let close = format!("</{name}>");
            let end = rest.find(&close).ok_or(close.clone())?;
            rest = &rest[end + close.len()..];
        } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("left open: {open:?}"))
    }
}

fn attributes(name: &str, text_of: &str, ids: &mut BTreeSet<String>) -> Result<(), String> {
    let mut rest = text_of.trim_end_matches('/').trim();
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once('=').filter(|(key, _)| !key.contains(' ')) else {
            let (flag, after) = rest.split_once(' ').unwrap_or((rest, ""));
            if flag != "hidden" {
                return Err(format!("<{name}> has {rest:?}"));
            }
            rest = after.trim();
            continue;
        };
        let value = after
            .strip_prefix('"')
            .and_then(|v| v.split_once('"'))
            .ok_or(format!("<{name} {key}> is not quoted"))?;
        text(value.0)?;
        if value.0.contains("NaN") || value.0.contains("inf%") {
            return Err(format!("<{name} {key}=\"{}\">", value.0));
        }
        if key == "id" && !ids.insert(value.0.to_owned()) {
            return Err(format!("the id {} twice", value.0));
        }
        rest = value.1.trim();
    }
    Ok(())
}

fn text(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let name = text[at + 1..].split(';').next().unwrap_or_default();
        if !["amp", "lt", "gt", "quot", "#39"].contains(&name) {
            return Err(format!("a stray ampersand in {text:?}"));
        }
    }
    if text.contains('>') {
        Err(format!("a stray bracket in {text:?}"))
    } else {
        Ok(())
    }
}
