//! The paper's Table 2: BLEU on newstest2014, and the floating-point operations of training.

/// A row of the table; `None` where the paper leaves it empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Table2Row {
    /// The model, with the paper's reference.
    pub name: &'static str,
    /// BLEU, English to German.
    pub bleu_de: Option<f64>,
    /// BLEU, English to French.
    pub bleu_fr: Option<f64>,
    /// Operations of training, English to German.
    pub flops_de: Option<f64>,
    /// Operations of training, English to French.
    pub flops_fr: Option<f64>,
}

/// Every row, as printed in Vaswani et al. 2017, Table 2.
///
/// The two Transformers have one cost for both languages.
pub const TABLE_2: [Table2Row; 10] = [
    row("ByteNet (Kalchbrenner et al. 2017)", [Some(23.75), None, None, None]),
    row("Deep-Att + PosUnk (Zhou et al. 2016)", [None, Some(39.2), None, Some(1.0e20)]),
    row("GNMT + RL (Wu et al. 2016)", [Some(24.6), Some(39.92), Some(2.3e19), Some(1.4e20)]),
    row("ConvS2S (Gehring et al. 2017)", [Some(25.16), Some(40.46), Some(9.6e18), Some(1.5e20)]),
    row("MoE (Shazeer et al. 2017)", [Some(26.03), Some(40.56), Some(2.0e19), Some(1.2e20)]),
    row("Deep-Att + PosUnk, ensemble", [None, Some(40.4), None, Some(8.0e20)]),
    row("GNMT + RL, ensemble", [Some(26.30), Some(41.16), Some(1.8e20), Some(1.1e21)]),
    row("ConvS2S, ensemble", [Some(26.36), Some(41.29), Some(7.7e19), Some(1.2e21)]),
    row("Transformer, base", [Some(27.3), Some(38.1), Some(3.3e18), Some(3.3e18)]),
    row("Transformer, big", [Some(28.4), Some(41.8), Some(2.3e19), Some(2.3e19)]),
];

const fn row(name: &'static str, [bleu_de, bleu_fr, flops_de, flops_fr]: [Option<f64>; 4]) -> Table2Row {
    Table2Row { name, bleu_de, bleu_fr, flops_de, flops_fr }
}

/// A training run, as the paper counts its cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingCost {
    /// Seconds of training.
    pub seconds: f64,
    /// Devices.
    pub n_devices: u32,
    /// Operations per second that a device sustains in single precision.
    pub sustained_flops: f64,
}

impl TrainingCost {
    /// The paper's base model: 12 hours (§5.2) on 8 P100s of 9.5 TFLOPS (§6.1, footnote 5).
    pub const BASE: Self = Self { seconds: 12.0 * 3600.0, n_devices: 8, sustained_flops: 9.5e12 };
    /// The paper's big model: 3.5 days on the same.
    pub const BIG: Self = Self { seconds: 3.5 * 24.0 * 3600.0, ..Self::BASE };

    /// Time × devices × sustained operations per second (§6.1).
    pub fn flops(self) -> f64 {
        self.seconds * f64::from(self.n_devices) * self.sustained_flops
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_of_the_transformers_are_time_times_devices_times_speed() {
        for (cost, name) in [(TrainingCost::BASE, "Transformer, base"), (TrainingCost::BIG, "Transformer, big")] {
            let printed = TABLE_2.iter().find(|row| row.name == name).unwrap().flops_de.unwrap();
            // Printed with two digits.
            assert!((cost.flops() / printed - 1.0).abs() < 0.02, "{name}: {:e}", cost.flops());
        }
    }
}
