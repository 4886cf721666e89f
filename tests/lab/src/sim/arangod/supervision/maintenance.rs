//! Maintenance mode: a key in the agency, and what supervision says of it.

use serde_json::Value;

use crate::sim::time;

/// Tells whether the key in the agency switches maintenance on now.
///
/// Up to 3.8 any value does; later a text that is a time does until then.
pub fn is_on(key: Option<&Value>, knows_ends: bool, now_ms: u64) -> bool {
    let Some(key) = key else { return false };
    match key.as_str() {
        // Times of one form compare as texts do.
        Some(end) if knows_ends && end.len() >= 18 => end >= time::iso(now_ms).as_str(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_value_counts_and_an_end_only_where_it_is_known() {
        let now = 1_544_090_400_000;
        for (key, knows_ends, on) in [
            (None, false, false),
            (Some(json!(true)), false, true),
            (Some(json!("on")), true, true),
            (Some(json!("2018-12-06T09:59:59Z")), true, false),
            (Some(json!("2018-12-06T10:59:59Z")), true, true),
            (Some(json!("2018-12-06T09:59:59Z")), false, true),
        ] {
            assert_eq!(is_on(key.as_ref(), knows_ends, now), on, "{key:?}");
        }
    }
}
