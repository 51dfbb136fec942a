//! Compressed files of several members, one after another.

use std::io::{self, BufRead, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;

/// One member, which ends before the next begins.
pub(crate) type Gzip<R> = GzDecoder<R>;
/// One stream, which ends before the next begins.
pub(crate) type Bzip2<R> = BzDecoder<R>;

/// Decompresses the member that a reader is at.
pub(crate) trait Member: Read {
    /// The compressed bytes.
    type Input: BufRead;

    fn open(input: Self::Input) -> Self;

    fn into_input(self) -> Self::Input;
}

impl<R: BufRead> Member for GzDecoder<R> {
    type Input = R;

    fn open(input: R) -> Self {
        Self::new(input)
    }

    fn into_input(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Member for BzDecoder<R> {
    type Input = R;

    fn open(input: R) -> Self {
        Self::new(input)
    }

    fn into_input(self) -> R {
        self.into_inner()
    }
}

/// Reads one member after another. Zeros after a member are padding, as tapes and block devices leave it.
pub(crate) struct Members<M> {
    member: Option<M>,
}

impl<M: Member> Members<M> {
    pub(crate) fn new(input: M::Input) -> Self {
        Self { member: Some(M::open(input)) }
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let rest = self.member.take().map(Member::into_input);
            self.member = rest.map(after_zeros).transpose()?.flatten().map(M::open);
        }
        Ok(0)
    }
}

/// The reader at its next byte that is not zero, if there is one.
fn after_zeros<R: BufRead>(mut reader: R) -> io::Result<Option<R>> {
    loop {
        let bytes = reader.fill_buf()?;
        let n_zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        match bytes.len() {
            0 => return Ok(None),
            n if n_zeros < n => {
                reader.consume(n_zeros);
                return Ok(Some(reader));
            }
            n => reader.consume(n),
        }
    }
}
