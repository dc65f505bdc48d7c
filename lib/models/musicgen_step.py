"""One step of MusicGen's decoder with everything that can be prepared prepared: what fast sampling is made of.

transformers' own `generate` is right and general; this does only what sampling needs, on the same weights:

- self-attention's keys and values lie in blocks made once for the whole piece and written in place;
- cross-attention's keys and values do not change from step to step: they are computed once and, where the condition is short, multiplied
  into the two projections around them (q·k = x Wq·k, so that Wq k is one small matrix a head and token);
- both halves of guidance are one batch. The null half has zeros for its condition and MusicGen's projections have no bias, so its
  cross-attention is exactly 0 and is left out; up to the first of them both halves are equal, so they part only there; the heads are
  linear, so guidance is applied before them, once;
- q, k and v are one product, as are the K heads; on a CPU the weights are laid out once as a product of few rows likes them.

Notebook: 03.
"""

import torch
from torch.nn import functional as F

from lib.errors import KlangfarbeError


class StaticDecoder:
    """A transformers MusicgenForCausalLM, repacked for sampling `n_items` pieces of up to `n_positions` steps.

    Attributes:
        cache: keys and values of each layer, [2, rows, heads, positions, D/heads]; rows = B in the first layer, with guidance 2B in the
            others.
    """

    def __init__(self, network, n_items: int, n_positions: int, guidance: float = 1.0, *, packed: bool = False):
        config, decoder = network.config, network.model.decoder
        if config.activation_function != "gelu":
            raise KlangfarbeError("a decoder with gelu", config.activation_function, "sample with transformers' own generate")
        self.n_items, self.n_codebooks, self.vocabulary = n_items, config.num_codebooks, config.vocab_size
        self.heads, self.guidance = config.num_attention_heads, float(guidance)
        self.rows = 2 * n_items if self.guidance != 1.0 else n_items
        self.table = torch.cat([e.weight for e in decoder.embed_tokens]).detach()
        device, dtype = self.table.device, self.table.dtype
        self.offsets = torch.arange(self.n_codebooks, device=device) * (self.vocabulary + 1)
        self.positions = decoder.embed_positions.get_embedding(n_positions, config.hidden_size).to(device, dtype)
        product = _one_dnn if packed and can_pack(self.table) else _plain
        self.layers = [_layer(layer, n_items if i == 0 else self.rows, product) for i, layer in enumerate(decoder.layers)]
        self.cross = [_Cross(layer.encoder_attn, self.heads) for layer in decoder.layers]
        self.norm = _norm(decoder.layer_norm)
        self.to_logits = product(torch.cat([head.weight for head in network.lm_heads]), n_items)
        self.cache = [torch.zeros(2, n_items if i == 0 else self.rows, self.heads, n_positions, config.hidden_size // self.heads,
                                  device=device, dtype=dtype) for i in range(len(self.layers))]
        self.places = torch.arange(n_positions, device=device)

    def condition(self, states: torch.Tensor, mask: torch.Tensor) -> None:
        """Computes once what cross-attention needs: states [B, L, D] of the decoder's width, mask [B, L] (1: a real token).

        An item without one real token has zeros for its condition, as the null half has.
        """
        mask = mask.bool()
        states = (states * mask[..., None]).to(self.table.dtype)
        seen = mask | ~mask.any(1, keepdim=True)
        for cross in self.cross:
            cross.condition(states, None if bool(seen.all()) else seen)

    def step(self, tokens: torch.Tensor, at: torch.Tensor, length: int | None = None) -> torch.Tensor:
        """Reads one column of the delayed line and predicts the next.

        Args:
            tokens: int64 [B, K]. at: int64 [1], the column's number. length: ``at + 1`` as a number, so that attention looks at just so
                many places; ``None``: it looks at all and masks the future, which keeps every shape fixed (compiled, captured).

        Returns:
            Guided logits [B, K, V].
        """
        x = F.embedding(tokens + self.offsets, self.table).sum(1) + self.positions.index_select(0, at)  # [B, D]
        seen = None if length else (self.places <= at)[None]  # the future is not
        for layer, cross, cache in zip(self.layers, self.cross, self.cache, strict=True):
            made = layer["qkv"](F.layer_norm(x, *layer["norm_self"])).view(len(x), 3, self.heads, 1, -1)
            cache.index_copy_(3, at, made[:, 1:].transpose(0, 1))
            heard = F.scaled_dot_product_attention(made[:, 0], *cache[:, :, :, :length], attn_mask=seen)
            x = layer["out"](heard.view(x.shape), x)
            if len(x) < self.rows:
                x = torch.cat([x, x])  # from here on the null half goes its own way
            x[: self.n_items] += cross(F.layer_norm(x[: self.n_items], *layer["norm_cross"]))
            x = layer["ff_out"](layer["ff_in"](F.layer_norm(x, *layer["norm_ff"])), x)
        x = F.layer_norm(x, *self.norm)
        if self.rows > self.n_items:
            asked, null = x.chunk(2)
            x = torch.lerp(null, asked, self.guidance)  # null + guidance · (asked − null)
        return self.to_logits(x).view(self.n_items, self.n_codebooks, self.vocabulary)


class _Cross:
    """Cross-attention to a condition that stays: [B, D] → [B, D]."""

    def __init__(self, attention, heads: int):
        self.q, self.k, self.v, self.out = (p.weight.detach() for p in
                                            (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj))
        self.heads, self.width = heads, len(self.q)

    def condition(self, states: torch.Tensor, seen: torch.Tensor | None) -> None:
        """Keys and values of states [B, L, D], and the products with the projections around them where these are smaller."""
        n_items, n_tokens, _ = states.shape
        split = (n_items, n_tokens, self.heads, -1)
        self.keys, self.values = ((states @ weight.t()).view(split).transpose(1, 2).contiguous() for weight in (self.k, self.v))
        self.seen = None if seen is None else seen[:, None, None, :]  # [B, 1, 1, L]
        self.folded = n_items * self.heads * n_tokens <= 4 * self.width
        if self.folded:
            q, out = self.q.view(self.heads, -1, self.width), self.out.t().reshape(self.heads, -1, self.width)  # [H, D/H, D]
            scale = q.shape[1] ** -0.5
            self.ask = (torch.einsum("bhld,hdi->bihl", self.keys, q) * scale).reshape(n_items, self.width, -1).contiguous()  # [B, D, H·L]
            self.give = torch.einsum("bhld,hdo->bhlo", self.values, out).reshape(n_items, -1, self.width).contiguous()       # [B, H·L, D]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        n_items = len(x)
        if self.folded:
            scores = torch.bmm(x[:, None], self.ask).view(n_items, self.heads, 1, -1)
            if self.seen is not None:
                scores = scores.masked_fill(~self.seen, -torch.inf)
            return torch.bmm(torch.softmax(scores, -1).view(n_items, 1, -1), self.give).squeeze(1)
        q = F.linear(x, self.q).view(n_items, self.heads, 1, -1)
        heard = F.scaled_dot_product_attention(q, self.keys, self.values, attn_mask=self.seen)
        return F.linear(heard.view(n_items, -1), self.out)


def clocks(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Minus the waiting times, at rate 1, that :func:`draw` reads: ln u, u uniform in [0, 1)."""
    return torch.empty(shape, device=generator.device).uniform_(generator=generator).log_()


def draw(logits: torch.Tensor, temperature: float, clock: torch.Tensor) -> torch.Tensor:
    """Draws one token a row from softmax(logits / temperature) cut to its largest: [..., V] → int64 [...].

    Of exponential waiting times with the tokens' probabilities as rates, each token comes first just that often.

    Args:
        clock: of :func:`clocks`, [..., k]; k is how many tokens are kept, 1 is greedy.
    """
    best, which = logits.float().topk(clock.shape[-1], sorted=False)
    first = (torch.softmax(best / temperature, -1) / clock).argmin(-1, keepdim=True)
    return which.gather(-1, first).squeeze(-1)


def can_pack(weight: torch.Tensor) -> bool:
    """Whether oneDNN can lay this weight out once for products with few rows (float32 on a CPU that has it)."""
    known = hasattr(torch.ops.mkldnn, "_reorder_linear_weight") and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return known and torch.backends.mkldnn.is_available() and weight.device.type == "cpu" and weight.dtype == torch.float32


def _plain(weight: torch.Tensor, n_rows: int, *, gelu: bool = False):
    """weight [out, in] → ``product(x, added=None)`` = x · weightᵀ (+ added), or gelu of it."""
    turned = weight.detach().t().contiguous()

    def product(x, added=None):
        made = x @ turned if added is None else torch.addmm(added, x, turned)
        return F.gelu(made) if gelu else made

    return product


def _one_dnn(weight: torch.Tensor, n_rows: int, *, gelu: bool = False):
    """As :func:`_plain`, the weight laid out for `n_rows` rows: an ordinary product lays it out anew at every call."""
    laid_out = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), n_rows)
    linear, after = torch.ops.mkldnn._linear_pointwise, ("gelu", [], "none") if gelu else ("none", [], "")

    def product(x, added=None):
        return linear(x, laid_out, None, *after) if added is None else linear.binary(x, added, laid_out, None, "add")

    return product


def _norm(norm) -> tuple:
    return norm.normalized_shape, norm.weight.detach(), norm.bias.detach(), norm.eps


def _layer(layer, n_rows: int, product) -> dict:
    """A decoder layer's products and norms by name."""
    own, other = layer.self_attn, layer.encoder_attn
    qkv = (own.q_proj, own.k_proj, own.v_proj)
    linears = (*qkv, own.out_proj, other.q_proj, other.k_proj, other.v_proj, other.out_proj, layer.fc1, layer.fc2)
    if any(linear.bias is not None for linear in linears):
        raise KlangfarbeError("projections without bias, as MusicGen has them", "a bias", "sample with transformers' own generate")
    return {"qkv": product(torch.cat([linear.weight for linear in qkv]), n_rows), "out": product(own.out_proj.weight, n_rows),
            "ff_in": product(layer.fc1.weight, n_rows, gelu=True), "ff_out": product(layer.fc2.weight, n_rows),
            "norm_self": _norm(layer.self_attn_layer_norm), "norm_cross": _norm(layer.encoder_attn_layer_norm),
            "norm_ff": _norm(layer.final_layer_norm)}
