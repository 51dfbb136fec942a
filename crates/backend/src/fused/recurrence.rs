//! Recurrent layers on flex's slices.

use attentive_kernels::{
    AdditiveAttention, AttentionPartGradients, Kept, Recurrence, RecurrenceGradients, RecurrencePass,
};

use super::{
    RecurrenceArgs,
    flex::{Float, contiguous, dims, tensor, values},
};

/// The tensors of an operation: `x`, `start`, `U`, `b`, and with attention `W`, `v`, `C`, keys, values.
struct Parts(Vec<Float>);

impl Parts {
    fn new(tensors: &[Float]) -> Self {
        Self(tensors.iter().cloned().map(contiguous).collect())
    }

    fn kernel<'a>(&'a self, args: &'a RecurrenceArgs) -> Recurrence<'a> {
        let ([rows, steps, _], [d_hidden, _]) = (dims(&self.0[0]), dims(&self.0[2]));
        let attention = match &self.0[4..] {
            [query, score, context, keys, attended] => {
                let ([_, src, d_attention], [.., d_values]) = (dims::<3>(keys), dims::<3>(attended));
                Some(AdditiveAttention {
                    d_attention,
                    d_values,
                    src,
                    query: values(query),
                    score: values(score),
                    context: values(context),
                    keys: values(keys),
                    values: values(attended),
                    lengths: &args.source_lengths,
                })
            }
            _ => None,
        };
        Recurrence {
            cell: args.cell,
            rows,
            steps,
            d_hidden,
            weight: values(&self.0[2]),
            bias: values(&self.0[3]),
            lengths: args.lengths.as_deref(),
            backwards: args.backwards,
            attention,
        }
    }
}

/// The output, the gates and the attention weights.
pub(super) fn forward(tensors: &[Float], args: &RecurrenceArgs) -> [Float; 3] {
    let parts = Parts::new(tensors);
    let kernel = parts.kernel(args);
    let n = kernel.rows * kernel.steps;
    let src = kernel.attention.map_or(0, |attention| attention.src);
    let (mut out, mut gates, mut weights) = (vec![0.0; kernel.n_out()], vec![0.0; kernel.n_kept()], vec![0.0; n * src]);
    let kept = Kept { gates: &mut gates, weights: &mut weights };
    kernel.forward(values(&parts.0[0]), values(&parts.0[1]), &mut out, kept);
    let d_out = out.len() / n.max(1);
    let d_kept = gates.len() / n.max(1);
    let shape = |width| [kernel.rows, kernel.steps, width];
    [tensor(out, shape(d_out)), tensor(gates, shape(d_kept)), tensor(weights, shape(src))]
}

/// The gradient of each of `tensors`.
pub(super) fn backward(tensors: &[Float], kept: [Float; 3], dy: Float, args: &RecurrenceArgs) -> Vec<Float> {
    let parts = Parts::new(tensors);
    let kernel = parts.kernel(args);
    let [out, gates, weights] = kept.map(contiguous);
    let dy = contiguous(dy);
    let mut grads: Vec<Vec<f32>> = parts.0.iter().map(|part| vec![0.0; values(part).len()]).collect();
    let pass = RecurrencePass {
        start: values(&parts.0[1]),
        out: values(&out),
        gates: values(&gates),
        weights: values(&weights),
    };
    let [input, start, weight, bias, attention @ ..] = grads.as_mut_slice() else { unreachable!("four parts or nine") };
    let attention = match attention {
        [query, score, context, keys, values] => Some(AttentionPartGradients { query, score, context, keys, values }),
        _ => None,
    };
    kernel.backward(pass, values(&dy), RecurrenceGradients { input, start, weight, bias, attention });
    let shapes = parts.0.iter().map(|part| part.layout().shape().clone());
    grads.into_iter().zip(shapes).map(|(values, shape)| tensor(values, shape)).collect()
}
