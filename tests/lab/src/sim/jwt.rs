//! JSON web tokens as the databases make and check them: HS256, issuer `arangodb`.
//!
//! A token that names a `server_id` is a superuser's, one that names a `preferred_username`
//! is a person's. Agents and DB-Servers accept only the first kind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// A server of the cluster, or a person who holds the cluster's secret.
    Superuser,
    /// A person who logged in.
    User(String),
}

/// Returns a token for a server, without an end.
pub fn superuser(secret: &str, server_id: &str) -> String {
    sign(secret, &json!({"iss": "arangodb", "server_id": server_id}))
}

/// Returns a token for a person who logged in, good for a month.
pub fn user(secret: &str, name: &str, now_s: u64) -> String {
    let claims = json!({
        "preferred_username": name,
        "iss": "arangodb",
        "iat": now_s,
        "exp": now_s + 30 * 24 * 3600,
    });
    sign(secret, &claims)
}

/// Returns a token with the given claims.
pub fn sign(secret: &str, claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    let signed = format!("{header}.{body}");
    let signature = mac(secret, &signed).map_or_else(String::new, |mac| {
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    });
    format!("{signed}.{signature}")
}

/// Returns who a token speaks for, or nothing if it is forged, ended or not a token.
pub fn verify(secret: &str, token: &str, now_s: u64) -> Option<Bearer> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    mac(secret, signed)?.verify_slice(&signature).ok()?;
    let (_, body) = signed.split_once('.')?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    if claims.get("iss")?.as_str()? != "arangodb" {
        return None;
    }
    if let Some(end) = claims.get("exp").and_then(Value::as_f64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 fit a double exactly"
        )]
        if end < now_s as f64 {
            return None;
        }
    }
    if claims.get("server_id").is_some() {
        return Some(Bearer::Superuser);
    }
    let name = claims.get("preferred_username")?.as_str()?;
    Some(Bearer::User(name.to_owned()))
}

fn mac(secret: &str, text: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_speaks_for_whom_it_was_made() {
        let token = superuser("s3cret", "foo");
        assert_eq!(verify("s3cret", &token, 0), Some(Bearer::Superuser));
        assert_eq!(verify("other", &token, 0), None, "another secret");
        let token = user("s3cret", "root", 1000);
        assert_eq!(
            verify("s3cret", &token, 1001),
            Some(Bearer::User("root".into()))
        );
        assert_eq!(verify("s3cret", &token, 40_000_000), None, "ended");
    }

    #[test]
    fn forged_and_broken_tokens_speak_for_nobody() {
        let token = superuser("s3cret", "foo");
        let mut forged = token.clone();
        forged.replace_range(40..41, if &forged[40..41] == "A" { "B" } else { "A" });
        for bad in [
            forged.as_str(),
            "",
            "a.b",
            "a.b.c",
            &token[..token.len() - 2],
        ] {
            assert_eq!(verify("s3cret", bad, 0), None, "{bad}");
        }
        let foreign = sign(
            "s3cret",
            &serde_json::json!({"iss": "else", "server_id": "x"}),
        );
        assert_eq!(verify("s3cret", &foreign, 0), None);
    }
}
