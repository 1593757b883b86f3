"""Makes the small random checkpoints and their logits that the family tests compare with.

    python make_goldens.py            # needs torch, transformers, safetensors

For every family: config.json, model.safetensors (weights rounded to bf16 values and stored as BF16) and
expected.safetensors (ids and the fp32 logits that transformers computes from them with eager attention).
For some, inspection.safetensors: attention [layers, heads, tokens, tokens], the residual stream before every layer
[layers, tokens, hidden], and the logits with head 1 of layer 0 switched off (its columns of the output projection zero).
"""
import json, os, shutil, sys
import torch
from safetensors.torch import save_file
from transformers import (BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel, Gemma2Config, Gemma2ForCausalLM, Gemma3TextConfig, Gemma3ForCausalLM,
                          GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, MixtralConfig, MixtralForCausalLM, Olmo2Config, Olmo2ForCausalLM, Phi3Config, Phi3ForCausalLM,
                          Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM, Gemma3ForConditionalGeneration,
                          Gemma3Config, MinistralConfig, MinistralForCausalLM, Ministral3Config, Ministral3ForCausalLM,
                          Mistral3Config, Mistral3ForConditionalGeneration, Qwen2VLConfig,
                          Qwen2VLForConditionalGeneration, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration,
                          Qwen3VLConfig, Qwen3VLForConditionalGeneration, SeedOssConfig, SeedOssForCausalLM)

here = os.path.dirname(os.path.abspath(__file__))
V, H, L, FF, A, KV, P = 96, 32, 2, 48, 4, 2, 64
small = dict(vocab_size=V, hidden_size=H, num_hidden_layers=L, intermediate_size=FF, num_attention_heads=A,
             num_key_value_heads=KV, max_position_embeddings=P, initializer_range=0.35, bos_token_id=1, eos_token_id=2,
             pad_token_id=0)


def rope(kind, **more):
    return {**small, "rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **more}}


half = [1.0 + 0.1 * i for i in range(H // A // 2)]
long = [2.0 + 0.5 * i for i in range(H // A // 2)]
cases = {
    "llama": (LlamaForCausalLM, LlamaConfig(**small, tie_word_embeddings=False), 24),
    "llama-tied-bias": (LlamaForCausalLM, LlamaConfig(**small, tie_word_embeddings=True, attention_bias=True, mlp_bias=True), 24),
    "llama-linear": (LlamaForCausalLM, LlamaConfig(**rope("linear", factor=2.0)), 24),
    "llama-dynamic": (LlamaForCausalLM, LlamaConfig(**{**rope("dynamic", factor=2.0), "max_position_embeddings": 16}), 24),
    "llama-yarn": (LlamaForCausalLM, LlamaConfig(**rope("yarn", factor=4.0, original_max_position_embeddings=16)), 24),
    "llama3": (LlamaForCausalLM, LlamaConfig(**rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                                    original_max_position_embeddings=16)), 24),
    "mistral": (MistralForCausalLM, MistralConfig(**small, sliding_window=7, head_dim=16), 24),
    "mixtral": (MixtralForCausalLM, MixtralConfig(**small, num_local_experts=4, num_experts_per_tok=2, sliding_window=None), 24),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**small, tie_word_embeddings=True), 24),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**small, head_dim=16), 24),
    "phi3": (Phi3ForCausalLM, Phi3Config(**small, sliding_window=9), 24),
    "phi3-longrope-short": (Phi3ForCausalLM, Phi3Config(**{**rope("longrope", short_factor=half, long_factor=long),
                            "original_max_position_embeddings": 32}), 24),
    "phi3-longrope-long": (Phi3ForCausalLM, Phi3Config(**{**rope("longrope", short_factor=half, long_factor=long),
                           "original_max_position_embeddings": 16}), 24),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config(**{**small, "num_hidden_layers": 3}, head_dim=16, query_pre_attn_scalar=16,
               sliding_window=6), 24),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig(**{**small, "num_hidden_layers": 3}, head_dim=16, query_pre_attn_scalar=16,
               sliding_window=6, layer_types=["sliding_attention", "full_attention", "sliding_attention"]), 24),
    # Heads of 4 and of 20: no multiples of eight.
    "llama-head4": (LlamaForCausalLM, LlamaConfig(**{**small, "hidden_size": 24, "num_attention_heads": 6}), 24),
    "llama-head20": (LlamaForCausalLM, LlamaConfig(**{**small, "hidden_size": 40, "num_attention_heads": 2,
                     "num_key_value_heads": 1}), 24),
    "phi3-partial": (Phi3ForCausalLM, Phi3Config(**{**rope("longrope", short_factor=half[:2], long_factor=long[:2],
                     partial_rotary_factor=0.5), "original_max_position_embeddings": 16}), 24),
    "ministral": (MinistralForCausalLM, MinistralConfig(**small, sliding_window=7, head_dim=16,
                  layer_types=["sliding_attention", "full_attention"]), 24),
    "ministral3": (Ministral3ForCausalLM, Ministral3Config(**rope("yarn", factor=8.0, original_max_position_embeddings=8,
                   mscale=1.0, mscale_all_dim=1.0, beta_fast=32.0, beta_slow=1.0, llama_4_scaling_beta=0.3),
                   head_dim=16), 24),
    "seed-oss": (SeedOssForCausalLM, SeedOssConfig(**small, head_dim=16, attention_bias=True, attention_out_bias=False), 24),
    "olmo2": (Olmo2ForCausalLM, Olmo2Config(**small, tie_word_embeddings=False), 24),
    "gpt2-scales": (GPT2LMHeadModel, GPT2Config(vocab_size=V, n_embd=H, n_layer=3, n_head=A, n_positions=P,
                    initializer_range=0.35, bos_token_id=1, eos_token_id=2, scale_attn_weights=False,
                    scale_attn_by_inverse_layer_idx=True), 24),
    "gpt2": (GPT2LMHeadModel, GPT2Config(vocab_size=V, n_embd=H, n_layer=L, n_head=A, n_positions=P, initializer_range=0.35,
             bos_token_id=1, eos_token_id=2), 24),
}

# Models of text and pictures: their text parts. The pictures' parts are as small as they can be.
vision = dict(depth=1, embed_dim=16, hidden_size=16, num_heads=2, intermediate_size=16, out_hidden_size=H, patch_size=2,
              in_channels=1, mlp_ratio=1, fullatt_block_indexes=[0], deepstack_visual_indexes=[0],
              num_position_embeddings=4)
tokens = dict(image_token_id=90, video_token_id=91, vision_start_token_id=92, vision_end_token_id=93)
mrope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
text = {**small, "rope_parameters": mrope}
siglip = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4)
pixtral = dict(model_type="pixtral", hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
               image_size=8, patch_size=4, head_dim=8)
cases.update({
    "qwen2-vl": (Qwen2VLForConditionalGeneration, Qwen2VLConfig(
        text_config=text, vision_config={**vision, "hidden_size": H}, **tokens), 24),
    "qwen2.5-vl": (Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=True, **tokens), 24),
    "qwen3-vl": (Qwen3VLForConditionalGeneration, Qwen3VLConfig(
        text_config={**text, "head_dim": 8, "rope_parameters": {**mrope, "mrope_interleaved": True}},
        vision_config=vision, **tokens), 24),
    "mistral3-vl": (Mistral3ForConditionalGeneration, Mistral3Config(
        text_config={**small, "model_type": "mistral", "head_dim": 16, "sliding_window": None}, vision_config=pixtral,
        image_token_index=90), 24),
    "gemma3-vl": (Gemma3ForConditionalGeneration, Gemma3Config(
        text_config={**small, "num_hidden_layers": 3, "head_dim": 16, "sliding_window": 6},
        vision_config=siglip, mm_tokens_per_image=4, image_token_index=90, boi_token_index=91, eoi_token_index=92), 24),
})

inspected = ["llama", "mistral", "qwen3", "gemma2", "gpt2"]
only = sys.argv[1:]
for name, (kind, config, length) in cases.items():
    if only and name not in only: continue
    torch.manual_seed(1)
    config._attn_implementation = "eager"
    model = kind(config).eval().float()
    # Random pictures' parts would take their memory in files and tell nothing.
    for key, parameter in model.named_parameters():
        if "visual" in key or "vision" in key: torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 1: parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.to(torch.bfloat16).float())
    ids = torch.randint(3, V, (1, length), generator=torch.Generator().manual_seed(2))
    with torch.no_grad(): logits = model(input_ids=ids).logits[0].float()
    if name in inspected:
        with torch.no_grad():
            seen = model(input_ids=ids, output_attentions=True, output_hidden_states=True)
            if name == "gpt2":
                projection, width = model.transformer.h[0].attn.c_proj, H // A
                kept = projection.weight.clone()
                projection.weight[width:2 * width, :] = 0
            else:
                projection, width = model.model.layers[0].self_attn.o_proj, model.model.layers[0].self_attn.head_dim
                kept = projection.weight.clone()
                projection.weight[:, width:2 * width] = 0
            without = model(input_ids=ids).logits[0].float()
            projection.weight.copy_(kept)
        inspection = {"attention": torch.stack([a[0] for a in seen.attentions]).float().contiguous(),
                      "residuals": torch.stack([h[0] for h in seen.hidden_states[:-1]]).float().contiguous(),
                      "logits_without": without.contiguous()}
    folder = os.path.join(here, name)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    if name in inspected: save_file(inspection, os.path.join(folder, "inspection.safetensors"))
    for extra in ("generation_config.json",):
        if os.path.exists(os.path.join(folder, extra)): os.remove(os.path.join(folder, extra))
    save_file({"ids": ids[0].to(torch.int32), "logits": logits.contiguous()}, os.path.join(folder, "expected.safetensors"))
    print(name, tuple(logits.shape), float(logits.abs().max()), os.path.getsize(os.path.join(folder, "model.safetensors")))

if not only or "bert" in only:
    torch.manual_seed(1)
    config = BertConfig(vocab_size=V, hidden_size=H, num_hidden_layers=L, intermediate_size=FF, num_attention_heads=A,
                        max_position_embeddings=P, initializer_range=0.35, attn_implementation="eager")
    model = BertModel(config, add_pooling_layer=False).eval().float()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 1: parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.to(torch.bfloat16).float())
    ids = torch.randint(3, V, (1, 20), generator=torch.Generator().manual_seed(2))
    with torch.no_grad(): hidden = model(input_ids=ids).last_hidden_state[0].float()
    folder = os.path.join(here, "bert")
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    save_file({"ids": ids[0].to(torch.int32), "hidden": hidden.contiguous()}, os.path.join(folder, "expected.safetensors"))
    print("bert", tuple(hidden.shape))

if not only or "bert-masked" in only:
    # A masked-token model, the mean loss of its masked places over two texts, and the gradients of all parameters.
    torch.manual_seed(4)
    config = BertConfig(vocab_size=V, hidden_size=24, num_hidden_layers=L, intermediate_size=40, num_attention_heads=3,
                        max_position_embeddings=32, initializer_range=0.35, attn_implementation="eager")
    model = BertForMaskedLM(config).eval().float()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 1: parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.to(torch.bfloat16).float())
    texts = [[5, 9, 90, 31, 7, 90, 12], [20, 90, 4]]
    labels = [{2: 41, 5: 8}, {1: 66}]
    losses = []
    for text, places in zip(texts, labels):
        logits = model(input_ids=torch.tensor([text])).logits[0]
        losses += [torch.nn.functional.cross_entropy(logits[place][None], torch.tensor([token])) for place, token in places.items()]
    loss = sum(losses) / len(losses)
    loss.backward()
    gradients = {"gradient." + key: parameter.grad.clone().contiguous() for key, parameter in model.named_parameters()}
    folder = os.path.join(here, "bert-masked")
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    extra = os.path.join(folder, "generation_config.json")
    if os.path.exists(extra): os.remove(extra)
    save_file({**gradients, "loss": loss.detach().reshape(1)}, os.path.join(folder, "expected.safetensors"))
    print("bert-masked", float(loss.detach()), len(gradients))

if not only or "bert-classifier" in only:
    # Three classes: logits of two pairs of texts, the mean cross-entropy, and the gradients of all parameters.
    torch.manual_seed(6)
    config = BertConfig(vocab_size=V, hidden_size=24, num_hidden_layers=1, intermediate_size=40, num_attention_heads=3,
                        max_position_embeddings=32, initializer_range=0.35, num_labels=3, attn_implementation="eager")
    model = BertForSequenceClassification(config).eval().float()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 1: parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.to(torch.bfloat16).float())
    texts = [[5, 9, 90, 31, 7, 90, 12], [20, 90, 4]]
    types = [[0, 0, 0, 1, 1, 1, 1], [0, 1, 1]]
    logits = torch.cat([model(input_ids=torch.tensor([text]), token_type_ids=torch.tensor([kind])).logits
                        for text, kind in zip(texts, types)])
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([2, 0]))
    loss.backward()
    gradients = {"gradient." + key: parameter.grad.clone().contiguous() for key, parameter in model.named_parameters()}
    folder = os.path.join(here, "bert-classifier")
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    save_file({**gradients, "logits": logits.detach().contiguous()}, os.path.join(folder, "expected.safetensors"))
    print("bert-classifier", float(loss.detach()), len(gradients))
