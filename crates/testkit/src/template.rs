//! Configuration files with places to fill in.

/// Fills every `@name@` of `text`. A place without a value, and a value without a place, are
/// mistakes in this crate.
pub(crate) fn fill(text: &str, values: &[(&str, String)]) -> String {
    let mut filled = text.to_owned();
    for (name, value) in values {
        let place = format!("@{name}@");
        assert!(
            filled.contains(&place),
            "the template has no place for {name}"
        );
        filled = filled.replace(&place, value);
    }
    filled
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_place_is_filled() {
        let values = [("a", "1".to_owned()), ("b", "2".to_owned())];
        assert_eq!(super::fill("x@a@ y@b@ z@a@", &values), "x1 y2 z1");
    }

    #[test]
    #[should_panic(expected = "no place for b")]
    fn a_value_without_a_place_is_a_mistake() {
        super::fill("x", &[("b", String::new())]);
    }
}
