use super::half;

/// A format of GGUF's tensors: how a block of values along a row is written.
///
/// Source: the specification of GGUF and its reference implementation, ggml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockFormat {
    /// 32 values of 4 bits and a scale: 4.5 bits a value.
    Q4_0,
    /// 32 values of 4 bits, a scale and a minimum: 5 bits a value.
    Q4_1,
    /// 32 values of 8 bits and a scale: 8.5 bits a value.
    Q8_0,
    /// 256 values of 4 bits, with a scale and a minimum of 6 bits for every 32: 4.5 bits a value.
    Q4K,
    /// 256 values of 5 bits, with a scale and a minimum of 6 bits for every 32: 5.5 bits a value.
    Q5K,
    /// 256 values of 6 bits, with a scale of 8 bits for every 16: 6.5625 bits a value.
    Q6K,
}

/// Evaluates an expression with the layout of a format as a type.
macro_rules! by_format {
    ($format:expr, $layout:ident => $value:expr) => {
        match $format {
            $crate::block::BlockFormat::Q4_0 => {
                type $layout = $crate::block::layout::Q4_0;
                $value
            }
            $crate::block::BlockFormat::Q4_1 => {
                type $layout = $crate::block::layout::Q4_1;
                $value
            }
            $crate::block::BlockFormat::Q8_0 => {
                type $layout = $crate::block::layout::Q8_0;
                $value
            }
            $crate::block::BlockFormat::Q4K => {
                type $layout = $crate::block::layout::Q4K;
                $value
            }
            $crate::block::BlockFormat::Q5K => {
                type $layout = $crate::block::layout::Q5K;
                $value
            }
            $crate::block::BlockFormat::Q6K => {
                type $layout = $crate::block::layout::Q6K;
                $value
            }
        }
    };
}
pub(super) use by_format;

use super::layout::Layout;

impl BlockFormat {
    /// Number of values of a block.
    pub fn block_len(self) -> usize {
        by_format!(self, B => B::BLOCK)
    }

    /// Number of bytes of a block.
    pub fn block_bytes(self) -> usize {
        by_format!(self, B => B::HEAD + B::BODY)
    }

    /// Number of bytes of a row of `d_in` values; `None` if these are not a whole number of blocks.
    pub fn row_bytes(self, d_in: usize) -> Option<usize> {
        let whole = d_in.is_multiple_of(self.block_len());
        whole.then(|| (d_in / self.block_len()).checked_mul(self.block_bytes())).flatten()
    }

    /// Appends the blocks of a row; `None` if it is not a whole number of them, or the format is only read.
    pub(super) fn quantise_row(self, row: &[f32], bytes: &mut Vec<u8>) -> Option<()> {
        self.row_bytes(row.len())?;
        for block in row.chunks_exact(self.block_len()) {
            match self {
                Self::Q4_0 => quantise_q4_0(block, bytes),
                Self::Q8_0 => quantise_q8_0(block, bytes),
                Self::Q4_1 | Self::Q4K | Self::Q5K | Self::Q6K => return None,
            }
        }
        Some(())
    }
}

/// The scale makes the value of largest magnitude -8; values are stored 8 above, the first half in the lower nibbles.
fn quantise_q4_0(block: &[f32], bytes: &mut Vec<u8>) {
    let largest = block.iter().fold(0.0, |largest: f32, &x| if x.abs() > largest.abs() { x } else { largest });
    let (scale, factor) = scale_of(largest / -8.0);
    let nibble = |x: f32| ((x * factor + 8.5) as u8).min(15);
    bytes.extend(scale);
    let (low, high) = block.split_at(block.len() / 2);
    bytes.extend(low.iter().zip(high).map(|(&low, &high)| nibble(low) | nibble(high) << 4));
}

/// The scale makes the largest magnitude 127; halves are rounded away from zero.
fn quantise_q8_0(block: &[f32], bytes: &mut Vec<u8>) {
    let (scale, factor) = scale_of(block.iter().fold(0.0, |max: f32, x| max.max(x.abs())) / 127.0);
    bytes.extend(scale);
    bytes.extend(block.iter().map(|x| ((x * factor).round() as i8).cast_unsigned()));
}

/// The bytes of a scale, and the factor that it divides by: of the scale before it is rounded to 16 bits.
fn scale_of(scale: f32) -> ([u8; 2], f32) {
    (half::from_f32(scale).to_le_bytes(), if scale == 0.0 { 0.0 } else { 1.0 / scale })
}
