//! `mini_gpt.rs` from layers of the library: `cargo run --release --example mini_gpt_layers -- FILE [STEPS]`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, fs, ops::ControlFlow, sync::Arc};

use attentive::{burn::module::Module, data::*, model::*, optim::*, prelude::*, tokenizer::Characters, trainer::*};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let text = fs::read_to_string(args.next().ok_or("usage: mini_gpt_layers FILE [STEPS]")?)?;
    let steps = args.next().map_or(Ok(500), |steps| steps.parse())?;
    let tokenizer = Characters::train([&text]);
    let stream = TokenStream::from_texts([&text], None, |text| tokenizer.encode(text))?;
    let batches = ContextBatcher::new(stream, 64, 16, ContextOrder::RandomOffsets { seed: 1 })?;

    let device = BackendKind::Flex.device()?.autodiff();
    let layout = GptConfig::gpt2_like(tokenizer.vocab_size(), 64, [2, 4, 64]);
    let model = GptConfig { dropout: 0.0, attention_dropout: 0.0, ..layout }.init(&device, 1)?;
    let trainer = Trainer::builder(model, CausalLmObjective::default())
        .optimizer(AdamConfig { beta_2: 0.99, epsilon: 1e-8, ..AdamConfig::default() }.init()?)
        .schedule(ScheduleConfig::Constant { lr: 3e-3, warmup_steps: 0 }.build(64))
        .config(TrainerConfig { steps, ..TrainerConfig::default() })
        .build()?;
    let mut show = |event: &Event<'_>| {
        if let Event::Step(report) = event
            && (report.step % 50 == 0 || report.step == 1 || report.step == steps)
        {
            println!("step {:>5}  loss {:.3} nats per character", report.step, report.loss_nats);
        }
        ControlFlow::Continue(())
    };
    let model = trainer.run(&mut Endless::new(batches), None, &mut [&mut show])?.model.valid();
    let generator = Generator::new(model, Arc::new(tokenizer));
    let first: String = text.chars().take(1).collect();
    println!("{first}{}", generator.generate_all(&[&first], 1, &GenerationConfig::default())?[0][0].text);
    Ok(())
}
