//! The allocator of programs that train.

#![allow(unsafe_code, reason = "an allocator, and options of a library in C, one of them set before `main`")]

use std::alloc::{GlobalAlloc, Layout, System};
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::{mem::MaybeUninit, slice};

use mimalloc::MiMalloc;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use crate::scratch::advise_large_pages;

/// `mi_option_purge_delay` of mimalloc 2 and 3.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// `mi_option_allow_thp` of mimalloc 3.
#[cfg(target_os = "linux")]
const LARGE_PAGES: libmimalloc_sys::mi_option_t = 43;

/// Bytes from which memory comes from the system's allocator.
///
/// mimalloc keeps a size's pages for that size; an update's tensors have many sizes at many times, so it held a sixth
/// more than was ever alive. The GNU C library merges free neighbours, and [`keep_pages`] makes it keep them. Other C
/// libraries ask the kernel for every large block, so there only a vocabulary's gradients are worth it.
const LARGE: usize = if cfg!(all(target_os = "linux", target_env = "gnu")) { 256 << 10 } else { 32 << 20 };

/// Bytes from which the GNU C library gives a block back to the kernel at once: a vocabulary's gradient lives for half
/// an update, and smaller tensors would take its place in the other half.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LENT: i32 = 32 << 20;

/// mimalloc, and the system's allocator for large blocks.
#[derive(Debug, Default)]
pub struct Allocator;

/// The layout of a large block, `None` for a small one: whole cache lines, so that no vector load straddles two.
fn large(layout: Layout) -> Option<Layout> {
    if layout.size() >= LARGE { layout.align_to(64).ok() } else { None }
}

/// A new large block. What the kernel has just lent is asked for in large pages, which come with one fault for 512.
///
/// # Safety
/// As that of [`GlobalAlloc::alloc`].
unsafe fn large_block(layout: Layout) -> *mut u8 {
    // SAFETY: the caller's promise.
    let block = unsafe { System.alloc(layout) };
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if layout.size() >= LENT as usize && !block.is_null() {
        // SAFETY: as many bytes as were allocated, of which nothing else knows.
        advise_large_pages(unsafe { slice::from_raw_parts_mut(block.cast::<MaybeUninit<u8>>(), layout.size()) });
    }
    block
}

// SAFETY: the layout's size decides the allocator of every call, and a block changes allocators only by a copy.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { large(layout).map_or_else(|| MiMalloc.alloc(layout), |large| large_block(large)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise; a block that is not null has the layout's size.
        unsafe {
            let Some(large) = large(layout) else { return MiMalloc.alloc_zeroed(layout) };
            let block = large_block(large);
            if !block.is_null() {
                block.write_bytes(0, large.size());
            }
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { large(layout).map_or_else(|| MiMalloc.dealloc(block, layout), |large| System.dealloc(block, large)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise; the new block is as large as the new size, and both are their allocators' own.
        unsafe {
            let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
            match (large(layout), large(new_layout)) {
                (None, None) => MiMalloc.realloc(block, layout, new_size),
                (Some(layout), Some(_)) => System.realloc(block, layout, new_size),
                _ => {
                    let new = self.alloc(new_layout);
                    if !new.is_null() {
                        std::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                        self.dealloc(block, layout);
                    }
                    new
                }
            }
        }
    }
}

/// Makes [`Allocator`] keep the pages of freed blocks; to be called first in `main`.
///
/// An update frees memory that the next one takes again. Pages that went back to the system in between come back
/// cleared, with one fault each, which costs a tenth of an update.
///
/// If Linux shows other threads, this does nothing, as they read the settings that it changes.
pub fn keep_pages() {
    #[cfg(target_os = "linux")]
    if !std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
        return;
    }
    // SAFETY: sets a number, one aligned word, that the allocator reads whenever it could give pages back; on Linux no
    // other thread exists to read it now.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) }
    // One arena: blocks this large are few, and one thread takes memory that another frees.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets numbers of the C library, and there are no other threads.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LENT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Called before `main`: the standard library needs memory before it, and the first block decides for the next gibibyte.
// SAFETY: the section is for functions of this kind.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = small_pages;

/// Makes mimalloc ask for no large pages, unless `MIMALLOC_ALLOW_THP` says otherwise. It keeps each size in places of its own; a
/// large page for each of them was 20 to 30 MiB that nothing used, and nothing was faster.
#[cfg(target_os = "linux")]
extern "C" fn small_pages() {
    // SAFETY: sets a number that is read when memory is taken from the system, before this copy of mimalloc has another user.
    unsafe {
        // While it starts, it would take the option for a wish that the whole process have no large pages.
        libmimalloc_sys::mi_process_init();
        // Where there are more or fewer options, this one may have another number.
        if libmimalloc_sys::_mi_option_last == 47 {
            libmimalloc_sys::mi_option_set_default(LARGE_PAGES, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_bytes_between_the_two() {
        let layout = |size| Layout::from_size_align(size, 64).unwrap();
        // SAFETY: blocks are written and read within their sizes, and freed once, at the end.
        unsafe {
            let mut block = Allocator.alloc_zeroed(layout(100));
            assert_eq!(*block.add(99), 0);
            block.add(99).write(7);
            let mut size = 100;
            for next in [LARGE - 1, LARGE, 2 * LARGE, LARGE - 64, 100] {
                block = Allocator.realloc(block, layout(size), next);
                assert_eq!((block as usize % 64, *block.add(99)), (0, 7));
                size = next;
            }
            Allocator.dealloc(block, layout(size));
            let large = Allocator.alloc_zeroed(layout(LARGE));
            assert_eq!(*large.add(LARGE - 1), 0);
            Allocator.dealloc(large, layout(LARGE));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn small_blocks_lie_in_small_pages() {
        // Elsewhere there are no large pages, or nobody has to ask for them.
        let asked = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        if !asked.is_ok_and(|kinds| kinds.contains("[madvise]")) {
            return;
        }
        // SAFETY: a block of this size is written within it, and freed.
        let large_pages = unsafe {
            let layout = Layout::from_size_align(LARGE - 64, 64).unwrap();
            let block = MiMalloc.alloc(layout);
            block.write_bytes(1, layout.size());
            let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            MiMalloc.dealloc(block, layout);
            let range = |line: &str| {
                let (first, end) = line.split_once(' ')?.0.split_once('-')?;
                Some(usize::from_str_radix(first, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
            };
            let mut lines =
                maps.lines().skip_while(|line| !range(line).is_some_and(|range| range.contains(&(block as usize))));
            lines.find(|line| line.starts_with("AnonHugePages:")).unwrap().to_owned()
        };
        assert_eq!(large_pages.split_whitespace().collect::<Vec<_>>(), ["AnonHugePages:", "0", "kB"]);
    }
}
