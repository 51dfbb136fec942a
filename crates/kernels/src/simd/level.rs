use std::cell::Cell;
use std::sync::OnceLock;

/// An instruction set that the kernels have code for and this CPU can run.
///
/// The best one is detected at run time, so one binary serves every machine. The environment variable `ATTENTIVE_SIMD`
/// (`portable`, `avx2` or `avx512`) lowers the choice, to reproduce another machine's results; a level that the CPU
/// lacks, or an unknown name, is passed over.
///
/// ```
/// use attentive_kernels::Level;
///
/// for level in Level::available() {
///     level.during(|| assert_eq!(Level::current(), level));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub(crate) Kind);

/// [`Level`] without the promise that the CPU can run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// No instruction beyond the target's baseline (SSE2 on x86-64, NEON on AArch64).
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

static BEST: OnceLock<Level> = OnceLock::new();

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

impl Level {
    /// The level of kernels that this thread calls, whichever threads they then run on.
    #[inline]
    pub fn current() -> Self {
        FORCED.get().unwrap_or_else(|| *BEST.get_or_init(Self::detect))
    }

    /// Every level that this CPU can run, the lowest first.
    pub fn available() -> Vec<Self> {
        [Kind::Portable, Kind::Avx2, Kind::Avx512].into_iter().filter(|kind| kind.is_supported()).map(Self).collect()
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

    /// The level's name, as `ATTENTIVE_SIMD` spells it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            Kind::Avx2 => "avx2",
            Kind::Avx512 => "avx512",
        }
    }

    fn detect() -> Self {
        let available = Self::available();
        let wanted = std::env::var("ATTENTIVE_SIMD").unwrap_or_default();
        let best = available[available.len() - 1];
        available.into_iter().find(|level| level.name() == wanted).unwrap_or(best)
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
        #[allow(unsafe_code, clippy::too_many_arguments)]
        $vis fn $name(level: $crate::simd::Level, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: this function enables the instructions.
                $kernel(unsafe { $crate::simd::Avx512::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: this function enables the instructions.
                $kernel(unsafe { $crate::simd::Avx2::new() }, $($arg),*)
            }
            match level.0 {
                // SAFETY: a `Level` exists only for what the CPU supports.
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
