//! What an answer that points elsewhere means to a dial that follows (RFC 9110 15.4).
//!
//! Owns: whether it may be followed, and what the next dial has to know. Must not know: who dials next.

use super::http::Head;
use crate::dialer::Dialer;
use crate::error::{Code, Error, Follow, Redirect};
use crate::target::Target;

/// The redirects of one request, where the dialer follows some.
pub(crate) struct Redirects {
    target: Target,
    before: Vec<Redirect>,
    most: usize,
    credentials: Option<(Vec<u8>, Vec<u8>)>,
}

impl Redirects {
    /// `None` when none are followed: then a redirect is a rejection like any other.
    pub(crate) fn new(target: &Target, dialer: &Dialer) -> Option<Box<Redirects>> {
        if dialer.max_redirects == 0 {
            return None;
        }
        Some(Box::new(Redirects {
            target: target.clone(),
            before: dialer.redirects().to_vec(),
            most: dialer.max_redirects,
            credentials: credentials(target, dialer).cloned(),
        }))
    }

    /// What `head`, a redirect, means.
    pub(crate) fn judge(&self, head: Head) -> Error {
        let mut redirects = self.before.clone();
        redirects.push(Redirect { status: head.status, url: self.target.url() });
        let error = match location(&head).and_then(|location| self.target.redirect(location)) {
            Ok(next) => self.follow(&redirects, &next),
            Err(error) => error,
        };
        error.with_redirects(redirects).with_rejection(head.into_rejection(Vec::new()))
    }

    fn follow(&self, redirects: &[Redirect], next: &Target) -> Error {
        let location = next.url();
        let error = if redirects.len() > self.most {
            // The same address may come twice, as when a cookie was to be set first; so it is the number that counts.
            let circle = redirects.iter().any(|redirect| redirect.url == location);
            let circle = if circle { ", in a circle" } else { "" };
            let text = format!(
                "the server redirects to {}, after {} redirects{circle}, and {} are followed at most",
                next.display,
                redirects.len() - 1,
                self.most
            );
            Error::new(Code::RedirectLimit, text)
        } else {
            let text = format!("the server redirects to {}; connect there to follow", next.display);
            Error::new(Code::Redirect, text)
        };
        error.with_follow(Follow {
            location,
            crosses_origin: !self.target.is_same_origin(next),
            credentials: self.credentials.clone(),
        })
    }
}

/// User and password for `target`: its own, or those of an address before it of the same origin.
pub(crate) fn credentials<'a>(target: &'a Target, dialer: &'a Dialer) -> Option<&'a (Vec<u8>, Vec<u8>)> {
    target.credentials.as_ref().or_else(|| dialer.history.as_ref()?.credentials.as_ref())
}

/// The statuses that say to ask elsewhere by GET, which is how it was asked here. 300, 304, 305 and 306 do not.
pub(crate) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The `Location`: one, or several that say the same.
fn location(head: &Head) -> Result<&[u8], Error> {
    let bad =
        |text: &str| Err(Error::new(Code::RedirectLocation, format!("the server answered {} {text}", head.status)));
    let mut locations = head.headers.all("location");
    let Some(first) = locations.next() else { return bad("without a Location") };
    if locations.any(|other| other != first) {
        return bad("with several Locations");
    }
    Ok(first)
}
