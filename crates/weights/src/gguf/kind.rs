/// The kind of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GgufKind {
    /// Numbers of 32 bits.
    F32,
    /// IEEE 754's numbers of 16 bits.
    F16,
    /// The upper halves of numbers of 32 bits.
    BF16,
    /// Blocks of 32 values of 4 bits, with a scale.
    Q4_0,
    /// Blocks of 32 values of 8 bits, with a scale.
    Q8_0,
    /// Blocks of 256 values of 4 bits, with scales and minima (ggml's `Q4_K`).
    Q4K,
    /// Blocks of 256 values of 6 bits, with scales (ggml's `Q6_K`).
    Q6K,
}

impl GgufKind {
    /// The kind with a number; if it is not read here, its name.
    pub(super) fn of(number: u32) -> Result<Self, String> {
        Err(match number {
            0 => return Ok(Self::F32),
            1 => return Ok(Self::F16),
            2 => return Ok(Self::Q4_0),
            8 => return Ok(Self::Q8_0),
            12 => return Ok(Self::Q4K),
            14 => return Ok(Self::Q6K),
            30 => return Ok(Self::BF16),
            3 => "Q4_1",
            6 => "Q5_0",
            7 => "Q5_1",
            9 => "Q8_1",
            10 => "Q2_K",
            11 => "Q3_K",
            13 => "Q5_K",
            15 => "Q8_K",
            16 => "IQ2_XXS",
            17 => "IQ2_XS",
            18 => "IQ3_XXS",
            19 => "IQ1_S",
            20 => "IQ4_NL",
            21 => "IQ3_S",
            22 => "IQ2_S",
            23 => "IQ4_XS",
            24 => "I8",
            25 => "I16",
            26 => "I32",
            27 => "I64",
            28 => "F64",
            29 => "IQ1_M",
            34 => "TQ1_0",
            35 => "TQ2_0",
            39 => "MXFP4",
            40 => "NVFP4",
            41 => "Q1_0",
            number => return Err(format!("ggml's type {number}")),
        }
        .to_owned())
    }

    /// Number of values of a block; 1 if a value is alone.
    pub fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q6K => 256,
        }
    }

    /// Number of bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }

    /// Number of bytes of a row; `None` if it is not a whole number of blocks, or too long.
    pub(super) fn row_bytes(self, n_values: usize) -> Option<usize> {
        let whole = n_values.is_multiple_of(self.block_len());
        whole.then(|| (n_values / self.block_len()).checked_mul(self.block_bytes())).flatten()
    }
}
