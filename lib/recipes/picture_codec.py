"""The bundled picture autoencoder, trained on crops of the atelier's paintings and of real ones
whose painters are long dead: pixels, a packaged network's features, then a patch critic. Source:
Rombach et al. (2022), §3.1, appendix G; Zhang et al. (2018) for the features; hinge loss: Lim & Ye
(2017); spectral normalisation: Miyato et al. (2018).  Notebook: 33."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import nn
from torch.nn import functional as F

from lib import pretrained
from lib.core import paths, provenance
from lib.data import registry
from lib.data.atelier import TEST_SEED, paint
from lib.data.collections import layout
from lib.metrics import distances
from lib.pretrained.picture_codec import CHANNELS
from lib.recipes import bundling
from lib.recipes.pictures import PICTURE_SEED
from lib.signal import images
from lib.systems import stored
from lib.training import loop

N_ATELIER, SIDE, N_TEST = 4000, 128, 256
# of wikiart_paintings; each died before 1955
PAINTERS = (
    "alfred-sisley", "bartolome-esteban-murillo", "camille-pissarro", "canaletto", "carl-larsson",
    "claude-monet", "diego-velazquez", "edgar-degas", "eugene-boudin", "eugene-delacroix",
    "francisco-goya", "georges-seurat", "gustav-klimt", "gustave-moreau",
    "henri-de-toulouse-lautrec", "ivan-aivazovsky", "mikalojus-ciurlionis", "mikhail-vrubel",
    "nicholas-roerich", "odilon-redon", "orest-kiprensky", "paul-cezanne", "paul-gauguin",
    "peter-paul-rubens", "pierre-auguste-renoir", "rembrandt", "viktor-vasnetsov",
    "vincent-van-gogh", "william-blake", "william-turner")
# whose paintings it never learns from, but is measured on
TEST_PAINTERS = ("edouard-manet", "john-constable", "mary-cassatt", "ivan-bilibin",
                 "valentin-serov", "konstantin-korovin", "gustave-loiseau", "anthony-van-dyck")


@dataclass(frozen=True)
class Config:
    """How it was trained; ours, so there are no published values."""
    width: int = 48            # channels of every convolution; TAESD has 64
    blocks: tuple[int, ...] = (1, 2, 2, 2)  # of the encoder, from full size down
    n_steps: int = 6000
    batch_size: int = 16
    crop: int = 64
    learning_rate: float = 2e-3
    p_real: float = 0.33       # share of crops from real paintings
    w_features: float = 0.5
    w_critic: float = 0.03
    critic_from: float = 0.6   # share of the steps after which the critic takes part
    bfloat16: bool = True


def build(config: Config = Config(), seed: int = bundling.SEED) -> AutoencoderTiny:
    """The untrained autoencoder."""
    torch.manual_seed(seed)
    widths = (config.width,) * len(config.blocks)
    return AutoencoderTiny(encoder_block_out_channels=widths, decoder_block_out_channels=widths,
                           num_encoder_blocks=config.blocks, latent_channels=CHANNELS,
                           num_decoder_blocks=config.blocks[::-1])
