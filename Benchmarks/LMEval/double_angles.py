"""The angles of the rotation in float64, for references in float64: transformers computes them in float32 whatever the weights are."""
import torch


def use_double_angles(model):
    """Replaces the rotation's table of a model of Llama's kind."""
    rotary, config = model.model.rotary_emb, model.config
    theta = getattr(config, "rope_theta", None) or config.rope_parameters["rope_theta"]
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    frequencies = 1 / theta ** (torch.arange(0, size, 2, dtype=torch.float64) / size)

    def angles(x, position_ids):
        turns = position_ids[..., None].double() * frequencies
        turns = torch.cat([turns, turns], -1)
        return turns.cos(), turns.sin()

    rotary.forward = angles
