//! The paper's tables and figures as a user meets them.

use std::fs;

use attentive_vision::Picture;

use crate::support::{Folder, contains};

const TRANSFORMER: &str =
    "d_model = 16\nd_ff = 16\nn_heads = 2\nn_encoder_layers = 2\nn_decoder_layers = 1\ndropout = 0.0\n";
const RNN: &str = "family = \"rnn\"\ncell = \"gru\"\nd_embedding = 8\nd_hidden = 8\nd_attention = 8\ndropout = 0.0\n";

fn folder() -> Folder {
    let folder = Folder::new();
    for (name, model) in [("transformer", TRANSFORMER), ("rnn", RNN)] {
        folder.write_copying(name, [6, 2, 6], model);
    }
    folder
}

fn drawing(folder: &Folder, name: &str) -> String {
    let svg = fs::read_to_string(folder.path(name)).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
    assert_eq!(svg.matches("<text ").count(), svg.matches("</text>").count(), "{name}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    svg
}

#[test]
fn tables_need_no_model() {
    let folder = Folder::new();
    let table = folder.succeed(&["paper", "table1", "--n", "100", "--r", "10", "--no-time"], "");
    contains(&table, &["O(n²·d)", "5,120,000", "26,214,400", "78,643,200", "512,000", "O(log_k(n))"]);
    let timed = folder.succeed(&["paper", "table1", "--n", "8", "--d", "8", "--r", "4"], "");
    assert_eq!(timed.matches(" ms ").count(), 4, "{timed}");
    let refused = folder.run(&["paper", "table1", "--k", "1"], "");
    contains(&String::from_utf8_lossy(&refused.stderr), &["'--k <K>': must be an integer from 2"]);
    contains(&folder.succeed(&["paper", "table2"], ""), &["28.4", "2.3·10^19", "12.00 h × 8 × 9.5·10^12", "29 %"]);
    let table = folder.succeed(&["paper", "table3"], "");
    contains(&table, &["63,082,496", "C d_model=1024", "213", "300,000", "learned", "-3.0 %"]);
}

#[test]
fn positions_and_schedules_are_drawn() {
    let folder = Folder::new();
    contains(&folder.succeed(&["paper", "positions", "--n", "20", "--d-model", "8"], ""), &["distance", "1.000"]);
    contains(&drawing(&folder, "positions.svg"), &["sinusoids"]);
    contains(&drawing(&folder, "position-products.svg"), &["distance"]);
    contains(&folder.succeed(&["paper", "schedule"], ""), &["6.99e-4 | 4000", "cosine"]);
    contains(&drawing(&folder, "schedule.svg"), &["equation 3", "warm-up 8000"]);
}

#[test]
fn what_canine_hides_is_drawn() {
    let folder = Folder::new();
    contains(&folder.succeed(&["paper", "canine", "hidden words", "--rate", "0.3"], ""), &["[CLS]", "drawing in"]);
    contains(&drawing(&folder, "canine.svg"), &["what the encoder reads"]);
    assert!(String::from_utf8_lossy(&folder.run(&["paper", "canine", " "], "").stderr).contains("white space"));
}

#[test]
fn runs_are_set_beside_one_another_and_show_what_they_look_at() {
    let folder = folder();
    for name in ["transformer", "rnn"] {
        folder.succeed(&["train", &format!("{name}.toml")], "");
    }
    let (transformer, rnn) = ("runs/transformer-1", "runs/rnn-1");
    let table = folder.succeed(&["paper", "rnn", transformer, rnn], "");
    contains(&table, &["transformer: d_model 16", "rnn: GRU", "parameters", "After equal time", "perplexity"]);
    // A log that ends in the middle of a line, and one without a validation.
    let log = fs::read_to_string(folder.path("runs/rnn-1/metrics.jsonl")).unwrap();
    folder.write("runs/rnn-1/metrics.jsonl", &format!("{log}{{\"event\": \"st"));
    assert_eq!(folder.succeed(&["paper", "rnn", transformer, rnn], ""), table);
    folder.write("runs/rnn-1/metrics.jsonl", "");
    contains(&folder.fail(&["paper", "rnn", transformer, rnn], ""), &["no validation is logged in runs/rnn-1"]);
    folder.write("runs/rnn-1/metrics.jsonl", &log);
    contains(&folder.misuse(&["paper", "table2", "--sustained", "1e11"]), &["--run"]);
    contains(&folder.misuse(&["selftest", "--model", rnn, "--set", "seed=2"]), &["--set"]);
    let table = folder.succeed(&["paper", "table2", "--run", transformer, "--sustained", "1e11"], "");
    contains(&table, &["runs/transformer-1", "1.0·10^11"]);

    let shown = folder.succeed(&["attention", "--model", transformer, "--target", "ab it", "it was ab"], "");
    contains(&shown, &["What \"it\" attends to", "mean", "when it writes", " %"]);
    // Three tokens and the end; two layers of two heads and their mean in the encoder, one in each part of the decoder.
    assert_eq!(drawing(&folder, "attention.svg").matches("font-weight=\"bold\"").count(), (2 + 1 + 1) * 3);
    let shown = folder.succeed(&["paper", "attention", "--model", rnn, "--out", "rnn.svg", "it was ab"], "");
    contains(&shown, &["What the decoder looks at"]);
    drawing(&folder, "rnn.svg");
    let heads = folder.succeed(&["heads", "--model", transformer, "--sentences", "2"], "");
    contains(&heads, &["over 2 sentences", "pronouns right without the head"]);
    assert_eq!(heads.lines().filter(|line| line.contains(" %")).count(), 1 + (2 + 1 + 1) * 2, "every head");
    contains(&folder.succeed(&["heads", "--model", rnn, "--sentences", "2"], ""), &["decoder to encoder"]);
    contains(&folder.succeed(&["lens", "--model", transformer, "it was ab"], ""), &["layer"]);
    folder.write("lines", "ab it\tit ab\nab\t\n\tab\n");
    let worth = folder.succeed(&["heads", "--model", transformer, "--data", "lines"], "");
    contains(&worth, &["over 3 targets", "; 2 lines without a target are left out"]);
    let prune = ["prune-heads", "--model", transformer, "--out", "pruned"];
    let with = |more: &[&'static str]| [&prune[..], more].concat();
    contains(&folder.fail(&with(&["--keep", "100", "--data", "lines"]), ""), &["which has 8: prune more"]);
    let refused = folder.fail(&with(&["--heads", "encoder.9.self:0"]), "");
    contains(&refused, &["encoder.9.self:0, which is not in the model: it has encoder.0.self to encoder.1.self"]);
    assert!(!refused.contains("config.toml"), "{refused}");
    let refused = folder.misuse(&with(&["--heads", "encoder.0.self:0", "--source-language", "de"]));
    contains(&refused, &["--source-language"]);
    let pruned = folder.succeed(&with(&["--keep", "1", "--data", "lines"]), "");
    contains(&pruned, &["pruned 4 heads", "2 lines without a target", "7 were to leave, and 4 stay", "into pruned"]);
    folder.write("lines", "ab it\tit ab\tab\n");
    contains(&folder.fail(&["heads", "--model", transformer, "--data", "lines"], ""), &["line 1", "more than one tab"]);
    let refused = folder.fail(&["attention", "--model", transformer, "--word", "dog", "it was ab"], "");
    contains(&refused, &["\"dog\" is not a word of", "--word"]);
    let refused = folder.fail(&["attention", "--model", transformer, "--word", "", "it was ab"], "");
    contains(&refused, &["\"\" is not a word of", "--word"]);
    // Without a word that is asked for, a text needs none.
    let shown = folder.succeed(&["attention", "--model", transformer, "--alignment", "ab ab"], "");
    assert!(shown.contains("when it writes") && !shown.contains("attends to"), "{shown}");
    let refused = folder.fail(&["attention", "--model", transformer, "--source-language", "de", "it was ab"], "");
    contains(&refused, &["not told languages", "\"de\""]);
    contains(&folder.fail(&["heads", "--model", transformer, "--target-language", "de"], ""), &["not told languages"]);
    let refused = folder.fail(&["attention", "--model", transformer, "--alignment", "--html", "x.html", "ab ab"], "");
    contains(&refused, &["name it with --out"]);
    contains(&folder.fail(&["reproduce", "figures", "--out", "rnn.toml"], ""), &["can't make the folder rnn.toml"]);
    let alone = folder.run(&["reproduce", "figures", "--word", "street"], "");
    contains(&String::from_utf8_lossy(&alone.stderr), &["--model <DIR>", "--encoder <DIR>"]);
    // A drawing has the form that its name ends with.
    for command in ["attention", "lens", "saliency"] {
        folder.succeed(&[command, "--model", transformer, "--out", "map.png", "it was ab"], "");
        let [_, width] = Picture::open(&folder.path("map.png")).unwrap().size();
        assert!(width > 100, "{command}: {width}");
        fs::remove_file(folder.path("map.png")).unwrap();
        let refused = folder.misuse(&[command, "--model", transformer, "--out", "map.jpg", "it was ab"]);
        contains(&refused, &["map.jpg", "a drawing's name ends with .svg or .png"]);
    }
    folder.succeed(&["paper", "positions", "--n", "8", "--out", "a.png", "--products", "b.png"], "");
    assert!(["a.png", "b.png"].iter().all(|name| Picture::open(&folder.path(name)).is_ok()));
    // Letters that its font lacks are told.
    fs::create_dir(folder.path("字")).unwrap();
    fs::copy(folder.path("runs/rnn-1/metrics.jsonl"), folder.path("字/metrics.jsonl")).unwrap();
    for (name, is_told) in [("curves.png", true), ("curves.svg", false)] {
        let said = String::from_utf8(folder.run(&["plot", "字", "--out", name], "").stderr).unwrap();
        assert_eq!(said.contains("the font of images has no '字', which is drawn as ?"), is_told, "{said}");
        assert!(folder.path(name).exists());
    }
    let refused = folder.fail(&["paper", "canine", "--out", "canine.png"], "");
    contains(&refused, &["can't draw canine.png: this drawing is written as .svg alone"]);
    let refused = folder.misuse(&["attention", "--model", transformer, "--out", "no/x.svg", "it was ab"]);
    contains(&refused, &["can't write no/x.svg: there is no folder no"]);
}

#[test]
fn optimizers_are_compared_on_any_recipe() {
    let folder = folder();
    let table = folder.succeed(&["paper", "optimizers", "transformer.toml", "--steps", "8"], "");
    contains(&table, &["SGD", "momentum", "AdaGrad", "RMSProp", "Adam, §5.3", "AdamW"]);
    contains(&drawing(&folder, "optimizers.svg"), &["training loss"]);
}

#[test]
fn tokenizers_are_compared_on_any_text() {
    let folder = Folder::new();
    folder.write("text.txt", &"the dog is light, and the light is on\nit was too tired\n".repeat(60));
    let args = ["paper", "tokenizers", "--text", "text.txt", "--vocab-size", "300", "--gflops", "1"];
    let shown = folder.succeed(&args, "");
    contains(&shown, &["byte-level-bpe", "unigram", "characters", "bits a byte"]);
    // Nine tenths of 3,300 bytes, and what stands between documents.
    let row = shown.lines().find(|line| line.starts_with("| bytes ")).unwrap();
    let tokens: u64 = row.split('|').nth(2).unwrap().trim().replace(',', "").parse().unwrap();
    assert!((2_800..=3_200).contains(&tokens), "{row}");
}
