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
    /// Blocks of 32 values of 4 bits, with a scale and a minimum.
    Q4_1,
    /// Blocks of 32 values of 5 bits, with a scale.
    Q5_0,
    /// Blocks of 32 values of 5 bits, with a scale and a minimum.
    Q5_1,
    /// Blocks of 32 values of 8 bits, with a scale.
    Q8_0,
    /// Blocks of 256 values of 2 bits, with scales and minima (ggml's `Q2_K`).
    Q2K,
    /// Blocks of 256 values of 3 bits, with scales (ggml's `Q3_K`).
    Q3K,
    /// Blocks of 256 values of 4 bits, with scales and minima (ggml's `Q4_K`).
    Q4K,
    /// Blocks of 256 values of 5 bits, with scales and minima (ggml's `Q5_K`).
    Q5K,
    /// Blocks of 256 values of 6 bits, with scales (ggml's `Q6_K`).
    Q6K,
    /// Blocks of 32 indices of 4 bits into 16 values, with a scale (ggml's `IQ4_NL`).
    IQ4NL,
    /// Blocks of 256 such indices, with scales (ggml's `IQ4_XS`).
    IQ4XS,
}

impl GgufKind {
    /// The kind with a number; if it is not read here, its name.
    pub(super) fn of(number: u32) -> Result<Self, String> {
        Err(match number {
            0 => return Ok(Self::F32),
            1 => return Ok(Self::F16),
            2 => return Ok(Self::Q4_0),
            3 => return Ok(Self::Q4_1),
            6 => return Ok(Self::Q5_0),
            7 => return Ok(Self::Q5_1),
            8 => return Ok(Self::Q8_0),
            10 => return Ok(Self::Q2K),
            11 => return Ok(Self::Q3K),
            12 => return Ok(Self::Q4K),
            13 => return Ok(Self::Q5K),
            14 => return Ok(Self::Q6K),
            20 => return Ok(Self::IQ4NL),
            23 => return Ok(Self::IQ4XS),
            30 => return Ok(Self::BF16),
            9 => "Q8_1",
            15 => "Q8_K",
            16 => "IQ2_XXS",
            17 => "IQ2_XS",
            18 => "IQ3_XXS",
            19 => "IQ1_S",
            21 => "IQ3_S",
            22 => "IQ2_S",
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
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::IQ4NL => 32,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K | Self::IQ4XS => 256,
        }
    }

    /// Number of bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 | Self::IQ4NL => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::IQ4XS => 136,
        }
    }

    /// Number of bytes of a row; `None` if it is not a whole number of blocks, or too long.
    pub(crate) fn row_bytes(self, n_values: usize) -> Option<usize> {
        let whole = n_values.is_multiple_of(self.block_len());
        whole.then(|| (n_values / self.block_len()).checked_mul(self.block_bytes())).flatten()
    }
}
