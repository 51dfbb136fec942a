//! The allocator of programs that train.

#![allow(unsafe_code)] // An option of a library in C.

pub use mimalloc::MiMalloc as Allocator;

/// `mi_option_purge_delay` of mimalloc 2 and 3.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Has [`Allocator`] keep the pages that it is given back.
///
/// An update frees what the next one takes again; pages that went back to the system in between come cleared, one
/// fault each, which costs a tenth of an update.
pub fn keep_pages() {
    // SAFETY: sets a number that the allocator reads whenever it could give pages back.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) }
}
