//! The allocator of the binary: pieces of the size that only moments need come from elsewhere than what lives for weeks.
//!
//! Each opening of a stream takes some pieces of 1 to 16 kB for a moment, and leaves small ones for as long as the stream lives. From one allocator that
//! puts the small ones into the holes of the large, half of what a stream costs is holes; from one that keeps sizes apart, the engine's many
//! lists that grow and shrink take a third more (figures in benches/README.md). So each has the sizes that it is good at.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr,
};

use mimalloc::MiMalloc;

/// Larger than what is kept for a stream.
const PIECES_ABOVE: usize = 1_024;
/// The buffers of a connection are the largest of them.
const PIECES_UP_TO: usize = 16 * 1_024;

/// The system's allocator, but for pieces of some sizes.
#[derive(Debug)]
pub struct BySize;

fn is_piece(size: usize) -> bool {
    PIECES_ABOVE < size && size <= PIECES_UP_TO
}

// SAFETY: a block is freed and resized by the allocator that it came from, as its layout says which that is; each keeps the contract.
unsafe impl GlobalAlloc for BySize {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe {
            match is_piece(layout.size()) {
                true => MiMalloc.alloc(layout),
                false => System.alloc(layout),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe {
            match is_piece(layout.size()) {
                true => MiMalloc.alloc_zeroed(layout),
                false => System.alloc_zeroed(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's; it came from the same one.
        unsafe {
            match is_piece(layout.size()) {
                true => MiMalloc.dealloc(block, layout),
                false => System.dealloc(block, layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's: `size` is not 0 and, rounded up to the alignment, no more than `isize::MAX`. Where the block changes allocators, the
        // new one is as large as what is copied, and another than the old.
        unsafe {
            match (is_piece(layout.size()), is_piece(size)) {
                (true, true) => MiMalloc.realloc(block, layout, size),
                (false, false) => System.realloc(block, layout, size),
                _ => {
                    let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_block_stays_across_the_sizes() {
        let sizes = [
            1, 1_024, 1_025, 16_384, 16_385, 100_000, 8_192, 512, 4_096, 7,
        ];
        for align in [1, 16, 64] {
            let mut layout = Layout::from_size_align(sizes[0], align).unwrap();
            // SAFETY: each block is used within its size, and freed once with its own layout.
            unsafe {
                let mut block = BySize.alloc_zeroed(layout);
                assert_eq!(*block, 0);
                *block = 7;
                for size in sizes {
                    block = BySize.realloc(block, layout, size);
                    assert!(!block.is_null() && block.addr().is_multiple_of(align));
                    layout = Layout::from_size_align(size, align).unwrap();
                    assert_eq!(*block, 7, "at {size}");
                    block.add(size - 1).write(7);
                }
                BySize.dealloc(block, layout);
            }
        }
    }
}
