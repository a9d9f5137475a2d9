//! The description against the route table, and against the reference that people read.

use std::collections::BTreeSet;

use consign_http::ROUTES;
use serde_json::Value;

use crate::support::Room;

fn document() -> Value {
    serde_json::from_slice(&Room::new().api.description()).unwrap()
}

#[test]
fn each_call_is_described_and_no_other() {
    let document = document();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_ascii_uppercase()));
        }
    }
    let mut there = BTreeSet::new();
    for route in ROUTES {
        // HEAD goes with GET.
        for method in route.methods.iter().filter(|method| *method != "HEAD") {
            there.insert(format!("{method} {}", route.path));
        }
    }
    assert_eq!(described, there);
    if let Ok(p) = std::env::var("DUMP") {
        std::fs::write(p, serde_json::to_string_pretty(&document).unwrap()).unwrap();
    }
}
