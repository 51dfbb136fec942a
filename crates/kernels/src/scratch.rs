//! Aligned memory, and working memory that a thread keeps: kernels run thousands of times a second, and fresh pages cost
//! more than sums.

#![allow(unsafe_code, reason = "cache lines seen as `f32`")]

use std::alloc::{self, Layout};
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

use rayon::prelude::*;

const LINE: usize = 16;
/// Bytes of a large page of x86-64 and of most ARM systems.
const LARGE_PAGE: usize = 1 << 21;

/// One cache line: vectors that straddle two cost twice.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const ZEROS: Line = Line([0.0; LINE]);

/// `f32` from the beginning of a cache line on.
#[derive(Debug)]
pub(crate) struct Aligned {
    /// The first of `n_lines` lines, all written once.
    lines: NonNull<Line>,
    n_lines: usize,
    /// What the lines are aligned to, in bytes.
    align: usize,
    len: usize,
}

// SAFETY: the lines are this value's own, and plain numbers.
unsafe impl Send for Aligned {}
// SAFETY: as above; through a shared reference they are only read.
unsafe impl Sync for Aligned {}

/// Lines that a thread clears at a time: two large pages.
const ZEROED_AT_ONCE: usize = 1 << 16;

impl Aligned {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self::written(len, align_of::<Line>(), |room| room.fill(MaybeUninit::new(ZEROS)))
    }

    /// As [`zeroed`](Self::zeroed), in large pages where the system has them: for memory that is read from end to end
    /// again and again.
    pub(crate) fn zeroed_in_large_pages(len: usize) -> Self {
        if size_of::<f32>() * len < LARGE_PAGE {
            return Self::zeroed(len);
        }
        Self::written(len, LARGE_PAGE, |room| {
            advise_large_pages(room);
            // By all threads: the system clears a page when it is first written to.
            room.par_chunks_mut(ZEROED_AT_ONCE).for_each(|lines| lines.fill(MaybeUninit::new(ZEROS)));
        })
    }

    /// New lines, every one of which `write` writes.
    fn written(len: usize, align: usize, write: impl FnOnce(&mut [MaybeUninit<Line>])) -> Self {
        let n_lines = len.div_ceil(LINE);
        if n_lines == 0 {
            return Self::default();
        }
        let layout = Self::layout(n_lines, align);
        // SAFETY: the layout has a size.
        let Some(lines) = NonNull::new(unsafe { alloc::alloc(layout) }) else { alloc::handle_alloc_error(layout) };
        // SAFETY: as many lines as the layout was made for, of which nothing else knows.
        write(unsafe { slice::from_raw_parts_mut(lines.as_ptr().cast(), n_lines) });
        Self { lines: lines.cast(), n_lines, align, len }
    }

    fn layout(n_lines: usize, align: usize) -> Layout {
        let layout = Layout::array::<Line>(n_lines).and_then(|layout| layout.align_to(align));
        layout.expect("memory can hold as many values")
    }

    /// The same memory as bytes.
    pub(crate) fn bytes(&self) -> &[i8] {
        // SAFETY: four initialised bytes for each of `len` floats; any byte is an `i8`.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), size_of::<f32>() * self.len) }
    }

    /// The same memory as bytes.
    pub(crate) fn bytes_mut(&mut self) -> &mut [i8] {
        // SAFETY: as in `bytes`; any four bytes are an `f32`, and the borrow is unique.
        unsafe { slice::from_raw_parts_mut(self.lines.as_ptr().cast(), size_of::<f32>() * self.len) }
    }
}

/// Asks for large pages, as many whole ones as the memory has room for, before it is first written to.
#[cfg(target_os = "linux")]
pub(crate) fn advise_large_pages<T>(room: &mut [MaybeUninit<T>]) {
    let start: *mut u8 = room.as_mut_ptr().cast();
    let before = start.align_offset(LARGE_PAGE);
    let n_bytes = size_of_val(room).saturating_sub(before) / LARGE_PAGE * LARGE_PAGE;
    // SAFETY: pages within memory that the caller owns; the advice changes nothing that is in them. Where there are no large
    // pages, the call fails, and nothing is lost.
    unsafe { libc::madvise(start.wrapping_add(before).cast(), n_bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise_large_pages<T>(_: &mut [MaybeUninit<T>]) {}

impl Default for Aligned {
    fn default() -> Self {
        Self { lines: NonNull::dangling(), n_lines: 0, align: align_of::<Line>(), len: 0 }
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        // SAFETY: all lines were written.
        let own = unsafe { slice::from_raw_parts(self.lines.as_ptr().cast_const().cast(), self.len.div_ceil(LINE)) };
        Self::written(self.len, self.align, |room| room.copy_from_slice(own))
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        if self.n_lines > 0 {
            // SAFETY: allocated with this layout.
            unsafe { alloc::dealloc(self.lines.as_ptr().cast(), Self::layout(self.n_lines, self.align)) };
        }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        // SAFETY: `Line` is an array of `f32` without padding, and `len` does not exceed the floats of the lines.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the borrow is unique.
        unsafe { slice::from_raw_parts_mut(self.lines.as_ptr().cast(), self.len) }
    }
}

thread_local! {
    /// Sorted by size.
    static POOL: RefCell<Vec<Aligned>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of `f32`, aligned to a cache line, returned to this thread's pool when dropped.
///
/// Its first contents are unspecified: those that its last user left.
pub(crate) struct Scratch(Aligned);

impl Scratch {
    pub(crate) fn new(len: usize) -> Self {
        let n_lines = len.div_ceil(LINE);
        let mut kept = POOL.with_borrow_mut(|pool| {
            let fit = pool.partition_point(|kept| kept.n_lines < n_lines);
            // The smallest that is large enough, or else the largest, to be freed for a larger one.
            if fit < pool.len() { pool.remove(fit) } else { pool.pop().unwrap_or_default() }
        });
        if kept.n_lines < n_lines {
            drop(kept);
            return Self(Aligned::zeroed(len));
        }
        kept.len = len;
        Self(kept)
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
        let kept = std::mem::take(&mut self.0);
        // During thread exit the pool may be gone; then the buffer is simply freed.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            let at = pool.partition_point(|other| other.n_lines < kept.n_lines);
            pool.insert(at, kept);
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
