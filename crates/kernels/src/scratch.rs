//! Aligned memory, and working memory that a thread keeps: kernels run thousands of times a second, and fresh pages cost
//! more than sums.

#![allow(unsafe_code, reason = "cache lines seen as `f32`")]

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

const LINE: usize = 16;
/// Bytes of a large page of x86-64 and of most ARM systems.
#[cfg(target_os = "linux")]
const LARGE_PAGE: usize = 1 << 21;

/// One cache line: vectors that straddle two cost twice.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// `f32` from the beginning of a cache line on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)], len }
    }

    /// As [`zeroed`](Self::zeroed), in large pages where the system has them: for memory that is read from end to end
    /// again and again.
    pub(crate) fn zeroed_in_large_pages(len: usize) -> Self {
        let aligned = Self::zeroed(len);
        #[cfg(target_os = "linux")]
        if len * size_of::<f32>() >= 2 * LARGE_PAGE {
            let start = (aligned.lines.as_ptr() as usize).next_multiple_of(LARGE_PAGE);
            let end = aligned.lines.as_ptr() as usize + len * size_of::<f32>();
            // SAFETY: whole pages of memory that this value owns; the advice changes nothing that is in it. Where there are
            // no such pages, the call fails, and nothing is lost.
            unsafe { libc::madvise(start as *mut _, (end - start) / LARGE_PAGE * LARGE_PAGE, libc::MADV_HUGEPAGE) };
        }
        aligned
    }

    /// The same memory as bytes.
    pub(crate) fn bytes(&self) -> &[i8] {
        // SAFETY: four initialised bytes for each of `len` floats; any byte is an `i8`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), size_of::<f32>() * self.len) }
    }

    /// The same memory as bytes.
    pub(crate) fn bytes_mut(&mut self) -> &mut [i8] {
        // SAFETY: as in `bytes`; any four bytes are an `f32`, and the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), size_of::<f32>() * self.len) }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        // SAFETY: `Line` is an array of `f32` without padding, and `len` does not exceed the floats of `lines`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

thread_local! {
    /// Sorted by size.
    static POOL: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of `f32`, aligned to a cache line, returned to this thread's pool when dropped.
///
/// Its first contents are unspecified: those that its last user left.
pub(crate) struct Scratch(Aligned);

impl Scratch {
    pub(crate) fn new(len: usize) -> Self {
        let n_lines = len.div_ceil(LINE);
        let lines = POOL.with_borrow_mut(|pool| {
            let fit = pool.partition_point(|lines| lines.len() < n_lines);
            // The smallest that is large enough, or else the largest, to be freed for a larger one.
            if fit < pool.len() { pool.remove(fit) } else { pool.pop().unwrap_or_default() }
        });
        Self(if lines.len() < n_lines { Aligned::zeroed(len) } else { Aligned { lines, len } })
    }

    /// A buffer of zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let mut scratch = Self::new(len);
        scratch.fill(0.0);
        scratch
    }

    /// The same memory as bytes.
    pub(crate) fn bytes(&self) -> &[i8] {
        self.0.bytes()
    }

    /// The same memory as bytes.
    pub(crate) fn bytes_mut(&mut self) -> &mut [i8] {
        self.0.bytes_mut()
    }
}

impl Deref for Scratch {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.0.lines);
        // During thread exit the pool may be gone; then the buffer is simply freed.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            let at = pool.partition_point(|other| other.len() < lines.len());
            pool.insert(at, lines);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let first = Scratch::new(100).as_ptr();
        let again = Scratch::new(50);
        assert_eq!(again.as_ptr(), first);
        assert_eq!(again.len(), 50);
        assert_eq!(Scratch::new(33).as_ptr().align_offset(64), 0);
    }
}
