//! Audio files.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use symphonia::core::{
    codecs::{
        CodecParameters,
        audio::{AudioCodecParameters, AudioDecoder},
    },
    errors::Error,
    formats::{FormatReader, TrackType, probe::Hint, well_known},
    io::{MediaSource, MediaSourceStream, ReadOnlySource},
    packet::Packet,
};

use crate::{SpeechError, resample};

/// Hours of sound that a file may hold: an hour at 16,000 samples a second takes 230 MB.
const MAX_HOURS: u64 = 8;

/// The rate at which a file may hold so many hours, and fewer at a higher one: 5.5 GB.
const FULL_RATE: u32 = 48_000;

/// Samples a second that sound may have.
const RATES: [u32; 2] = [1000, 768_000];

/// The usual ends of the names of files that are read.
pub const EXTENSIONS: [&str; 4] = ["wav", "flac", "mp3", "ogg"];

/// Sound of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Its samples, from -1 to 1 unless it is too loud.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
}

impl Recording {
    /// Reads a WAV, FLAC, MP3 or Ogg Vorbis file, told by its content; the mean of its channels is taken.
    ///
    /// # Errors
    /// [`SpeechError`] names the file and says what is wrong: it is of another kind, damaged or cut short, holds no sample,
    /// samples that are not numbers, or more than 8 hours of sound or the samples of as many at 48,000 a second.
    pub fn read(path: &Path) -> Result<Self, SpeechError> {
        let file = File::open(path).map_err(|cause| SpeechError::Io { path: path.to_owned(), cause })?;
        if file.metadata().is_ok_and(|data| data.is_file() && data.len() == 0) {
            return Err(SpeechError::Empty { path: path.to_owned() });
        }
        Reading::open(path, file)?.read()
    }

    /// Reads a file as [`read`](Self::read) does, at `rate` samples a second, whatever the file has.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_at(path: &Path, rate: u32) -> Result<Vec<f32>, SpeechError> {
        let Self { samples, rate: own } = Self::read(path)?;
        Ok(resample(samples, own, rate))
    }

    /// Its length.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }
}

/// A file that is being read.
struct Reading<'a> {
    path: &'a Path,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// Samples of a channel that the file says to have.
    promised: Option<u64>,
    /// Whether it may end anywhere: nothing says how long it is.
    is_open_ended: bool,
    recording: Recording,
}

/// Whether a file begins as FLAC and Ogg do.
fn begins_as_sound(path: &Path) -> bool {
    let mut head = [0; 4];
    let is_read = path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok();
    is_read && [b"fLaC", b"OggS"].contains(&&head)
}

impl<'a> Reading<'a> {
    /// Finds the first track of sound.
    fn open(path: &'a Path, file: File) -> Result<Self, SpeechError> {
        let kind = |problem: String| SpeechError::Kind { path: path.to_owned(), problem };
        let failed = |error: Error| match error {
            Error::IoError(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => {
                SpeechError::Io { path: path.to_owned(), cause }
            }
            error @ (Error::IoError(_) | Error::DecodeError(_)) if begins_as_sound(path) => {
                SpeechError::Damaged { path: path.to_owned(), seconds: 0.0, problem: error.to_string() }
            }
            error => kind(format!("not an audio file ({error})")),
        };
        if path.is_dir() {
            return Err(kind("a folder: name a file in it".to_owned()));
        }
        let mut format = probe(Box::new(file)).map_err(failed)?;
        // The length of an MP3 file without a header of its own is guessed from its first frames, and its sound cut off
        // there, unless the file can't be sought in.
        if format.format_info().format == well_known::FORMAT_ID_MP3 && path.is_file() {
            let again = File::open(path).map_err(|cause| SpeechError::Io { path: path.to_owned(), cause })?;
            format = probe(Box::new(ReadOnlySource::new(again))).map_err(failed)?;
        }
        let track = format.default_track(TrackType::Audio).ok_or_else(|| kind("it has no track of sound".into()))?;
        let id = track.id;
        let Some(CodecParameters::Audio(params)) = &track.codec_params else {
            return Err(kind("nothing says how its sound is coded".into()));
        };
        let is_wave = format.format_info().format == well_known::FORMAT_ID_WAVE;
        let is_mp3 = format.format_info().format == well_known::FORMAT_ID_MP3;
        let promised = track.num_frames.filter(|&promised| !(is_wave && is_unknown(promised, params)));
        let decoder = symphonia::default::get_codecs().make_audio_decoder(params, &Default::default());
        let decoder = decoder.map_err(|error| kind(format!("its sound is coded in an unsupported way ({error})")))?;
        if let Some(rate) = params.sample_rate {
            check(path, rate, promised.unwrap_or(0))?;
        }
        let recording = Recording { samples: Vec::new(), rate: params.sample_rate.unwrap_or(0) };
        let is_open_ended = promised.is_none() && (is_wave || is_mp3);
        Ok(Self { path, format, decoder, track: id, promised, is_open_ended, recording })
    }

    /// Reads to the end.
    fn read(mut self) -> Result<Recording, SpeechError> {
        let mut interleaved = Vec::new();
        while let Some(packet) = self.next_packet()? {
            if packet.track_id != self.track {
                continue;
            }
            match self.decoder.decode(&packet) {
                Ok(sound) => {
                    let (n_channels, rate) = (sound.num_planes().max(1), sound.spec().rate());
                    sound.copy_to_vec_interleaved(&mut interleaved);
                    self.take(&interleaved, n_channels, rate)?;
                }
                Err(error) => return Err(self.damaged(error.to_string())),
            }
        }
        let n_read = self.recording.samples.len() as u64;
        match self.promised.filter(|&promised| n_read < promised) {
            Some(promised) => Err(self.damaged(format!("it says to have {promised} samples, and ends after {n_read}"))),
            None if n_read == 0 => Err(SpeechError::Empty { path: self.path.to_owned() }),
            None => Ok(self.recording),
        }
    }

    /// The next piece of the file; nothing at its end.
    fn next_packet(&mut self) -> Result<Option<Packet>, SpeechError> {
        match self.format.next_packet() {
            Ok(packet) => Ok(packet),
            // A file that is cut short is told by what it promised, where it has.
            Err(Error::IoError(cause))
                if cause.kind() == io::ErrorKind::UnexpectedEof && (self.promised.is_some() || self.is_open_ended) =>
            {
                Ok(None)
            }
            Err(Error::IoError(cause)) if cause.kind() != io::ErrorKind::UnexpectedEof => {
                Err(SpeechError::Io { path: self.path.to_owned(), cause })
            }
            // Ogg files may be put one after another (RFC 3533, §4).
            Err(Error::ResetRequired) => {
                let problem = format!("another recording begins after {:.2} s of sound: cut it there", self.seconds());
                Err(SpeechError::Kind { path: self.path.to_owned(), problem })
            }
            Err(error) => Err(self.damaged(error.to_string())),
        }
    }

    /// Appends the mean of the channels.
    fn take(&mut self, interleaved: &[f32], n_channels: usize, rate: u32) -> Result<(), SpeechError> {
        let Recording { samples, rate: known } = &mut self.recording;
        let n_new = interleaved.len() / n_channels;
        check(self.path, rate, (samples.len() + n_new) as u64)?;
        if *known != rate && !samples.is_empty() {
            let problem = format!("its rate changes from {known} to {rate} samples a second");
            return Err(SpeechError::Kind { path: self.path.to_owned(), problem });
        }
        *known = rate;
        samples.extend(interleaved.chunks_exact(n_channels).map(|frame| frame.iter().sum::<f32>() / n_channels as f32));
        let first_new = samples.len() - n_new;
        if let Some(at) = samples[first_new..].iter().position(|sample| !sample.is_finite()) {
            samples.truncate(first_new + at);
            return Err(self.damaged("a sample is not a finite number".into()));
        }
        Ok(())
    }

    /// Sound that was read.
    fn seconds(&self) -> f64 {
        let Recording { samples, rate } = &self.recording;
        samples.len() as f64 / f64::from((*rate).max(1))
    }

    fn damaged(&self, problem: String) -> SpeechError {
        SpeechError::Damaged { path: self.path.to_owned(), seconds: self.seconds(), problem }
    }
}

/// Holds a rate of samples and their number against what is read.
fn check(path: &Path, rate: u32, n_samples: u64) -> Result<(), SpeechError> {
    let [least, most] = RATES;
    if !(least..=most).contains(&rate) {
        return Err(SpeechError::Rate { path: path.to_owned(), rate, least, most });
    }
    if n_samples > MAX_HOURS * 3600 * u64::from(rate.min(FULL_RATE)) {
        return Err(SpeechError::Long { path: path.to_owned(), hours: MAX_HOURS, rate: FULL_RATE });
    }
    Ok(())
}

/// What reads a file; its content alone tells what it is: a name may lie.
fn probe(source: Box<dyn MediaSource>) -> Result<Box<dyn FormatReader>, Error> {
    let stream = MediaSourceStream::new(source, Default::default());
    symphonia::default::get_probe().probe(&Hint::new(), stream, Default::default(), Default::default())
}

/// Whether so many samples of a channel are what programs that write a WAV file to a pipe state: as many as can be.
fn is_unknown(promised: u64, params: &AudioCodecParameters) -> bool {
    /// Bytes that such programs state at least: nearly all that 31 bits hold, or 32.
    const LEAST: u64 = 0x7fff_0000;
    let n_channels = params.channels.as_ref().map_or(1, |channels| channels.count() as u64);
    let n_bytes = params.bits_per_sample.map_or(1, |bits| u64::from(bits.div_ceil(8)));
    promised.saturating_mul(n_channels * n_bytes) >= LEAST
}
