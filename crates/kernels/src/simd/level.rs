use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that the kernels have code for and this CPU can run.
///
/// The best one is detected at run time, so one binary serves every machine. The environment variable `ATTENTIVE_SIMD`
/// (`portable`, `avx2`, `avx512` or `avx512-bf16`) lowers the choice, to reproduce another machine's results; a level
/// that the CPU lacks, or an unknown name, is ignored.
///
/// ```
/// use attentive_kernels::Level;
///
/// for level in Level::available() {
///     level.during(|| assert_eq!(Level::current(), level));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub(crate) kind: Kind,
    pub(crate) precision: Precision,
}

/// The format of the numbers that matrix products multiply; their sums are `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 24 significant bits.
    #[default]
    F32,
    /// The range of `f32` with 8 significant bits: a product rounds operands to the nearest and packs them in pairs, so
    /// that an instruction multiplies twice as many ([`Level::multiplies_bf16`]). As PyTorch's bf16 autocast.
    Bf16,
}

/// [`Level`] without the promise that the CPU can run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// No instruction beyond the target's baseline (SSE2 on x86-64, NEON on AArch64).
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 with BF16.
    Avx512Bf16,
}

/// The level of threads that force none: one more than its index in [`KINDS`], or 0 while it is not known.
static USUAL: AtomicU8 = AtomicU8::new(0);

/// From the lowest to the highest.
const KINDS: [Kind; 4] = [Kind::Portable, Kind::Avx2, Kind::Avx512, Kind::Avx512Bf16];

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

impl Level {
    /// The level of kernels that this thread calls, on any threads that they run on.
    #[inline]
    pub fn current() -> Self {
        FORCED.get().unwrap_or_else(Self::usual)
    }

    /// The level of threads that force none.
    #[inline]
    fn usual() -> Self {
        let kind = match USUAL.load(Ordering::Relaxed) {
            0 => {
                // The first thread detects it; all threads would detect the same.
                let kind = Self::detect().kind;
                let _ = USUAL.compare_exchange(0, kind as u8 + 1, Ordering::Relaxed, Ordering::Relaxed);
                kind
            }
            n => KINDS[usize::from(n - 1)],
        };
        Self { kind, precision: Precision::F32 }
    }

    /// Every level that this CPU can run, the lowest first.
    pub fn available() -> Vec<Self> {
        KINDS
            .into_iter()
            .filter(|kind| kind.is_supported())
            .map(|kind| Self { kind, precision: Precision::F32 })
            .collect()
    }

    /// This level with products of such numbers.
    pub fn multiplying(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The format of the numbers that its products multiply.
    pub fn precision(self) -> Precision {
        self.precision
    }

    /// Whether [`Precision::Bf16`] is faster than `f32` here; elsewhere it gives the same numbers and takes longer.
    pub fn multiplies_bf16(self) -> bool {
        self.kind == Kind::Avx512Bf16
    }

    /// Runs `f`, in which kernels called from this thread run at this level: a hook for tests and benchmarks.
    pub fn during<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Level>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FORCED.set(self.0);
            }
        }
        let _restore = Restore(FORCED.replace(Some(self)));
        f()
    }

    /// Runs `f`, in which the kernels of every thread of the process run at this level, unless the thread forces
    /// another: for work begun on another machine.
    ///
    /// ```
    /// use attentive_kernels::Level;
    ///
    /// let (lowest, usual) = (Level::available()[0], Level::current());
    /// lowest.during_everywhere(|| std::thread::spawn(move || assert_eq!(Level::current(), lowest)).join().unwrap());
    /// assert_eq!(Level::current(), usual);
    /// ```
    pub fn during_everywhere<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(u8);
        impl Drop for Restore {
            fn drop(&mut self) {
                USUAL.store(self.0, Ordering::Relaxed);
            }
        }
        let _restore = Restore(USUAL.swap(self.kind as u8 + 1, Ordering::Relaxed));
        f()
    }

    /// The level that `ATTENTIVE_SIMD` chooses, if this CPU has it.
    pub fn chosen() -> Option<Self> {
        let wanted = std::env::var("ATTENTIVE_SIMD").ok()?;
        Self::available().into_iter().find(|level| level.name() == wanted)
    }

    /// The level's name, as `ATTENTIVE_SIMD` spells it.
    pub fn name(self) -> &'static str {
        match self.kind {
            Kind::Portable => "portable",
            Kind::Avx2 => "avx2",
            Kind::Avx512 => "avx512",
            Kind::Avx512Bf16 => "avx512-bf16",
        }
    }

    fn detect() -> Self {
        Self::chosen().unwrap_or_else(|| Self::available()[Self::available().len() - 1])
    }
}

impl Precision {
    /// Runs `f`, in which kernels called from this thread multiply such numbers.
    pub fn during<R>(self, f: impl FnOnce() -> R) -> R {
        Level::current().multiplying(self).during(f)
    }
}

impl Kind {
    fn is_supported(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_supported()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => Self::Avx512.is_supported() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

/// Writes a function that runs a generic kernel with a level's instructions.
///
/// `dispatch!(fn name(x: T, …) -> R = kernel)` gives `fn name(level: Level, x: T, …) -> R`, which calls
/// `kernel(simd, x, …)` from a function in which the level's instructions are enabled.
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $kernel:path) => {
        $(#[$meta])*
        #[allow(unsafe_code, clippy::too_many_arguments, reason = "operands and their sizes")]
        $vis fn $name(level: $crate::simd::Level, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
            fn avx512_bf16($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: this function enables the instructions.
                $kernel(unsafe { $crate::simd::Avx512::<true>::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: this function enables the instructions.
                $kernel(unsafe { $crate::simd::Avx512::<false>::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: this function enables the instructions.
                $kernel(unsafe { $crate::simd::Avx2::new() }, $($arg),*)
            }
            match level.kind {
                // SAFETY: a `Level` exists only if the CPU supports it.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Kind::Avx512Bf16 => unsafe { avx512_bf16($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Kind::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Kind::Avx2 => unsafe { avx2($($arg),*) },
                _ => $kernel($crate::simd::Portable, $($arg),*),
            }
        }
    };
}
pub(crate) use dispatch;
