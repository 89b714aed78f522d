//! Conditions on how many rows a test finds: when it warns, when it fails.

use std::fmt;

/// A condition on a test's number of failures, such as `!= 0` or `> 10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How the two are compared.
    pub comparison: Comparison,
    /// With what the failures are compared.
    pub value: i64,
}

/// A comparison of a [`Condition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=` or `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Condition {
    /// `!= 0`
    pub const ANY: Self = Self {
        comparison: Comparison::NotEqual,
        value: 0,
    };

    /// Read a condition such as `>10` or `!= 0`: a comparison with a whole number.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (comparison, rest) = [
            ("!=", Comparison::NotEqual),
            ("<>", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("==", Comparison::Equal),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ]
        .into_iter()
        .find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?)))?;
        Some(Self {
            comparison,
            value: rest.trim().parse().ok()?,
        })
    }

    /// Whether it holds for any failure: for every number but 0.
    pub const fn is_any(self) -> bool {
        !self.holds(0) && self.holds(1) && self.holds(2)
    }

    /// Whether it holds for so many failures.
    pub const fn holds(self, failures: i64) -> bool {
        match self.comparison {
            Comparison::Equal => failures == self.value,
            Comparison::NotEqual => failures != self.value,
            Comparison::Less => failures < self.value,
            Comparison::LessOrEqual => failures <= self.value,
            Comparison::Greater => failures > self.value,
            Comparison::GreaterOrEqual => failures >= self.value,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        };
        write!(f, "{sign} {}", self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_reads_as_dbt_writes_it() {
        let condition = Condition::parse(">10").expect("valid");
        assert!(condition.holds(11) && !condition.holds(10));
        assert_eq!(Condition::parse(" != 0 "), Some(Condition::ANY));
        assert_eq!(Condition::parse("ten"), None);
    }
}
