//! Tokens: access tokens, which carry who is calling and are checked without the database, and random ones, which are
//! stored as a hash: refresh tokens, and what is sent by mail.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{base62, hs256};
use crate::error::{Code, Error, Result};

/// How long an access token is good.
pub const ACCESS_TIME: Duration = Duration::from_secs(15 * 60);

/// Who issues access tokens, and for whom: this service, for itself.
const ISSUER: &str = "mainstay";
const AUDIENCE: &str = "mainstay";

/// How far the clocks of two servers may be apart.
const LEEWAY: Duration = Duration::from_secs(5);

/// Ours have about 400 bytes. A longer one is not worth decoding.
const LENGTH_MAX: usize = 2048;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: Uuid,
    /// The session, with which the token ends early.
    pub sid: Uuid,
    /// The user's role when the token was made.
    pub role: String,
    iss: String,
    aud: String,
    /// When it was made, and when it ends: seconds since 1970.
    pub iat: u64,
    pub exp: u64,
}

/// Makes and checks access tokens.
pub struct Tokens {
    current: Secret,
    /// What the secret was before. Tokens made with it are good until they end.
    previous: Option<Secret>,
    validation: Validation,
}

struct Secret {
    /// Says in a token's head which secret it was made with, without giving that away.
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Secret {
    fn new(secret: &str) -> Secret {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        Secret {
            kid: format!("{:08x}", u32::from_be_bytes([a, b, c, d])),
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
        }
    }
}

impl Tokens {
    pub fn new(secret: &str, previous: Option<&str>) -> Tokens {
        hs256::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY.as_secs();
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Tokens { current: Secret::new(secret), previous: previous.map(Secret::new), validation }
    }

    /// An access token, good from now for `ACCESS_TIME`.
    pub fn issue(&self, user: Uuid, session: Uuid, role: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_err(|error| Error::internal("the clock is before 1970").because(error))?;
        let claims = Claims {
            sub: user,
            sid: session,
            role: role.to_owned(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat: now.as_secs(),
            exp: (now + ACCESS_TIME).as_secs(),
        };
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.current.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.current.encoding)
            .map_err(|error| Error::internal("an access token could not be made").because(error))
    }

    /// What a token says, if it is one of ours and good. Whether its session still is, is another question.
    pub fn check(&self, token: &str) -> Result<Claims> {
        let refused = || Error::new(Code::InvalidToken, "the access token is not valid, or no longer");
        if token.len() > LENGTH_MAX {
            return Err(refused());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| refused().because(error))?;
        let secret = header.kid.and_then(|kid| self.secret(&kid)).ok_or_else(refused)?;
        let data = jsonwebtoken::decode(token, &secret.decoding, &self.validation);
        Ok(data.map_err(|error| refused().because(error))?.claims)
    }

    fn secret(&self, kid: &str) -> Option<&Secret> {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(|secret| secret.kid == kid)
    }
}

/// A random token.
pub struct NewToken {
    /// Given to the client, and kept nowhere.
    pub token: String,
    /// What is stored.
    pub hash: [u8; 32],
}

/// Makes a random token of 256 bits.
pub fn generate() -> Result<NewToken> {
    let token = base62::secret()?;
    Ok(NewToken { hash: hash(&token), token })
}

/// What stands between what all refresh tokens of a session have in common, and what each has alone.
const SEPARATOR: char = '.';

/// Makes the first refresh token of a session.
pub fn refresh() -> Result<NewToken> {
    refresh_after(&base62::secret()?)
}

/// Makes the next refresh token of a session, which begins as the one before.
pub fn refresh_after(family: &str) -> Result<NewToken> {
    let token = format!("{family}{SEPARATOR}{}", base62::secret()?);
    Ok(NewToken { hash: hash(&token), token })
}

/// What all refresh tokens of the session begin with. As only those who had one of them know it, it shows for any of
/// them, however old, which session it was of.
pub fn family(refresh_token: &str) -> &str {
    refresh_token.split_once(SEPARATOR).map_or(refresh_token, |(family, _)| family)
}

/// What a random token is found by. As nobody can guess 256 bits, a plain hash keeps it well; and as the search is for
/// the hash, the time it takes says nothing about the token.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
