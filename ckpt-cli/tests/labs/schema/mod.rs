//! JSON that `ckpt` prints, against the schemas that it prints.

use std::process::Command;

use serde_json::{Value, json};

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ckpt")).args(arguments).output().unwrap();
    assert!(output.status.success(), "ckpt {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that have a schema.
pub(crate) fn commands() -> Vec<String> {
    printed(&["--json-schema"]).lines().map(str::to_owned).collect()
}

/// Fails unless `text` is JSON, in one piece or line by line, of which the schema of `command` knows every key.
pub(crate) fn assert_is_as_said(command: &str, text: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    let mut schema = serde_json::from_str(&printed(&[&["--json-schema"], &words[..]].concat())).unwrap();
    know_all_keys(&mut schema, false);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let whole = serde_json::from_str(text).map(|value| vec![value]);
    let values: Vec<Value> =
        whole.unwrap_or_else(|_| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect());
    assert!(!values.is_empty(), "ckpt {command} printed nothing");
    for value in values {
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "ckpt {command}: {errors:#?}\n{value:#}\nis not as this says:\n{schema:#}");
    }
}

/// The schemas leave room for keys of later versions. Here, one that is not described is a mistake.
fn know_all_keys(schema: &mut Value, is_part_of_another: bool) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && !is_part_of_another && !object.contains_key("additionalProperties")
            {
                object.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            for (key, value) in object {
                know_all_keys(value, matches!(&key[..], "oneOf" | "anyOf" | "allOf"));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| know_all_keys(value, is_part_of_another)),
        _ => {}
    }
}
