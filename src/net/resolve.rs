//! Host names to addresses, with an end to the wait.
