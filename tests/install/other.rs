//! Another library of somebody else's that is made in Rust: both carry Rust's runtime, and their own panics.

/// 1 when a panic inside was caught.
#[unsafe(no_mangle)]
pub extern "C" fn other_catches() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::thread::spawn(|| std::panic::catch_unwind(|| panic!("of its own"))).join();
    i32::from(matches!(caught, Ok(Err(_))))
}
