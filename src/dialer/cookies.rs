//! Cookies are kept by the program, in a jar of its own make: which cookie goes where (RFC 6265) is a science that every
//! language has a library for. The dial asks and tells.

use crate::error::{Code, Error};

use super::{MAX_FIELD_BYTES, control_name};

/// Where a program keeps its cookies. Both calls are made in the thread that dials, or carries a handshake on, and with
/// nothing locked; the address is that of the request as HTTP names it, `https://host/path?query` for `wss`.
pub trait CookieJar: Send + Sync {
    /// The value of the `Cookie` field for a request to `url`, `a=1; b=2`; `None` for no field.
    fn load(&self, url: &str) -> Option<Vec<u8>>;

    /// A `Set-Cookie` field of the answer from `url`; called once for each.
    fn store(&self, url: &str, set_cookie: &[u8]);
}

/// What `jar` has for `url`, when it can be sent.
pub(crate) fn load(jar: &dyn CookieJar, url: &str) -> Result<Option<Vec<u8>>, Error> {
    let Some(value) = jar.load(url) else { return Ok(None) };
    // A cookie is a secret, so it is not quoted.
    if let Some(at) = value.iter().position(|byte| byte.is_ascii_control() && *byte != b'\t') {
        let text = format!("the cookies for the request have {} at byte {at}", control_name(value[at]));
        return Err(Error::new(Code::OptionHeader, text));
    }
    if value.len() > MAX_FIELD_BYTES {
        let text = format!("the cookies for the request have {} bytes, {MAX_FIELD_BYTES} at most", value.len());
        return Err(Error::new(Code::OptionHeader, text));
    }
    let value = value.trim_ascii();
    Ok(if value.is_empty() { None } else { Some(value.to_vec()) })
}
