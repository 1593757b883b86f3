"""Makes a small random BART, its states, loss and gradients, for the tests of encoder and decoder in one model.

    python make_encoder_decoder.py            # needs torch, transformers, safetensors

encoder-decoder.safetensors: the parameters under the names of EncoderDecoder, `source.N`, `target.N` (ids of two pairs),
`logits.N`, the mean cross-entropy of all next tokens `loss`, and `gradient.<name>` of it.
"""
import os
import torch
from safetensors.torch import save_file
from transformers import BartConfig, BartForConditionalGeneration

here = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(3)
V, H, FF, A, P = 48, 24, 40, 3, 32
config = BartConfig(vocab_size=V, d_model=H, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=FF, decoder_ffn_dim=FF,
                    encoder_attention_heads=A, decoder_attention_heads=A, max_position_embeddings=P, init_std=0.3,
                    scale_embedding=True, attn_implementation="eager", bos_token_id=1, eos_token_id=2, pad_token_id=0,
                    decoder_start_token_id=1)
model = BartForConditionalGeneration(config).eval().float()
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.dim() == 1: parameter.add_(0.2 * torch.randn_like(parameter))

names = {}
names["model.shared.weight"] = "model.embed_tokens.weight"
for side in ("encoder", "decoder"):
    at = f"model.{side}."
    names[at + "embed_positions.weight"] = at + "embed_positions.weight"
    for kind in ("weight", "bias"):
        names[f"{at}layernorm_embedding.{kind}"] = f"{at}embed_norm.{kind}"
        for layer in range(2):
            for theirs, ours in {
                "self_attn.q_proj": "self_attn.q_proj", "self_attn.k_proj": "self_attn.k_proj",
                "self_attn.v_proj": "self_attn.v_proj", "self_attn.out_proj": "self_attn.o_proj",
                "self_attn_layer_norm": "attention_output_norm", "encoder_attn.q_proj": "cross_attn.q_proj",
                "encoder_attn.k_proj": "cross_attn.k_proj", "encoder_attn.v_proj": "cross_attn.v_proj",
                "encoder_attn.out_proj": "cross_attn.o_proj", "encoder_attn_layer_norm": "cross_output_norm",
                "fc1": "mlp.up_proj", "fc2": "mlp.down_proj", "final_layer_norm": "feedforward_output_norm",
            }.items():
                names[f"{at}layers.{layer}.{theirs}.{kind}"] = f"{at}layers.{layer}.{ours}.{kind}"

pairs = [([5, 9, 12, 31, 7, 2], [1, 7, 31, 12]), ([20, 4, 2], [1, 4, 20, 11, 6, 3, 40])]
out, losses, count = {}, [], 0
for index, (source, target) in enumerate(pairs):
    ids, decoder_ids = torch.tensor([source]), torch.tensor([target])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=decoder_ids).logits[0]
    losses.append(torch.nn.functional.cross_entropy(logits[:-1], decoder_ids[0, 1:], reduction="sum"))
    count += len(target) - 1
    out[f"source.{index}"], out[f"target.{index}"] = ids[0].to(torch.int32), decoder_ids[0].to(torch.int32)
    out[f"logits.{index}"] = logits.detach()
loss = sum(losses) / count
loss.backward()
out["loss"] = loss.detach().reshape(1)
for name, parameter in model.named_parameters():
    if name == "final_logits_bias": continue
    ours = names[name]
    # BART's positions begin with the third row.
    first = 2 if name.endswith("embed_positions.weight") else 0
    out[ours] = parameter.detach()[first:].clone().contiguous()
    out["gradient." + ours] = parameter.grad[first:].clone().contiguous()
save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(here, "encoder-decoder.safetensors"))
print(float(loss), len(out), os.path.getsize(os.path.join(here, "encoder-decoder.safetensors")))
