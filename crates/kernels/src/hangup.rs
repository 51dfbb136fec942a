//! What a program that catches signals leaves as it found it.

#![allow(unsafe_code, reason = "what a signal does is the C library's")]

/// Calls `catch`, which sets handlers of signals, and leaves SIGHUP ignored if it was so before, as `nohup` has it: the
/// program goes on after its terminal is closed.
///
/// Elsewhere than on Linux, the handlers of `catch` stay.
pub fn leaving_hangup_ignored<T>(catch: impl FnOnce() -> T) -> T {
    #[cfg(target_os = "linux")]
    let was_ignored = is_hangup_ignored();
    let caught = catch();
    #[cfg(target_os = "linux")]
    if was_ignored {
        // SAFETY: to ignore a signal is an action of the system's own, and calls nothing of ours.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
    caught
}

#[cfg(target_os = "linux")]
fn is_hangup_ignored() -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: no new action is given, and there is room for the present one; it may be all zeros.
    let (result, action) = unsafe {
        let result = libc::sigaction(libc::SIGHUP, std::ptr::null(), action.as_mut_ptr());
        (result, action.assume_init())
    };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}
