//! The few system calls that std does not offer in the form we need, each with its reason.
//!
//! None raises SIGPIPE. Interrupted calls are begun again; waits keep their end.
#![allow(unsafe_code)]
