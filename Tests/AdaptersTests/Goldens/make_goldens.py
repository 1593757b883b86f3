"""Tiny models with adapters of every kind, as peft makes and saves them, with their logits and one set of gradients.

    python make_goldens.py            # needs torch, transformers, peft, safetensors

Writes models/FAMILY (config.json, model.safetensors) and NAME/ (adapter_config.json, adapter_model.safetensors) with
logits.safetensors: "ids" [2, 7], "logits" [2, 7, vocabulary], "merged" the same after merge_and_unload where peft can,
"loss" of the next token and "grad.<name>" of every trained parameter, by the names peft stores them under.
"""
import os, shutil, sys
import torch
import peft
from peft import (LoraConfig, IA3Config, OFTConfig, PromptTuningConfig, PrefixTuningConfig, PromptEncoderConfig,
                  get_peft_model, get_peft_model_state_dict)
from safetensors.torch import save_file
from transformers import (BloomConfig, BloomForCausalLM, FalconConfig, FalconForCausalLM, GPT2Config, GPT2LMHeadModel,
                          GPTJConfig, GPTJForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM,
                          Phi3Config, Phi3ForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM)

here = os.path.dirname(os.path.abspath(__file__))
VOCABULARY = 40


def family(name):
    torch.manual_seed(0)
    if name == "llama":
        model = LlamaForCausalLM(LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=True, initializer_range=0.3))
    elif name == "llama-untied":
        model = LlamaForCausalLM(LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=False, initializer_range=0.3,
            attention_bias=True))
    elif name == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(
            vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.3))
    elif name == "phi3":
        model = Phi3ForCausalLM(Phi3Config(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=64, original_max_position_embeddings=64,
            initializer_range=0.3, pad_token_id=0, tie_word_embeddings=False))
    elif name == "gptneox":
        model = GPTNeoXForCausalLM(GPTNeoXConfig(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=64, rotary_pct=0.5, initializer_range=0.3))
    elif name == "bloom":
        model = BloomForCausalLM(BloomConfig(
            vocab_size=VOCABULARY, hidden_size=16, n_layer=2, n_head=2, initializer_range=0.3))
    elif name == "falcon":
        model = FalconForCausalLM(FalconConfig(
            vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_kv_heads=2,
            new_decoder_architecture=True, bias=False, max_position_embeddings=64, initializer_range=0.3))
    elif name == "gptj":
        model = GPTJForCausalLM(GPTJConfig(
            vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, rotary_dim=4, n_positions=64, initializer_range=0.3,
            bos_token_id=0, eos_token_id=0))
    elif name == "qwen3moe":
        model = Qwen3MoeForCausalLM(Qwen3MoeConfig(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, moe_intermediate_size=12, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, head_dim=8, num_experts=3, num_experts_per_tok=2,
            norm_topk_prob=True, max_position_embeddings=64, initializer_range=0.3, tie_word_embeddings=False))
    model = model.eval()
    for parameter_name, parameter in model.named_parameters():
        if "bias" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.2)
    return model


LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
COMMON = dict(task_type="CAUSAL_LM")
ADAPTERS = {
    "lora": ("llama", LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR, **COMMON)),
    "lora-all-linear": ("llama-untied", LoraConfig(r=2, lora_alpha=3, target_modules="all-linear", bias="lora_only", **COMMON)),
    "lora-pattern": ("llama", LoraConfig(
        r=4, lora_alpha=8, target_modules=r".*\.self_attn\.(q|v)_proj", rank_pattern={"v_proj": 2},
        alpha_pattern={r"layers\.1\.self_attn\.q_proj": 16}, use_rslora=True, **COMMON)),
    "lora-layers": ("llama", LoraConfig(
        r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"], layers_to_transform=[1], bias="all", **COMMON)),
    "lora-saved": ("llama-untied", LoraConfig(
        r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["lm_head", "input_layernorm"], **COMMON)),
    "lora-embedding": ("llama-untied", LoraConfig(r=2, lora_alpha=4, target_modules=["embed_tokens", "lm_head", "v_proj"], **COMMON)),
    # Experts that transformers holds in one tensor (target_parameters), gate and up in one as well, and the router.
    "lora-experts": ("qwen3moe", LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", **COMMON)),
    "lora-tied-embedding": ("llama", LoraConfig(
        r=2, lora_alpha=4, target_modules=["embed_tokens", "v_proj"], ensure_weight_tying=True, **COMMON)),
    "lora-tied-saved": ("llama", LoraConfig(
        r=2, lora_alpha=4, target_modules=["v_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True, **COMMON)),
    "lora-tokens": ("llama", LoraConfig(
        r=2, lora_alpha=4, target_modules=["v_proj"], trainable_token_indices={"embed_tokens": [3, 5, 38]}, **COMMON)),
    "lora-gpt2": ("gpt2", LoraConfig(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True, **COMMON)),
    "lora-phi3": ("phi3", LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", **COMMON)),
    "lora-gptneox": ("gptneox", LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", **COMMON)),
    "lora-biases-gptneox": ("gptneox", LoraConfig(
        r=2, lora_alpha=4, target_modules=["query_key_value", "dense"], bias="lora_only", **COMMON)),
    "lora-biases-bloom": ("bloom", LoraConfig(r=2, lora_alpha=4, target_modules=["dense"], bias="all", **COMMON)),
    "lora-bloom": ("bloom", LoraConfig(r=2, lora_alpha=4, target_modules=["query_key_value"], **COMMON)),
    "lora-falcon": ("falcon", LoraConfig(r=2, lora_alpha=4, target_modules=["query_key_value", "dense"], **COMMON)),
    "lora-gptj": ("gptj", LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "fc_out"], **COMMON)),
    "dora-gptneox": ("gptneox", LoraConfig(r=2, lora_alpha=4, target_modules=["query_key_value"], use_dora=True, **COMMON)),
    "ia3-bloom": ("bloom", IA3Config(target_modules=["query_key_value", "dense_4h_to_h"], feedforward_modules=["dense_4h_to_h"], **COMMON)),
    "dora": ("llama-untied", LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR, use_dora=True, **COMMON)),
    "dora-gpt2": ("gpt2", LoraConfig(r=4, lora_alpha=8, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True, use_dora=True, **COMMON)),
    "ia3": ("llama-untied", IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"], **COMMON)),
    "ia3-gpt2": ("gpt2", IA3Config(target_modules=["c_attn", "mlp.c_proj"], feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True, **COMMON)),
    "oft": ("llama-untied", OFTConfig(r=0, oft_block_size=4, target_modules=["q_proj", "down_proj"], use_cayley_neumann=False, **COMMON)),
    "oft-neumann": ("llama", OFTConfig(r=0, oft_block_size=8, target_modules=["v_proj", "gate_proj"], **COMMON)),
    "prompt": ("llama", PromptTuningConfig(num_virtual_tokens=3, **COMMON)),
    "prefix": ("llama", PrefixTuningConfig(num_virtual_tokens=3, **COMMON)),
    "p-tuning": ("llama", PromptEncoderConfig(num_virtual_tokens=3, encoder_hidden_size=16, **COMMON)),
}


def noise(model):
    torch.manual_seed(7)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            with torch.no_grad():
                scale = 0.05 if "oft" in name else 0.2
                if "lora_" in name or "oft" in name:
                    parameter.copy_(torch.randn_like(parameter) * scale)
                else:
                    parameter.add_(torch.randn_like(parameter) * scale)


def main():
    only = sys.argv[1:]
    for base in ["llama", "llama-untied", "gpt2", "phi3", "gptneox", "bloom", "falcon", "gptj", "qwen3moe"]:
        if only and base not in [ADAPTERS[name][0] for name in only]:
            continue
        folder = f"{here}/models/{base}"
        family(base).save_pretrained(folder)
        for extra in ["generation_config.json"]:
            if os.path.exists(f"{folder}/{extra}"):
                os.remove(f"{folder}/{extra}")
    torch.manual_seed(3)
    ids = torch.randint(0, VOCABULARY, (2, 7))
    ids[0, 2], ids[1, 4] = 5, 38
    for name, (base, configuration) in ADAPTERS.items():
        if only and name not in only:
            continue
        configuration.base_model_name_or_path = base
        model = get_peft_model(family(base), configuration)
        noise(model)
        # peft saves P-tuning's encoder as the embeddings it makes.
        model.eval()
        folder = f"{here}/{name}"
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        if os.path.exists(f"{folder}/README.md"):
            os.remove(f"{folder}/README.md")
        result = model(input_ids=ids)
        logits = result.logits[:, -ids.shape[1]:, :]
        record = {"ids": ids.int(), "logits": logits.detach().contiguous()}
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1))
        loss.backward()
        record["loss"] = loss.detach().reshape(1)
        if not configuration.is_prompt_learning:
            gradients = {}
            for parameter_name, parameter in model.named_parameters():
                if parameter.requires_grad and parameter.grad is not None:
                    gradients[parameter_name] = parameter.grad
            stored = get_peft_model_state_dict(model)
            for key in stored:
                # The names of parameters have the adapter's name in them.
                matching = [n for n in gradients if n.replace(".default", "").replace(".modules_to_save", "").replace(".original_module", "") == key
                            or n.replace(".default", "").replace(".modules_to_save", "").replace(".base_layer", "") == key]
                if matching:
                    record["grad." + key] = gradients[matching[0]].clone().contiguous()
            merged = model.merge_and_unload()
            with torch.no_grad():
                record["merged"] = merged(input_ids=ids).logits.contiguous()
        else:
            gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}
            print({n: tuple(g.shape) for n, g in gradients.items()})
        save_file(record, f"{folder}/logits.safetensors")
        from safetensors.torch import load_file
        stored = load_file(f"{folder}/adapter_model.safetensors")
        print(name, sorted((k, tuple(v.shape)) for k, v in stored.items())[:40])


main()
