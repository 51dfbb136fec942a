//! The functions of a program and their object files, from its ELF symbol table.

/// A function of a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    /// Its name for the linker.
    pub(crate) name: &'a str,
    /// The object file that it comes from, for Rust `<crate>.<hash>-cgu.<number>`; none for global functions.
    pub(crate) object: Option<&'a str>,
}

const SYMBOLS: u64 = 2; // SHT_SYMTAB
const SYMBOL: usize = 24;
const FUNCTION: u8 = 2; // STT_FUNC
const FILE: u8 = 4; // STT_FILE

/// Bytes read as a 64-bit little-endian ELF file.
#[derive(Clone, Copy)]
struct Elf<'a>(&'a [u8]);

impl<'a> Elf<'a> {
    /// The number of `n` bytes at `at`.
    fn number(self, at: usize, n: usize) -> Option<u64> {
        let bytes = self.0.get(at..at.checked_add(n)?)?;
        Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn place(self, at: usize, n: usize) -> Option<usize> {
        self.number(at, n)?.try_into().ok()
    }

    /// The header of a section.
    fn header(self, section: usize) -> Option<usize> {
        section.checked_mul(self.place(0x3a, 2)?)?.checked_add(self.place(0x28, 8)?)
    }

    fn section(self, header: usize) -> Option<&'a [u8]> {
        let (start, len) = (self.place(header.checked_add(0x18)?, 8)?, self.place(header.checked_add(0x20)?, 8)?);
        self.0.get(start..start.checked_add(len)?)
    }

    /// The table of symbols and that of their names.
    fn symbols(self) -> Option<[&'a [u8]; 2]> {
        let n_sections = self.place(0x3c, 2)?;
        let headers = (0..n_sections).map_while(|section| self.header(section));
        let header = headers.into_iter().find(|&header| self.number(header.saturating_add(4), 4) == Some(SYMBOLS))?;
        let names = self.header(self.place(header.checked_add(0x28)?, 4)?)?;
        Some([self.section(header)?, self.section(names)?])
    }
}

/// The functions of a program; `None` if it is not a 64-bit little-endian ELF file with symbols.
pub(crate) fn functions(program: &[u8]) -> Option<Vec<Function<'_>>> {
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let [symbols, names] = Elf(program).symbols()?;
    let (mut functions, mut object) = (Vec::new(), None);
    for symbol in symbols.chunks_exact(SYMBOL) {
        let (kind, is_local) = (symbol[4] & 0xf, symbol[4] >> 4 == 0);
        if kind != FUNCTION && kind != FILE {
            continue;
        }
        let name = names.get(Elf(symbol).place(0, 4)?..)?.split(|&byte| byte == 0).next()?;
        let name = std::str::from_utf8(name).ok()?;
        if kind == FILE {
            object = Some(name);
        } else {
            functions.push(Function { name, object: object.filter(|_| is_local) });
        }
    }
    Some(functions)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that stays, since it is called by its address.
    #[inline(never)]
    fn stays_a_function() -> u8 {
        std::hint::black_box(1)
    }

    #[test]
    #[cfg(all(target_os = "linux", target_endian = "little", target_pointer_width = "64"))]
    fn a_function_of_this_test_is_found() {
        let function: fn() -> u8 = std::hint::black_box(stays_a_function);
        assert_eq!(function(), 1);
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let functions = functions(&own).expect("tests keep their symbols");
        let this = functions.iter().find(|function| function.name.contains("stays_a_function")).unwrap();
        assert!(this.object.is_some_and(|object| object.starts_with("xtask.")), "{this:?}");
    }

    #[test]
    fn what_is_no_program_or_is_cut_off_has_no_functions() {
        assert_eq!(functions(b"MZ"), None);
        let mut header = b"\x7fELF\x02\x01".to_vec();
        header.resize(64, 0xff);
        assert_eq!(functions(&header), None);
        assert_eq!(functions(&header[..7]), None);
    }
}
