//! The C doorway. The only home of `unsafe`, beside the few system calls in `net`.
