//! The superuser token that agents and DB-Servers ask for: HS256 over the cluster's secret (ArangoDB 3.4
//! documentation, HTTP interface, "Superuser JWT"; the starter makes the same with `arangodb auth token`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secrets::Secret;

/// Makes a superuser token of the cluster's secret; white space around the secret does not count.
pub fn superuser_token(secret: &Secret) -> Secret {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = URL_SAFE_NO_PAD.encode(r#"{"iss":"arangodb","server_id":"stagger"}"#);
    let signed = format!("{head}.{claims}");
    // HMAC takes a key of any length, so that this cannot fail; an empty token would be refused by the server.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().trim().as_bytes()) else {
        return Secret::new("");
    };
    mac.update(signed.as_bytes());
    Secret::new(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_signed_with_the_trimmed_secret() {
        let token = superuser_token(&Secret::new("s3cret\n"));
        assert_eq!(token, superuser_token(&Secret::new("s3cret")));
        assert_ne!(token, superuser_token(&Secret::new("other")));
        // Worked out with `openssl dgst -sha256 -hmac s3cret`.
        let expected = include_str!("../../../tests/fixtures/arangodb/token_s3cret.txt").trim();
        assert_eq!(token.reveal(), expected);
    }
}
