"""The bundled picture autoencoder, trained on crops of the atelier's paintings and of real ones
whose painters are long dead: pixels, a packaged network's features, then a patch critic. Source:
Rombach et al. (2022), §3.1, appendix G; Zhang et al. (2018), "The unreasonable effectiveness of
deep features"; Lim & Ye (2017) for the hinge loss; Miyato et al. (2018).  Notebook: 33."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from lib import pretrained
from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.data import registry
from lib.data.atelier import TEST_SEED, paint
from lib.data.collections import layout
from lib.models.diffusers_parts import AutoencoderDC
from lib.pretrained.picture_codec import CHANNELS
from lib.recipes import bundling
from lib.recipes.pictures import PICTURE_SEED
from lib.signal import images
from lib.systems import stored
from lib.training import loop

N_ATELIER, SIDE, MARGIN, N_TEST = 4000, 128, 16, 256
# of wikiart_paintings: died before 1955, so that their paintings are free to learn from
PAINTERS = (
    "alfred-sisley", "bartolome-esteban-murillo", "camille-pissarro", "canaletto", "carl-larsson",
    "claude-monet", "diego-velazquez", "edgar-degas", "eugene-boudin", "eugene-delacroix",
    "francisco-goya", "georges-seurat", "gustav-klimt", "gustave-moreau",
    "henri-de-toulouse-lautrec", "ivan-aivazovsky", "mikalojus-ciurlionis", "mikhail-vrubel",
    "nicholas-roerich", "odilon-redon", "orest-kiprensky", "paul-cezanne", "paul-gauguin",
    "peter-paul-rubens", "pierre-auguste-renoir", "rembrandt", "viktor-vasnetsov",
    "vincent-van-gogh", "william-blake", "william-turner")
# of whose paintings it has seen none, and on which it is measured
UNSEEN = ("anthony-van-dyck", "edouard-manet", "gustave-loiseau", "ivan-bilibin", "john-constable",
          "konstantin-korovin", "mary-cassatt", "valentin-serov")


@dataclass(frozen=True)
class Config:
    """How it was trained; ours, so there are no published values."""
    widths: tuple[int, ...] = (32, 64, 128, 128)  # from full size down to an eighth
    n_steps: int = 5000
    batch_size: int = 16
    crop: int = 64
    learning_rate: float = 1e-3
    p_real: float = 0.33       # share of crops from real paintings
    w_features: float = 0.15
    w_latents: float = 1e-3    # of ½(mean z² − ln var z), which keeps latents at a variance of 1
    w_critic: float = 0.03
    critic_from: int = 3000    # step at which the critic begins to take part
    bfloat16: bool = True


def build(config: Config = Config(), seed: int = bundling.SEED) -> AutoencoderDC:
    """The untrained autoencoder."""
    torch.manual_seed(seed)
    none = ((),) * len(config.widths)
    return AutoencoderDC(
        latent_channels=CHANNELS, attention_head_dim=32, encoder_qkv_multiscales=none,
        decoder_qkv_multiscales=none, encoder_block_types="ResBlock",
        decoder_block_types="ResBlock", encoder_block_out_channels=config.widths,
        decoder_block_out_channels=config.widths, encoder_layers_per_block=(1, 1, 1, 2),
        decoder_layers_per_block=(1, 2, 2, 2), downsample_block_type="pixel_unshuffle",
        upsample_block_type="pixel_shuffle")


class Features(nn.Module):
    """Squared distance of unit vectors at four depths of EfficientNet-Lite2, [B, 3, H, W] twice."""
    def __init__(self):
        super().__init__()
        network = pretrained.load("picture_features", pretrained.PACKAGE, device="cpu").model
        self.network = network.eval().requires_grad_(False)

    def at_depths(self, x: Tensor) -> list[Tensor]:
        x, found = self.network.bn1(self.network.conv_stem(x)), []
        for depth, stage in enumerate(self.network.blocks[:5]):
            x = stage(x)
            if depth != 3:
                found.append(F.normalize(x, dim=1))
        return found

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.at_depths(true)
        pairs = zip(self.at_depths(made), wanted, strict=True)
        return torch.stack([(a - b).square().sum(1).mean() for a, b in pairs]).mean()


def critic(width: int = 32) -> nn.Sequential:
    """Pictures [B, 3, H, W] → scores of their patches [B, 1, H/8, W/8]."""
    layers, depth = [], 3
    for wider in (width, 2 * width, 4 * width):
        layers += [spectral_norm(nn.Conv2d(depth, wider, 4, 2, 1)), nn.LeakyReLU(0.2)]
        depth = wider
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(depth, 1, 3, 1, 1)))


def paintings(artists: tuple[str, ...], side: int) -> np.ndarray:
    """The paintings of some artists in the user's own collection, uint8 [N, side, side, 3]."""
    folder = registry.find_folder(["wikiart_paintings"])
    rows = layout.read_table(folder / "style_labelled.csv", ("file", "artist"))
    files = rows.loc[rows["artist"].isin(artists), "file"]
    return np.stack([images.load(folder / file, size=side) for file in files])


def train(model: Any, atelier: np.ndarray, real: np.ndarray, config: Config = Config(), *,
          seed: int = 0, **run) -> tuple[Any, list[dict]]:
    """Trains on pictures uint8 [N, H, W, 3] twice: the weights' average, and the curve."""
    trained, features, judge = nn.Module(), Features(), critic()
    average = loop.moving_average(model, 0.999)
    trained.codec, trained.critic, trained.average = model, judge, average
    trained.register_buffer("steps", steps := torch.zeros((), dtype=torch.long))
    def crop(rng) -> np.ndarray:
        some = real if rng.random() < config.p_real else atelier
        picture = some[rng.integers(len(some))]
        top, left = (rng.integers(0, side - config.crop + 1) for side in picture.shape[:2])
        cut = picture[top : top + config.crop, left : left + config.crop]
        return cut[:, ::-1] if rng.random() < 0.5 else cut
    def loss_of(rng):
        true = images.to_tensor(np.stack([crop(rng) for _ in range(config.batch_size)]))
        with loop.autocast("cpu", config.bfloat16):
            z = model.encode(true).latent
            made = model.decode(z).sample
            apart = features(made, true).float()
        z, made = z.float(), made.float()
        pixels = (made - true).abs().mean()
        latents = 0.5 * (z.square().mean() - z.var().log())
        loss = pixels + config.w_features * apart + config.w_latents * latents
        reported = {"pixels": pixels.item(), "features": apart.item(), "latents": z.std().item()}
        if (late := int(steps) - config.critic_from) >= 0:
            judge.requires_grad_(False)
            fooled = -judge(made).mean()
            judge.requires_grad_(True)
            told = F.relu(1 - judge(true)).mean() + F.relu(1 + judge(made.detach())).mean()
            loss = loss + config.w_critic * min(1.0, late / 200) * fooled + told
            reported["critic"] = told.item()
        if int(steps):
            average.update_parameters(model)
        steps.add_(1)
        return loss, reported
    curve = loop.fit(trained, loss_of, config, seed=seed, **run)
    return average.module, curve


def make() -> tuple:
    """The autoencoder: painting a minute, training about an hour on one core, resumable."""
    atelier, key = bundling.painted(PICTURE_SEED, range(N_ATELIER), SIDE)
    real, config = paintings(PAINTERS, SIDE + MARGIN), Config()
    key = provenance.content_hash(key.encode(), real)
    average, curve = train(build(config), atelier, real, config,
                           **bundling.run("picture_codec", key))
    with torch.no_grad():
        seen = torch.cat([average.encode(images.to_tensor(atelier[at : at + 50])).latent
                          for at in range(0, 500, 50)])
    average.register_to_config(scaling_factor=round(1 / float(seen.std()), 4))
    return {"config.json": dict(average.config), "model.safetensors": stored.half(average),
            "curves.csv": curve}, key


def measure() -> tuple:
    """What comes back of held-out paintings, beside 8 × 8 mean colours and a 32² thumbnail."""
    codec, features = pretrained.load("picture_codec", device="cpu"), Features()
    held = {"atelier": paint.pictures(TEST_SEED, range(N_TEST), SIDE)[0]}
    try:
        held["real, unseen painters"] = paintings(UNSEEN, SIDE)
    except KlangfarbeError as error:
        print(f"real paintings are left out: {error}")
    rows = []
    for name, pictures in held.items():
        true = images.to_tensor(pictures)
        def thumbnail(factor, true=true):
            return F.interpolate(F.avg_pool2d(true, factor), size=SIDE, mode="bicubic")
        made = {"codec": images.to_tensor(codec.decode(codec.encode(pictures))),
                "mean colours of 8 × 8": thumbnail(8), "thumbnail of 32²": thumbnail(4)}
        for row, some in made.items():
            with torch.no_grad():
                apart = [float(features(some[k : k + 1], true[k : k + 1]))
                         for k in range(len(true))]
            pixels = (some - true).abs().mean((1, 2, 3)).numpy()
            rows += [{"pictures": name, "row": row, "measure": measure,
                      **bundling.estimate(np.mean, np.asarray(values))}
                     for measure, values in (("pixels_l1", pixels), ("features", apart))]
    return rows, held["atelier"]
