//! From a target to a connected socket: all addresses, staggered (RFC 8305), every address's reason kept.
use super::stream::Stream;
use crate::error::Error;
use crate::target::Target;
use crate::wait::Wait;

/// Connects to `target`, a unix socket included. The error names the phase and every address that was tried.
pub(crate) fn connect(_target: &Target, _wait: Wait) -> Result<Stream, Error> {
    unimplemented!()
}
