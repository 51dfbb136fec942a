//! Where parameters are taken from.

use std::borrow::Cow;

use crate::{
    Blocks, HostTensor, Int8Rows, Rows, Tensors, WeightsError, WeightsFile,
    check::{check_tensor, check_values},
    int8::SCALE,
};

/// A matrix of low rank, `scale · down · up`, that is added to a parameter in use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowRank<'a> {
    /// `[d_in, rank]`.
    pub down: &'a HostTensor,
    /// `[rank, d_out]`.
    pub up: &'a HostTensor,
    /// Factor of the product.
    pub scale: f64,
}

impl LowRank<'_> {
    /// The sum of this and a parameter, in 64 bits.
    pub fn added_to(&self, param: &HostTensor) -> Vec<f64> {
        let mut sum: Vec<f64> = param.values.iter().copied().map(f64::from).collect();
        let (&[_, rank], &[_, d_out]) = (&self.down.shape[..], &self.up.shape[..]) else { return sum };
        if rank == 0 || d_out == 0 {
            return sum;
        }
        for (row, downs) in sum.chunks_exact_mut(d_out).zip(self.down.values.chunks_exact(rank)) {
            for (&down, ups) in downs.iter().zip(self.up.values.chunks_exact(d_out)) {
                let factor = self.scale * f64::from(down);
                row.iter_mut().zip(ups).for_each(|(value, &up)| *value += factor * f64::from(up));
            }
        }
        sum
    }
}

/// Parameters by name, in memory or in a file, taken one at a time.
///
/// A model that is packed as its parameters come, by several threads, needs little more memory than the packed model.
pub trait Source: Sync {
    /// The names, in order.
    fn names(&self) -> Vec<&str>;

    /// The shape of a parameter; `None` if it is missing or can't be read.
    fn shape(&self, name: &str) -> Option<&[usize]>;

    /// A parameter.
    ///
    /// # Errors
    /// [`WeightsError`] if it is missing, can't be read, or, from a file, if a value is not finite.
    fn tensor(&self, name: &str) -> Result<Cow<'_, HostTensor>, WeightsError>;

    /// The rows of a parameter that is a matrix. Where that is possible they are read, and held to be finite, when they are asked
    /// for.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor), as far as it was read.
    fn rows(&self, name: &str) -> Result<Rows<'_>, WeightsError> {
        self.tensor(name).map(Rows::from)
    }

    /// A parameter's blocks, if it is a matrix that is kept in them.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    fn blocks(&self, _name: &str) -> Result<Option<Cow<'_, Blocks>>, WeightsError> {
        Ok(None)
    }

    /// A parameter's bytes and scales, if it is a matrix that is kept in them. Bytes are read as [`rows`](Self::rows) are.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    fn int8(&self, _name: &str) -> Result<Option<Int8Rows<'_>>, WeightsError> {
        Ok(None)
    }

    /// What is added in use to a parameter that is given without it, the weight of a linear map.
    fn low_rank(&self, _name: &str) -> Option<LowRank<'_>> {
        None
    }

    /// All parameters, with what is added to them.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    fn all(&self) -> Result<Tensors, WeightsError> {
        let tensor = |name: &str| {
            let mut tensor = self.tensor(name)?.into_owned();
            if let Some(low_rank) = self.low_rank(name) {
                tensor.values = low_rank.added_to(&tensor).into_iter().map(|value| value as f32).collect();
            }
            Ok((name.to_owned(), tensor))
        };
        self.names().into_iter().map(tensor).collect()
    }
}

impl Source for Tensors {
    fn names(&self) -> Vec<&str> {
        self.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.get(name).map(|tensor| &tensor.shape[..])
    }

    fn tensor(&self, name: &str) -> Result<Cow<'_, HostTensor>, WeightsError> {
        let missing = || WeightsError::Mismatch { problems: vec![format!("missing: {name}")] };
        self.get(name).map(Cow::Borrowed).ok_or_else(missing)
    }
}

impl Source for WeightsFile {
    fn names(&self) -> Vec<&str> {
        WeightsFile::names(self).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        WeightsFile::shape(self, name)
    }

    fn tensor(&self, name: &str) -> Result<Cow<'_, HostTensor>, WeightsError> {
        let tensor = WeightsFile::tensor(self, name)?;
        check_tensor(name, &tensor)?;
        Ok(Cow::Owned(tensor))
    }

    fn blocks(&self, name: &str) -> Result<Option<Cow<'_, Blocks>>, WeightsError> {
        let blocks = WeightsFile::blocks(self, name)?;
        blocks.iter().try_for_each(|blocks| blocks.check_finite(name))?;
        Ok(blocks.map(Cow::Owned))
    }

    fn rows(&self, name: &str) -> Result<Rows<'_>, WeightsError> {
        match self.rows_in_file(name)? {
            Some(rows) => Ok(rows),
            None => Source::tensor(self, name).map(Rows::from),
        }
    }

    fn int8(&self, name: &str) -> Result<Option<Int8Rows<'_>>, WeightsError> {
        let bytes = self.int8_rows(name)?;
        bytes.iter().try_for_each(|bytes| check_values(&(name.to_owned() + SCALE), 0, bytes.scales()))?;
        Ok(bytes)
    }
}
