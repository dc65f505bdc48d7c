"""A codec for sound: 25 times a second four numbers out of 512, each the nearest of 512 vectors to
what the earlier ones have left over, and back by an inverse STFT beside oscillators, without which
a held note would repeat every 40 ms; and the spectral losses. Source: ours; after iSTFTNet (Kaneko
et al. 2022), Vocos (Siuzdak 2023), DDSP (Engel et al. 2020, §3.2); losses: Arik et al. (2018),
Kong, Kim & Bae (2020), eq. 3.  Notebook: 03."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

from lib.models.quantiser import ResidualQuantiser

FLOOR = 1e-5  # amplitude below which a mel band counts as silent, as in lib.metrics.spectral
PER_OCTAVE = 24  # quarter tones
SCALES = ((512, 40), (1024, 64), (2048, 128))  # the losses' windows and mel bands; hop: a quarter
LONGEST = 5292  # and one longer window, in quarter tones
CONVERGENCE = (512, 2048, LONGEST)  # windows whose spectral convergence is taken


class Frames(nn.Module):
    """STFT (Hann) whose frames tile the sound: frame t is centred on (t + ½)·hop, N = T·hop."""
    def __init__(self, n_fft: int, hop_length: int):
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.before = (n_fft - hop_length) // 2
        self.window = nn.Buffer(torch.hann_window(n_fft), persistent=False)

    def analyse(self, sound: Tensor) -> Tensor:
        """Sound [B, N] → complex spectrum [B, T, F]."""
        padded = F.pad(sound, (self.before, self.n_fft - self.hop_length - self.before))
        return torch.fft.rfft(padded.unfold(1, self.n_fft, self.hop_length) * self.window)

    def synthesise(self, spectrum: Tensor) -> Tensor:
        """Complex spectrum [B, T, F] → sound [B, N]."""
        return self.overlap(torch.fft.irfft(spectrum, n=self.n_fft) * self.window)

    def overlap(self, frames: Tensor) -> Tensor:
        """Frames [B, T, n_fft] of windowed sound, windowed again → sound [B, N]."""
        n_frames = frames.shape[1]
        length = (n_frames - 1) * self.hop_length + self.n_fft
        total, weight = (F.fold(each.transpose(1, 2), (1, length), (1, self.n_fft),
                                stride=(1, self.hop_length))[:, 0, 0] for each in
                         (frames, self.window.square().expand(1, n_frames, -1)))
        inside = slice(self.before, self.before + n_frames * self.hop_length)
        return total[:, inside] / weight[:, inside]


class Mel(nn.Module):
    """ln of mel amplitude (Slaney's filters, 0 to half the rate), floored: [B, N] → [B, T, M]."""
    def __init__(self, sample_rate_hz: int, n_fft: int, hop_length: int, n_mels: int):
        super().__init__()
        self.frames = Frames(n_fft, hop_length)
        bands = melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate_hz / 2, n_mels, sample_rate_hz,
                                norm="slaney", mel_scale="slaney")                         # [F, M]
        self.bands = nn.Buffer(bands, persistent=False)

    def of(self, spectrum: Tensor) -> Tensor:
        """Amplitude [B, T, F] → ln amplitude of the bands [B, T, M]."""
        return (spectrum @ self.bands).clamp_min(FLOOR).log()

    def forward(self, sound: Tensor) -> Tensor:
        return self.of(magnitude(self.frames.analyse(sound)))


class Pitches(Mel):
    """The same around quarter tones hz [P], to [B, T, P]; `gain` [P]: of a sine on a centre."""
    def __init__(self, sample_rate_hz: int, hz: Tensor, n_fft: int, hop_length: int):
        nn.Module.__init__(self)
        self.frames = Frames(n_fft, hop_length)
        bins = torch.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft                       # [F]
        half_width = torch.maximum(hz * (2 ** (1 / PER_OCTAVE) - 1),
                                   torch.tensor(1.5 * sample_rate_hz / n_fft))
        bands = (1 - (bins[:, None] - hz).abs() / half_width).clamp_min(0)       # [F, P], triangles
        bands = 0.02 * bands / bands.sum(0)                      # about as large as a mel of 1,024
        self.bands = nn.Buffer(bands, persistent=False)
        sines = torch.sin(2 * torch.pi * hz.double()[:, None] / sample_rate_hz
                          * torch.arange(n_fft))                                       # [P, n_fft]
        response = torch.fft.rfft(sines * self.frames.window).abs().float()                # [P, F]
        self.gain = nn.Buffer((response * bands.T).sum(1), persistent=False)

    def peaks(self, pitches: Tensor) -> Tensor:
        """ln-pitches [B, T, P] → amplitudes in [0, 1] of the tones; 0 but at local maxima."""
        loud = torch.where(pitches > math.log(2 * FLOOR), pitches.exp() / self.gain, 0)
        return torch.where(loud == F.max_pool1d(loud, 3, 1, 1), loud, 0).clamp_max(1)


def quarter_tones(lowest_hz: float, count: int) -> Tensor:
    """Frequencies a quarter tone apart, float32 [P]."""
    return lowest_hz * 2 ** (torch.arange(count) / PER_OCTAVE)


def magnitude(spectrum: Tensor) -> Tensor:
    """|spectrum|, with a gradient that stays finite at 0."""
    return (spectrum.real.square() + spectrum.imag.square() + 1e-14).sqrt()


class Oscillators(nn.Module):
    """Tones that run on from frame to frame: amplitudes [B, T, P] → windowed [B, T, n_fft]."""
    def __init__(self, sample_rate_hz: int, hz: Tensor, frames: Frames):
        super().__init__()
        per_sample = 2 * torch.pi * hz.double() / sample_rate_hz
        inside = per_sample[:, None] * torch.arange(frames.n_fft)                      # [P, n_fft]
        self.per_frame = nn.Buffer(per_sample * frames.hop_length, persistent=False)
        self.cos = nn.Buffer((inside.cos() * frames.window).float(), persistent=False)
        self.sin = nn.Buffer((inside.sin() * frames.window).float(), persistent=False)

    def forward(self, loudness: Tensor) -> Tensor:
        time = torch.arange(loudness.shape[1], device=loudness.device, dtype=self.per_frame.dtype)
        # golden angle: not all at their peak together
        begins = torch.arange(loudness.shape[2], device=loudness.device) * 3.883
        angle = (time[:, None] * self.per_frame + begins) % (2 * torch.pi)                # [T, P]
        return ((loudness * angle.cos().float()) @ self.cos
                - (loudness * angle.sin().float()) @ self.sin)


class ConvNeXt(nn.Module):
    """Residual, [B, T, C]: along time for each channel, then across channels (Liu et al. 2022)."""
    def __init__(self, width: int, n_blocks: int):
        super().__init__()
        self.along = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 1 / n_blocks))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.along(x.transpose(1, 2)).transpose(1, 2))
        return x + self.scale * self.narrow(F.gelu(self.wide(h)))


class SpectralCodec(nn.Module):
    """Sound to codes and back, with EnCodec's interface; `settings` are its ``config.json``."""
    def __init__(self, *, sample_rate_hz: int = 22_050, hop_length: int = 441, n_fft: int = 1323,
                 n_mels: int = 100, long_fft: int = 5292, lowest_hz: float = 32.703,
                 n_pitches: int = 169, width: int = 224, encoder_blocks: int = 3,
                 decoder_blocks: int = 6, latent: int = 64, n_codebooks: int = 4,
                 codebook_size: int = 512):
        self.settings = {name: value for name, value in locals().items()
                         if name not in ("self", "__class__")}
        super().__init__()
        self.sample_rate_hz, self.samples_per_step = sample_rate_hz, 2 * hop_length
        self.n_codebooks, self.codebook_size = n_codebooks, codebook_size
        scale = quarter_tones(lowest_hz, n_pitches)
        self.mel = Mel(sample_rate_hz, n_fft, hop_length, n_mels)
        self.pitches = Pitches(sample_rate_hz, scale, long_fft, 2 * hop_length)
        self.enter = nn.Linear(n_mels + 2 * n_pitches, width)
        self.encoder = nn.Sequential(*(ConvNeXt(width, encoder_blocks)
                                       for _ in range(encoder_blocks)))
        self.halve = nn.Linear(2 * width, latent)
        self.quantiser = ResidualQuantiser(n_codebooks, codebook_size, latent)
        self.spread = nn.Linear(latent, 2 * width)
        self.decoder = nn.Sequential(*(ConvNeXt(width, decoder_blocks)
                                       for _ in range(decoder_blocks)), nn.LayerNorm(width))
        self.frames = Frames(n_fft, hop_length)
        self.head = nn.Linear(width, 2 * (n_fft // 2 + 1))
        nn.init.constant_(self.head.bias[: n_fft // 2 + 1], -3.0)  # softer: tones come first
        self.oscillators = Oscillators(sample_rate_hz, scale, self.frames)
        self.tones = nn.Linear(width, n_pitches)
        nn.init.constant_(self.tones.bias, -7.0)                   # they begin at −60 dB

    def latents(self, sound: Tensor) -> Tensor:
        """Sound [B, 1, N], its last step filled up with silence → z [B, S, D]."""
        sound = F.pad(sound[:, 0], (0, -sound.shape[2] % self.samples_per_step))
        # the inputs stay exact where the networks are trained in half precision
        with torch.autocast(sound.device.type, enabled=False):
            pitches = self.pitches(sound.float())
            notes = torch.cat([(pitches + 6) / 3, 10 * self.pitches.peaks(pitches).sqrt()], dim=2)
            # [B, T, M + 2P], about as large as 1
            features = torch.cat([(self.mel(sound.float()) + 6) / 3,
                                  notes.repeat_interleave(2, dim=1)], dim=2)
        x = self.encoder(self.enter(features))
        return self.halve(x.reshape(len(x), -1, 2 * x.shape[2]))

    def encode(self, sound: Tensor, n_codebooks: int | None = None) -> Tensor:
        """Sound [B, 1, N] → codes int64 [B, K, S], or the first `n_codebooks` of them."""
        return self.quantiser.encode(self.latents(sound), n_codebooks)

    def spectrum_and_tones(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Quantised z [B, S, D] → complex spectrum [B, T, F], tones' amplitudes [B, T, P]."""
        x = self.spread(vectors)
        x = self.decoder(x.reshape(len(x), 2 * x.shape[1], -1))
        loudness, turn = self.head(x).float().chunk(2, dim=2)
        spectrum = torch.polar(loudness.clamp_max(6.0).exp(), turn)
        return spectrum, self.tones(x).float().clamp_max(0.0).exp()

    def synthesise(self, spectrum: Tensor, tones: Tensor) -> Tensor:
        """Complex spectrum [B, T, F], tones' amplitudes [B, T, P] → sound [B, N]."""
        tonal = self.frames.overlap(self.oscillators(tones) * self.frames.window)
        return self.frames.synthesise(spectrum) + tonal

    def sound_of(self, vectors: Tensor) -> Tensor:
        """Quantised z [B, S, D] → sound [B, 1, S·samples_per_step]."""
        return self.synthesise(*self.spectrum_and_tones(vectors))[:, None]

    def decode(self, codes: Tensor) -> Tensor:
        """Codes int64 [B, k, S], k ≤ K → sound [B, 1, S·samples_per_step]."""
        return self.sound_of(self.quantiser.decode(codes))

    def soft_decode(self, shares: Tensor) -> Tensor:
        """Probabilities [B, k, S, V] → sound [B, 1, N] of the expected vectors, with a gradient."""
        return self.sound_of(self.quantiser.soft_decode(shares))


class SpectralLosses(nn.Module):
    """Generated, true [B, N] → means over windows of ln-mel L1 and ‖|S| − |Ŝ|‖ / ‖|S|‖."""
    def __init__(self, sample_rate_hz: int):
        super().__init__()
        tones = quarter_tones(32.703, 169)
        tones = tones[tones < 0.48 * sample_rate_hz]
        self.filters: Any = nn.ModuleList(
            [*(Mel(sample_rate_hz, n_fft, n_fft // 4, n_mels) for n_fft, n_mels in SCALES),
             Pitches(sample_rate_hz, tones, LONGEST, LONGEST // 4)])

    def forward(self, generated: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
        distances, convergences = [], []
        for bank in self.filters:
            whole = generated.shape[1] // bank.frames.hop_length * bank.frames.hop_length
            ours, theirs = (magnitude(bank.frames.analyse(sound[:, :whole]))
                            for sound in (generated, true))
            distances.append((bank.of(ours) - bank.of(theirs)).abs().mean())
            if bank.frames.n_fft in CONVERGENCE:
                convergences.append(((ours - theirs).norm(dim=(1, 2))
                                     / theirs.norm(dim=(1, 2)).clamp_min(1e-3)).mean())
        zero = torch.zeros(())
        return (sum(distances, zero) / len(distances), sum(convergences, zero) / len(convergences))


class Texture(nn.Module):
    """Generated, true [B, N] → Wasserstein distance over an item's time of each band's ln-mel and
    its steps in time and to the next band: how loud and rough, not when (an L1 likes medians)."""
    def __init__(self, sample_rate_hz: int):
        super().__init__()
        self.filters: Any = nn.ModuleList(Mel(sample_rate_hz, n_fft, n_fft // 4, n_mels)
                                          for n_fft, n_mels in SCALES)

    def forward(self, generated: Tensor, true: Tensor) -> Tensor:
        distances = []
        for bank in self.filters:
            whole = generated.shape[1] // bank.frames.hop_length * bank.frames.hop_length
            ours, theirs = (bank(sound[:, :whole]) for sound in (generated, true))  # [B, T, M]
            for of in (torch.Tensor.clone, lambda x: x.diff(dim=1), lambda x: x.diff(dim=2)):
                distances.append((of(ours).sort(1)[0] - of(theirs).sort(1)[0]).abs().mean())
        return torch.stack(distances).mean()
