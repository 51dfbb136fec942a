"""llama.cpp's form of a model of Llama's family: what `cargo xtask bench` runs once before its workers start.

Usage: convert_gguf.py FOLDER OUT f32|int8|q8_0|q4_0, where FOLDER is what `attentive-bench prepare` writes; int8 is
Q8_0.
"""

import sys

import gguf

import llama


def neighbours(weight, n_heads):
    """Rows of queries or keys whose pairs are neighbours, as llama.cpp rotates them; ours are the halves of a head."""
    rows, cols = weight.shape
    return weight.reshape(n_heads, 2, rows // n_heads // 2, cols).swapaxes(1, 2).reshape(rows, cols)


def main():
    folder, out, precision = sys.argv[1:]
    config, weights = llama.read(f"{folder}/f32")
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(2048)
    writer.add_embedding_length(config["d_model"])
    writer.add_feed_forward_length(config["d_ff"])
    writer.add_block_count(config["n_layers"])
    writer.add_head_count(config["n_heads"])
    writer.add_head_count_kv(config["n_kv_heads"])
    writer.add_layer_norm_rms_eps(config["epsilon"])
    writer.add_rope_freq_base(config["positions"]["rotary"]["theta"])
    writer.add_rope_dimension_count(config["d_model"] // config["n_heads"])
    # The workers read and write ids.
    writer.add_tokenizer_model("none")
    form = {"f32": gguf.GGMLQuantizationType.F32, "int8": gguf.GGMLQuantizationType.Q8_0,
            "q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0}[precision]
    for _, name, tensor in llama.tensors(config, weights):
        if ".attn_q." in name:
            tensor = neighbours(tensor, config["n_heads"])
        if ".attn_k." in name:
            tensor = neighbours(tensor, config["n_kv_heads"])
        of_tensor = form if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(tensor, of_tensor), raw_dtype=of_tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
