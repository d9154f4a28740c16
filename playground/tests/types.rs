//! The page's types name every field that the engine says, and no other value kinds are there.

use std::collections::BTreeSet;

use coracle_playground::look::{Look, look};
use coracle_playground::session::Session;
use serde_json::Value;

/// Adds the names of all fields in a value. Keys of maps, such as tags, are no fields.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if !["pretend", "tags"].contains(&key.as_str()) {
                    fields(value, found);
                }
                found.insert(key.clone());
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

#[test]
fn the_page_knows_every_field() {
    let mut session = Session::first();
    session.play("layers-3");
    session.run("coracle tag large:v1 localhost:5000/a:1");
    session.run("coracle push localhost:5000/a:1");
    session.run("coracle run --name box large:v1 touch /x");
    session.run("echo 'cmd echo $x' >> Dockerfile");
    session.run("pretend make /x");
    let mut found = BTreeSet::new();
    fields(&serde_json::to_value(session.view()).unwrap(), &mut found);
    let looks = [
        r#"{"look":"files","of":"large:v1"}"#,
        r#"{"look":"file","of":"large:v1","path":"/srv/big.bin"}"#,
        r#"{"look":"overlay","of":"container box"}"#,
        r#"{"look":"digests","of":"large:v1"}"#,
        r#"{"look":"json","of":"large:v1","document":"config"}"#,
        r#"{"look":"tar","of":"large:v1","layer":1}"#,
        r#"{"look":"context"}"#,
        r#"{"look":"explain"}"#,
        r#"{"look":"levels"}"#,
        r#"{"look":"grid","kind":"layers","of":"large:v1"}"#,
        r#"{"look":"json","of":"none","document":"config"}"#,
    ];
    for wanted in looks {
        let wanted: Look = serde_json::from_str(wanted).unwrap();
        fields(
            &serde_json::to_value(look(&mut session, &wanted)).unwrap(),
            &mut found,
        );
    }
    let types = include_str!("../web/src/types.ts");
    let named = |field: &&String| {
        let declared = [format!("{field}:"), format!("{field}?:")];
        !declared.iter().any(|text| types.contains(text.as_str()))
    };
    let missing: Vec<_> = found.iter().filter(named).collect();
    assert!(missing.is_empty(), "types.ts does not have {missing:?}");
    assert!(found.len() > 80, "{} fields", found.len());
}
