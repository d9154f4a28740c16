//! What two images have in common, layer by layer.

use serde_json::Value;

use super::stage::Stage;
use crate::failure::Failure;
use crate::output::human;
use crate::output::table::table;

/// A table of the layers of two images, as `coracle inspect` tells them.
pub(super) fn compare(stage: &mut Stage, old: &str, new: &str) -> Result<String, Failure> {
    let (left, right) = (layers(stage, old)?, layers(stage, new)?);
    let mut rows = vec![["", old, new].map(str::to_owned).to_vec()];
    for number in 0..left.len().max(right.len()) {
        let (left, right) = (left.get(number), right.get(number));
        let shown = |layer: Option<&(String, u64)>| match layer {
            None => "-".to_owned(),
            Some((digest, size)) => {
                let digits: String = digest
                    .trim_start_matches("sha256:")
                    .chars()
                    .take(12)
                    .collect();
                format!("{digits} {:>7}", human::size(*size, 3))
            }
        };
        let same = left.is_some() && left == right;
        let right = if same {
            "the same".to_owned()
        } else {
            shown(right)
        };
        rows.push(vec![format!("  layer {number}"), shown(left), right]);
    }
    Ok(format!("\n{}\n", table(&rows)))
}

fn layers(stage: &mut Stage, image: &str) -> Result<Vec<(String, u64)>, Failure> {
    let text = stage.answer(&["inspect", "--format", "json", image])?;
    let document: Value = serde_json::from_str(&text)?;
    let layers = document["Layers"].as_array().cloned().unwrap_or_default();
    let digest_and_size = |layer: &Value| {
        let digest = layer["Digest"].as_str().unwrap_or_default().to_owned();
        (digest, layer["Size"].as_u64().unwrap_or_default())
    };
    Ok(layers.iter().map(digest_and_size).collect())
}
