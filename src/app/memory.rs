//! The allocator of the binary: the system's, until it serves.
//!
//! Each opening of a stream takes large pieces for a moment, and leaves small ones for as long as the stream lives. The system's allocator puts the small ones
//! into the holes of the large, and about a third of what a stream costs is holes; mimalloc keeps sizes apart. The engine's many lists that grow and
//! shrink, which are all that bulk work holds, take a third more from it (figures in benches/README.md). So each has what it is good at.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, Ordering},
};

use libmimalloc_sys::{
    mi_free, mi_is_in_heap_region, mi_malloc_aligned, mi_realloc_aligned, mi_zalloc_aligned,
};

static SERVES: AtomicBool = AtomicBool::new(false);

/// From here on, memory is a server's. What was taken before stays where it is.
pub fn serve() {
    SERVES.store(true, Ordering::Relaxed);
}

/// The system's allocator, or mimalloc in a server.
#[derive(Debug)]
pub struct Memory;

fn serves() -> bool {
    SERVES.load(Ordering::Relaxed)
}

/// Whether a block came from mimalloc.
fn is_servers(block: *mut u8) -> bool {
    // SAFETY: it looks the address up, and takes any. A block is seen here by whoever was handed it, and has then seen that it serves.
    serves() && unsafe { mi_is_in_heap_region(block.cast()) }
}

// SAFETY: a block is freed and resized by the allocator that it came from; each keeps the contract.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe {
            match serves() {
                true => mi_malloc_aligned(layout.size(), layout.align()).cast(),
                false => System.alloc(layout),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe {
            match serves() {
                true => mi_zalloc_aligned(layout.size(), layout.align()).cast(),
                false => System.alloc_zeroed(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe {
            match is_servers(block) {
                true => mi_free(block.cast()),
                false => System.dealloc(block, layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe {
            match is_servers(block) {
                true => mi_realloc_aligned(block.cast(), size, layout.align()).cast(),
                false => System.realloc(block, layout, size),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block that is resized up and down, with something in it.
    unsafe fn resized(sizes: &[usize], mut block: *mut u8, mut layout: Layout) {
        for &size in sizes {
            // SAFETY: the block is used within its size, and freed once with its own layout.
            unsafe {
                block = Memory.realloc(block, layout, size);
                assert!(!block.is_null() && block.addr().is_multiple_of(layout.align()));
                layout = Layout::from_size_align(size, layout.align()).unwrap();
                assert_eq!(*block, 7, "at {size}");
                block.add(size - 1).write(7);
            }
        }
        // SAFETY: as above.
        unsafe { Memory.dealloc(block, layout) };
    }

    #[test]
    fn what_was_taken_before_it_served_is_given_back_to_where_it_came_from() {
        let sizes = [1_024, 1_025, 20_000_000, 16_385, 100_000, 512, 7];
        for align in [1, 16, 64, 4_096] {
            let layout = Layout::from_size_align(9, align).unwrap();
            // SAFETY: blocks are used within their size, and freed once.
            unsafe {
                let before = Memory.alloc_zeroed(layout);
                assert_eq!(*before, 0);
                *before = 7;
                serve();
                let since = Memory.alloc_zeroed(layout);
                assert_eq!(*since, 0);
                *since = 7;
                assert!(is_servers(since));
                assert!(align > 1 || !is_servers(before));
                resized(&sizes, before, layout);
                resized(&sizes, since, layout);
            }
        }
    }
}
