//! TensorBoard's event files.
//!
//! A file is a sequence of records: length (u64), its checksum, data, its checksum; little-endian. The data are
//! protocol buffers of type `tensorflow.Event`. Source: `tensorflow/core/lib/io/record_writer.h` and
//! `tensorflow/core/util/event.proto` of TensorFlow.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

/// The generator polynomial of CRC-32C (Castagnoli 1993), its bits reversed.
const CASTAGNOLI: u32 = 0x82f6_3b78;

/// A file of scalars that TensorBoard can read while it is being written.
///
/// Checksums and protocol are written here, without a dependency.
#[derive(Debug)]
pub struct EventFile(File);

impl EventFile {
    /// Begins a file. TensorBoard drops `first_step` and later steps of the folder's other files, so a resumed run
    /// shows no step twice.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn create(path: &Path, first_step: u64, wall_time: f64) -> io::Result<Self> {
        let mut file = Self(File::create(path)?);
        // Event.file_version = 3
        file.write_event(wall_time, 0, |event| bytes_field(event, 3, b"brain.Event:2"))?;
        if first_step > 0 {
            // Event.session_log = 7, SessionLog.status = 1, START = 1
            file.write_event(wall_time, first_step, |event| bytes_field(event, 7, &[1 << 3, 1]))?;
        }
        Ok(file)
    }

    /// Writes the value of a name at a step.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn scalar(&mut self, wall_time: f64, step: u64, name: &str, value: f64) -> io::Result<()> {
        // Summary.Value.tag = 1, simple_value = 2, of 32 bits
        let mut entry = Vec::new();
        bytes_field(&mut entry, 1, name.as_bytes());
        entry.push(2 << 3 | 5);
        entry.extend((value as f32).to_le_bytes());
        // Summary.value = 1, Event.summary = 5
        let mut summary = Vec::new();
        bytes_field(&mut summary, 1, &entry);
        self.write_event(wall_time, step, |event| bytes_field(event, 5, &summary))
    }

    fn write_event(&mut self, wall_time: f64, step: u64, rest: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        // Event.wall_time = 1, of 64 bits; Event.step = 2, where it is not 0
        let mut event = vec![1 << 3 | 1];
        event.extend(wall_time.to_le_bytes());
        if step > 0 {
            event.push(2 << 3);
            varint(&mut event, step);
        }
        rest(&mut event);
        let length = (event.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(event.len() + 16);
        record.extend(length);
        record.extend(masked(crc_32c(&length)).to_le_bytes());
        record.extend(&event);
        record.extend(masked(crc_32c(&event)).to_le_bytes());
        self.0.write_all(&record)
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 1 << 7 {
        out.push(value as u8 | 1 << 7);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of bytes, text or a message.
fn bytes_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn crc_32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ CASTAGNOLI } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| shift(crc)))
}

/// The form of checksums in records, rotated and shifted: a checksum of data that contains its own checksum is weak.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, §B.4.
        assert_eq!(crc_32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc_32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc_32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }
}
