//! What is wrong with JSON, in words that repeat no value of it: one may be a secret that stands in the wrong place.

use serde_json::error::Category;

/// What is wrong, with the name of the field, or with line and column.
#[must_use]
pub fn json_mistake(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Data => without_value(&error.to_string()),
        Category::Io | Category::Syntax | Category::Eof => {
            format!("it is not JSON at line {}, column {}", error.line(), error.column())
        }
    }
}

/// Serde quotes an unexpected string.
fn without_value(sentence: &str) -> String {
    let begins =
        ["invalid type: string \"", "invalid value: string \""].iter().any(|text| sentence.contains(text));
    match sentence.rfind("\", expected") {
        Some(end) if begins => format!("a string stands where it does not fit{}", &sentence[end + 1..]),
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_value_is_repeated() {
        for text in [r#"{"a": "hush"}"#, r#"{"a": "hush\", expected x"}"#, r#"{"a": 1} hush"#, "hush"] {
            let mistake = json_mistake(&serde_json::from_str::<BTreeMap<String, u8>>(text).unwrap_err());
            assert!(!mistake.contains("hush"), "{mistake}");
        }
        let mistake =
            json_mistake(&serde_json::from_str::<BTreeMap<String, u8>>(r#"{"a": "x"}"#).unwrap_err());
        assert!(mistake.contains("expected u8") && mistake.contains("line 1"), "{mistake}");
    }
}
