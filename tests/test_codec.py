"""Sound to codes and back: closed forms of the quantiser, a transform that inverts, one interface
for two codecs, a real training.
"""

import json

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import pretrained
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.metrics import spectral
from lib.models.quantiser import ResidualQuantiser, nearest, perplexity
from lib.models.spectral_codec import (
    FLOOR,
    Frames,
    Mel,
    Oscillators,
    Pitches,
    SpectralCodec,
    SpectralLosses,
    Texture,
    quarter_tones,
)
from lib.pretrained import codec as door
from lib.recipes import codec as recipe

TINY = {"sample_rate_hz": 8000, "hop_length": 80, "n_fft": 240, "n_mels": 20, "long_fft": 960,
        "n_pitches": 140, "width": 24, "encoder_blocks": 1, "decoder_blocks": 2, "latent": 8,
        "codebook_size": 16}
STEP = 160
BRIEF = recipe.Config(n_steps=8, batch_size=4, crop_seconds=0.6, unquantised_steps=3,
                           start_crops=8, bfloat16=False)


def tiny(seed=0):
    torch.manual_seed(seed)
    return SpectralCodec(**TINY).eval()


def started(music):
    """A tiny codec whose codebooks stand where the music is, so that it uses several codes."""
    model = tiny()
    with torch.no_grad():
        model.quantiser.start(model.latents(torch.from_numpy(music)[:, None]).flatten(0, 1))
    return model.eval()


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def music():
    """Six pieces of 1.5 s at 8 kHz: a chord with an attack each half second."""
    t = np.arange(12_000) / 8000
    chords = [sum(np.sin(2 * np.pi * hz * (1 + 0.12 * i) * t + k) for k,
                  hz in enumerate((262, 330, 392))) for i in range(6)]
    hiss = 0.01 * np.random.default_rng(0).standard_normal((6, len(t)))
    return (np.stack([0.1 * chord * np.exp(-4 * (t % 0.5)) for chord in chords])
            + hiss).astype(np.float32)


@pytest.fixture(scope="module")
def quantiser():
    """Four codebooks of 16, started from the 600 vectors that come with it."""
    vectors = noise(600, 5) * torch.tensor([3.0, 2, 1, 1, 0.5])
    started = ResidualQuantiser(4, 16, 5).eval()
    started.start(vectors)
    return started, vectors


# --- the quantiser --------------------------------------------------------------------------------


def test_one_codebook_is_k_means(quantiser):
    from sklearn.cluster import KMeans

    started, vectors = quantiser
    theirs = KMeans(16, init="random", n_init=1, max_iter=12,
                    random_state=0).fit(vectors.double().numpy())
    assert np.allclose(started.codebooks[0].numpy(), theirs.cluster_centers_, atol=1e-6)
    assert np.array_equal(started.encode(vectors[None], 1)[0, 0].numpy(),
                          theirs.predict(vectors.double().numpy()))


def test_nearest_is_nearest():
    vectors, codebook = noise(7, 3, 4), noise(9, 4, seed=1)
    assert torch.equal(nearest(vectors, codebook), torch.cdist(vectors, codebook[None]).argmin(-1))


def test_more_codebooks_leave_less(quantiser):
    started, vectors = quantiser
    codes = started.encode(vectors[None])
    left = [vectors.square().sum()] + [(vectors - started.decode(codes[:, :k])[0]).square().sum()
                                       for k in (1, 2, 3, 4)]
    assert all(after < before for before, after in zip(left, left[1:], strict=False))


def test_codes_name_sums_of_vectors(quantiser):
    started, vectors = quantiser
    codes = started.encode(vectors[None])
    by_hand = sum(started.codebooks[k][codes[0, k]] for k in range(4))
    assert codes.shape == (1, 4,
                           600) and codes.dtype == torch.int64 and torch.allclose(
        started.decode(codes)[0], by_hand, atol=1e-6)
    shares = torch.nn.functional.one_hot(codes, 16).float()
    assert torch.allclose(started.soft_decode(shares), started.decode(codes), atol=1e-5)
    half = 0.5 * shares + 0.5 * shares.roll(1, dims=2)
    assert torch.allclose(started.soft_decode(half),
                          0.5 * (started.decode(codes) + started.decode(codes).roll(1, dims=1)),
                          atol=1e-5)


def test_the_gradient_passes_straight_through(quantiser):
    started, vectors = quantiser
    z, weight = vectors[None, :50].clone().requires_grad_(), noise(1, 50, 5, seed=3)
    told, commitment, codes = started(z)
    assert torch.allclose(told, started.decode(codes), atol=1e-5) and not torch.allclose(told, z)
    (told * weight).sum().backward()
    assert torch.equal(z.grad, weight)
    residuals = [z.detach()[0] - started.decode(codes[:, :k])[0] for k in (1, 2, 3, 4)]
    assert commitment.item() == pytest.approx((sum(r.square().mean() for r in residuals)
                                               / 4).item(), rel=1e-5)


def test_fewer_codebooks_can_be_told_item_by_item(quantiser):
    started, vectors = quantiser
    z = vectors.reshape(3, 200, 5)
    told, _, codes = started(z, torch.tensor([1, 4, 2]))
    for item, k in enumerate((1, 4, 2)):
        assert torch.allclose(told[item], started.decode(codes[item : item + 1, :k])[0], atol=1e-5)


def test_codebooks_move_as_the_equation_says():
    moving = ResidualQuantiser(1, 2, 1, decay=0.9, dead_below=0)
    moving.codebooks[0], moving.hits[0] = torch.tensor([[0.0], [10.0]]), torch.tensor([4.0, 1.0])
    moving.train()(torch.tensor([[[1.0], [2.0], [11.0]]]))
    # hits: .9·4 + .1·2 and .9·1 + .1·1; vectors: (.9·4·0 + .1·(1 + 2)) / 3.8 and (.9·1·10 + .1·11)
    # / 1
    assert torch.allclose(moving.hits[0], torch.tensor([3.8, 1.0]))
    assert torch.allclose(moving.codebooks[0, :, 0], torch.tensor([0.3 / 3.8, 10.1]))
    before = moving.codebooks.clone()
    moving.eval()(torch.tensor([[[5.0]]]))
    assert torch.equal(moving.codebooks, before), "in evaluation nothing moves"


def test_a_code_that_nothing_falls_to_starts_afresh():
    moving = ResidualQuantiser(1, 4, 2, decay=0.5, dead_below=0.5)
    moving.codebooks[0] = torch.tensor([[0.0, 0], [1, 1], [100, 100], [-1, -1]])
    batch = torch.tensor([[0.1, 0], [1, 1.2], [-1.1, -1]]).repeat(4, 1)
    for _ in range(4):
        moving.train()(batch[None])
    assert moving.codebooks[0].abs().max() < 2, "the lost one lies among the vectors now"
    assert moving.hits[0].min() >= 0.5 * 12 / 4


def test_perplexity_counts_codes():
    even, one = torch.arange(8).repeat(1, 1, 5), torch.zeros(2, 1, 20, dtype=torch.int64)
    assert float(perplexity(even, 8)) == pytest.approx(8) and float(perplexity(one,
                                                                               8)) == pytest.approx(
        1)
    two = torch.cat([even, torch.tensor([0, 1] * 20).reshape(1, 1, 40)], dim=1)
    assert perplexity(two, 8).tolist() == pytest.approx([8, 2])


# --- the transforms -------------------------------------------------------------------------------


@given(hop=st.integers(5, 60), times=st.floats(2.0, 5.0), n_frames=st.integers(1, 12),
       seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_inverse_transform_gives_the_sound_back(hop, times, n_frames, seed):
    frames, sound = Frames(int(hop * times) + 1, hop), noise(2, n_frames * hop, seed=seed)
    spectrum = frames.analyse(sound)
    assert spectrum.shape == (2, n_frames, frames.n_fft // 2 + 1)
    again = torch.polar(spectrum.abs(), spectrum.angle())
    assert torch.allclose(frames.synthesise(again), sound, atol=1e-4)


def test_the_frames_are_librosas():
    sound = noise(1, 4410)
    ours = Frames(1323, 441).analyse(sound)[0].numpy()
    padded = np.pad(sound[0].numpy(), (441, 441))
    theirs = librosa.stft(padded, n_fft=1323, hop_length=441, window="hann", center=False).T
    assert np.allclose(ours, theirs, atol=1e-3)
    mel = Mel(22_050, 1024, 490, 80)(sound)[0].numpy()
    magnitudes = np.abs(librosa.stft(np.pad(sound[0].numpy(), (267, 267)), n_fft=1024,
                                     hop_length=490, center=False))
    assert np.allclose(mel, np.log(np.maximum(spectral.mel_filters(22_050, 1024, 80) @ magnitudes,
                                              1e-5)).T, atol=2e-3)


def test_a_head_that_is_told_magnitude_and_phase_returns_the_sound():
    model, sound = tiny(), noise(2, 1, 20 * STEP)
    spectrum = model.frames.analyse(sound[:, 0])

    class Told(torch.nn.Module):
        def forward(self, x):
            return torch.cat([spectrum.abs().log(), spectrum.angle()], dim=2)

    model.head = Told()
    torch.nn.init.constant_(model.tones.bias, -100.0)  # and whose oscillators are silent
    torch.nn.init.zeros_(model.tones.weight)
    assert torch.allclose(model.decode(torch.zeros(2, 4, 20, dtype=torch.int64)), sound, atol=1e-4)


def test_an_oscillator_is_one_unbroken_sine():
    frames, hz = Frames(240, 80), quarter_tones(110.0, 40)
    loudness = torch.zeros(1, 50, 40)
    loudness[0, :, 17] = 0.25
    sound = frames.overlap(Oscillators(8000, hz, frames)(loudness) * frames.window)[0].double()
    t = torch.arange(len(sound)) / 8000
    pair = torch.stack([(2 * torch.pi * float(hz[17]) * t).cos(),
                        (2 * torch.pi * float(hz[17]) * t).sin()], dim=1).double()
    fit = torch.linalg.lstsq(pair, sound[:, None]).solution
    assert float(fit.norm()) == pytest.approx(0.25,
                                              rel=1e-3) and (pair @ fit
                                                             - sound[:, None]).abs().max() < 1e-3


def test_without_oscillators_a_held_note_repeats_every_step():
    """The reason why there are oscillators: a network whose frames see the same says the same, so
    its sound has the steps' period.
    """
    model, held = tiny(), noise(1, 1, 8).expand(1, 60, 8)
    with torch.no_grad():
        spectrum, tones = model.spectrum_and_tones(held)
        plain, whole = model.frames.synthesise(spectrum)[0], model.synthesise(spectrum,
                                                                              tones + 0.1)[0]
    middle = slice(20 * STEP, 40 * STEP)
    one_later = slice(21 * STEP, 41 * STEP)
    assert torch.allclose(plain[middle], plain[one_later],
                          atol=1e-5) and not torch.allclose(whole[middle], whole[one_later],
                                                            atol=1e-2)


def test_pitches_tell_quarter_tones_apart():
    hz = quarter_tones(32.703, 169)
    assert float(hz[24]
                 / hz[0]) == pytest.approx(2) and float(hz[2
                                                           * (69 - 24)]) == pytest.approx(440,
                                                                                          rel=1e-4)
    ear, t = Pitches(22_050, hz, 5292, 882), torch.arange(44_100) / 22_050
    for band in (60, 90, 130, 160):  # from 185 Hz on the window is long enough
        heard = ear(torch.sin(2 * torch.pi * hz[band] * t)[None])[0, 25]
        assert int(heard.argmax()) == band


def test_peaks_are_the_tones_that_made_the_sound():
    """What the encoder is told and the decoder is asked for: loudness of the oscillators, exact
    where no two are heard as one.
    """
    model = SpectralCodec()
    tones = torch.zeros(1, 100, 169)
    tones[0, :, 60], tones[0, :, 100], tones[0, :, 140] = 0.1, 0.3, 0.02
    sound = model.frames.overlap(model.oscillators(tones) * model.frames.window)
    peaks = model.pitches.peaks(model.pitches(sound))
    middle = peaks[0, 10:40]
    assert torch.allclose(middle, tones[0, 20:80:2],
                          atol=2e-3) and int((middle > 2e-3).sum()) == 3 * 30
    assert not model.pitches.peaks(model.pitches(torch.zeros(1, 8820))).any(), "silence has none"
    assert float(model.pitches.peaks(model.pitches(sound
                                                   * 1000)).max()) == 1, (
        "an oscillator has amplitude 1 at most")


def test_the_note_loss_has_closed_forms():
    peaks = torch.zeros(2, 5, 169)
    peaks[..., 40], peaks[..., 90] = 0.5, 0.01
    tones = peaks.repeat_interleave(2, dim=1)
    assert float(recipe.note_loss(tones, peaks)) == 0
    root = FLOOR**0.5
    sounding = sum(a**0.5 + (a / 2) ** 0.5 + root for a in (0.5, 0.01))
    halved = recipe.note_loss(tones / 2, peaks)
    assert float(halved) == pytest.approx(np.log(2) * sounding / (sounding + 167 * 3 * root),
                                          rel=1e-4)
    loud, soft = (recipe.note_loss(torch.where(torch.arange(169) == band, 0, tones), peaks)
                  for band in (40, 90))
    assert loud > soft > 0, "a loud note that lacks is worse than a soft one"
    wrong = torch.roll(tones, 1, dims=2).requires_grad_()
    recipe.note_loss(wrong, peaks).backward()
    assert (wrong.grad[..., 41] > 0).all() and not wrong.grad[...,
                                                              40].any(), (
        "what sounds too much is turned down (no slope below 1e-5)")


# --- the codec ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_samples", [1, STEP - 1, STEP, STEP + 1, 5003])
def test_any_length_comes_back_filled_up_to_whole_steps(n_samples):
    model = tiny()
    with torch.no_grad():
        codes = model.encode(noise(2, 1, n_samples))
        steps = -(-n_samples // STEP)
        assert codes.shape == (2, 4, steps) and model.decode(codes).shape == (2, 1, steps * STEP)
        assert torch.equal(model.encode(noise(2, 1, n_samples), 2), codes[:, :2])


def test_the_batch_does_not_matter(music):
    model, sound = tiny(), torch.from_numpy(music)[:, None]
    with torch.no_grad():
        together, alone = model.encode(sound), torch.cat([model.encode(s[None]) for s in sound])
        assert torch.equal(together, alone)
        assert torch.allclose(model.decode(together),
                              torch.cat([model.decode(c[None]) for c in together]), atol=1e-5)


def test_the_published_rates():
    model = SpectralCodec()
    assert (model.sample_rate_hz, model.samples_per_step, model.n_codebooks,
            model.codebook_size) == (22_050, 882, 4, 512)
    assert sum(p.numel() for p in model.parameters()) < 3.3e6


# --- the losses -----------------------------------------------------------------------------------


def test_the_spectral_losses_have_closed_forms():
    losses, sound = SpectralLosses(22_050), 0.3 * noise(2, 8192)
    same, miss = losses(sound, sound)
    assert float(same) == 0 and float(miss) == 0
    softer, miss = losses(sound / np.e, sound)
    assert float(softer) == pytest.approx(1,
                                          abs=1e-3) and float(miss) == pytest.approx(1 - 1 / np.e,
                                                                                     abs=1e-4)
    assert float(losses(torch.zeros_like(sound), sound)[1]) == pytest.approx(1, abs=1e-4)


# --- the training ---------------------------------------------------------------------------------


class Dies:
    """Sounds that cannot be read any more after so many batches, as if the run were killed."""

    def __init__(self, sounds, reads):
        self.sounds, self.reads, self.shape = sounds, reads, sounds.shape

    def __len__(self):
        return len(self.sounds)

    def __getitem__(self, where):
        self.reads -= 1
        if self.reads < 0:
            raise KeyboardInterrupt
        return self.sounds[where]


def test_a_killed_training_goes_on_where_it_stood(music, tmp_path):
    whole, killed = tiny().train(), tiny().train()
    saved, killed_at = ({"checkpoint": tmp_path / where / "c.safetensors", "every": 2}
                        for where in ("whole", "killed"))
    curve = recipe.train(whole, music, BRIEF, **saved)
    with pytest.raises(KeyboardInterrupt):
        recipe.train(killed, Dies(music, 4 * 5), BRIEF, **killed_at)
    resumed = tiny(seed=7)
    again = recipe.train(resumed, music, BRIEF, **killed_at)
    assert [row["step"] for row in again] == list(range(1,
                                                        9)) and [r["mel"]
                                                                 for r in again] == [r["mel"]
                                                                                     for r in curve]
    assert all(torch.equal(a, b) for a,
               b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True))


def test_it_learns_one_clip_by_heart(music, tmp_path):
    config = recipe.Config(n_steps=80, batch_size=2, crop_seconds=1.0, unquantised_steps=30,
                                start_crops=8, gain_db=0, p_fewer=0, learning_rate=1e-2,
                                bfloat16=False)
    model = tiny()
    recipe.train(model, music[:1], config, checkpoint=tmp_path / "c.safetensors", every=1000)
    losses, clip = SpectralLosses(8000), torch.from_numpy(music[:1])
    with torch.no_grad():
        learnt = losses(model.decode(model.encode(clip[:, None]))[0, :, :12_000], clip)[0]
        untrained = losses(tiny().decode(tiny().encode(clip[:, None]))[0, :, :12_000], clip)[0]
    assert learnt < 0.5 * untrained


def test_texture_asks_how_rough_a_band_is_and_not_when():
    texture, losses = Texture(8000), SpectralLosses(8000)
    t = torch.arange(16_384) / 8000
    swelling = noise(2, 16_384, seed=1) * (0.1 + t % 0.5)
    backwards, steady = swelling.flip(1), noise(2, 16_384, seed=2) * 0.35
    assert float(texture(swelling, swelling)) == 0
    assert texture(backwards, swelling) < 0.3 * texture(steady, swelling)
    assert losses(backwards, swelling)[0] > losses(steady, swelling)[0], "an L1 likes the mean"
    # twice as loud: ln 2 in each level, nothing in a step; the floor is never reached
    assert float(texture(2 * swelling, swelling)) == pytest.approx(np.log(2) / 3, rel=1e-3)


def test_polish_leaves_the_codes_and_brings_texture(music, tmp_path):
    model, config = started(music), recipe.Config(
        n_steps=60, batch_size=4, crop_seconds=0.6, learning_rate=1e-2, gain_db=0, p_fewer=0,
        w_texture=2.0, bfloat16=False)
    sound = torch.from_numpy(music)
    with torch.no_grad():
        codes, before = model.encode(sound[:, None]), model.decode(model.encode(sound[:, None]))
    curve = recipe.polish(model, music, config, checkpoint=tmp_path / "p.safetensors", every=1000)
    assert torch.equal(model.encode(sound[:, None]), codes) and len(curve) == 60
    with torch.no_grad():
        after = model.decode(codes)
    far = [float(Texture(8000)(back[:, 0, :12_000], sound)) for back in (before, after)]
    assert far[1] < 0.8 * far[0]


# --- one door -------------------------------------------------------------------------------------


def saved(model, folder):
    """A codec's folder, as the recipe writes it: half precision."""
    artefacts.write(folder / "config.json", {"model_type": door.KIND, **model.settings})
    artefacts.write(folder / "model.safetensors",
                    {name: tensor.half() for name, tensor in model.state_dict().items()})
    return folder


@pytest.fixture(scope="module")
def ours(tmp_path_factory, music):
    return saved(started(music), tmp_path_factory.mktemp("spectral"))


def encodec(folder, **changes):
    """An EnCodec of random weights in the hub's layout: 3 bandwidths of 2, 4 and 8 codebooks of
    32.
    """
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    config = EncodecConfig(sampling_rate=8000, num_filters=2, hidden_size=8, codebook_dim=8,
                           codebook_size=32, upsampling_ratios=[8, 5],
                           target_bandwidths=[2.0, 4.0, 8.0], num_lstm_layers=1, **changes)
    model = EncodecModel(config)
    with torch.no_grad():
        vectors = model.encoder(0.2 * noise(4, config.audio_channels,
                                            4000)).transpose(1, 2).reshape(-1, 8)
        # vectors the encoder really gives, and differences between them
        for k, layer in enumerate(model.quantizer.layers):
            drawn = torch.randint(len(vectors), (2, 32))
            layer.codebook.embed.copy_(vectors[drawn[0]] - (vectors[drawn[1]] if k else 0))
    model.save_pretrained(folder)
    return model.eval()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encodec")
    encodec(folder)
    return folder


@pytest.fixture(params=["ours", "theirs"])
def codec(request):
    return pretrained.load("codec", request.getfixturevalue(request.param), device="cpu")


def test_both_codecs_answer_alike(codec, music):
    assert (codec.sample_rate_hz == 8000 and codec.frame_rate_hz * codec.samples_per_step == 8000
            and codec.n_codebooks == 4)
    sound = music[:3, None, :5003]
    codes = codec.encode(sound)
    assert codes.dtype == torch.int64 and codes.shape == (3, 4, -(-5003 // codec.samples_per_step))
    assert set(codes.unique().tolist()) <= set(range(codec.codebook_size)) and len(
        codes.unique()) > 4
    assert torch.equal(codec.encode(torch.from_numpy(sound), 2), codes[:, :2])
    back = codec.decode(codes)
    assert back.dtype == torch.float32 and back.shape == (3, 1,
                                                          codes.shape[2] * codec.samples_per_step)
    assert torch.equal(codec.round_trip(sound),
                       back[..., :5003]) and codec.round_trip(sound, 1).shape == (3, 1, 5003)
    assert torch.allclose(codec.decode(codes[1:2]), back[1:2], atol=1e-5)
    assert np.array_equal(codec.decode(codes.numpy()).numpy(),
                          back.numpy()), "arrays do as well as tensors"


def test_a_gradient_runs_from_the_sound_to_the_probabilities(codec, music):
    codes = codec.encode(music[:2, None, :4000])
    certain = torch.nn.functional.one_hot(codes, codec.codebook_size).float()
    assert torch.allclose(codec.soft_decode(certain), codec.decode(codes), atol=1e-5)
    logits = noise(*certain.shape).requires_grad_()
    codec.soft_decode(logits.softmax(-1), 4000).square().mean().backward()
    assert logits.grad.abs().sum((0, 2, 3)).min() > 0, "to every codebook"
    assert logits.grad.isfinite().all() and not any(p.requires_grad
                                                    for p in _network(codec).parameters())


def _network(codec):
    return codec.model.model if isinstance(codec.model, door.Encodec) else codec.model


@pytest.mark.parametrize("sound", [np.zeros((1, 2, 800)), np.zeros((1, 800))])
def test_what_is_no_mono_sound_is_refused(codec, sound):
    with pytest.raises(KlangfarbeError, match=r"mono sounds \[B, 1, N\]"):
        codec.encode(sound)


def test_what_are_no_codes_is_refused(codec):
    fine = torch.zeros(1, 4, 3, dtype=torch.int64)
    for codes in (fine - 1, fine + codec.codebook_size):
        with pytest.raises(KlangfarbeError, match="codes in 0"):
            codec.decode(codes)


def test_silence_stays_finite(codec):
    assert codec.round_trip(np.zeros((1, 1, 4000))).isfinite().all()


def test_the_loaded_one_is_the_saved_one(ours, music):
    model = started(music)
    # what half precision leaves of it
    model.load_state_dict({name: tensor.half().float() for name,
                           tensor in model.state_dict().items()})
    loaded = pretrained.load("codec", ours, device="cpu")
    with torch.no_grad():
        codes = model.encode(torch.from_numpy(music)[:, None])
        assert torch.equal(loaded.encode(music[:, None]), codes)
        assert torch.equal(loaded.decode(codes), model.decode(codes))


def test_an_encodec_gives_transformers_own_codes_and_sounds(theirs, music):
    from transformers import EncodecModel

    model, sound = EncodecModel.from_pretrained(theirs).eval(), torch.from_numpy(music[:2, None])
    loaded = pretrained.load("codec", theirs, device="cpu")
    assert loaded.model.bandwidth == 4.0, "the smallest with four codebooks"
    with torch.no_grad():
        known = model.encode(sound, bandwidth=4.0)
        assert torch.equal(loaded.encode(sound), known.audio_codes[0])
        sounds = model.decode(known.audio_codes, known.audio_scales).audio_values
        assert torch.allclose(loaded.decode(known.audio_codes[0]), sounds, atol=1e-6)


@pytest.mark.parametrize("changes",
                         [{"audio_channels": 2}, {"chunk_length_s": 1.0, "overlap": 0.01},
                          {"normalize": True}])
def test_an_encodec_that_cuts_or_normalises_is_refused(tmp_path, changes):
    encodec(tmp_path, **changes)
    with pytest.raises(KlangfarbeError, match="takes a clip whole"):
        pretrained.load("codec", tmp_path)


def test_weights_of_another_network_are_refused(ours, theirs, tmp_path):
    config = json.loads((ours / "config.json").read_text())
    for change in ({"width": 32}, {"latent": 4}, {"colour": "blue"}):
        saved(tiny(), tmp_path)
        artefacts.write(tmp_path / "config.json", config | change)
        with pytest.raises(KlangfarbeError, match="spectral codec's config.json"):
            pretrained.load("codec", tmp_path)
    (tmp_path / "config.json").write_bytes((theirs / "config.json").read_bytes())
    with pytest.raises(KlangfarbeError, match="every weight of EncodecModel"):
        pretrained.load("codec", tmp_path)


@pytest.mark.parametrize("name", ["facebook/encodec_24khz", "facebook/encodec_32khz"])
def test_offline_the_line_says_what_to_fetch(monkeypatch, tmp_path, name):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(KlangfarbeError, match=rf"neither cached nor within reach.*fetch "
                                              rf"config.json, model.safetensors of {name}"):
        pretrained.load("codec", name)


def test_a_network_that_is_not_there_gives_the_same_line(monkeypatch, tmp_path):
    import httpx
    import huggingface_hub

    def no_network(*_, local_files_only=False, **__):
        raise FileNotFoundError if local_files_only else httpx.ConnectError(
            "name or service not known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", no_network)
    with pytest.raises(KlangfarbeError, match=r"neither cached nor within reach \(ConnectError\)"):
        pretrained.load("codec", "facebook/encodec_24khz")


# --- the bundled one ------------------------------------------------------------------------------


def test_the_ear_of_the_table_knows_keys_and_distances():
    t = np.arange(3 * 22_050) / 22_050
    for key, degrees in ((7, (67, 71, 74, 79)), (21, (57, 60, 64, 69))):  # G major, A minor
        sound = sum(np.sin(2 * np.pi * librosa.midi_to_hz(note) * t)
                    for note in degrees).astype(np.float32)
        assert recipe.key_of(0.1 * sound, 22_050) == key
    sound = 0.1 * np.random.default_rng(0).standard_normal(22_050).astype(np.float32)
    softer = recipe.ln_mel(sound, 22_050) - recipe.ln_mel(sound / 2, 22_050)
    assert softer.shape[0] == 64 and np.allclose(softer, np.log(2), atol=1e-4)
    assert np.allclose(recipe.ln_mel(0 * sound, 22_050), np.log(spectral.MEL_FLOOR))


def test_the_bundled_codec_keeps_music_it_never_heard():
    from lib.data import atelier
    from lib.data.atelier import render

    sounds, _ = render.sounds(atelier.TEST_SEED, range(1000, 1012), 6.0)
    codec = pretrained.load("codec", device="cpu")
    assert (codec.sample_rate_hz, codec.frame_rate_hz, codec.n_codebooks,
            codec.codebook_size) == (22_050, 25.0, 4, 512)
    codes = codec.encode(sounds[:, None])
    assert codes.shape == (12, 4, 150) and perplexity(codes,
                                                      512).min() > 64, (
        "12 pieces, most of them in few chords")
    far = []
    for k in range(1, 5):
        back = codec.decode(codes[:, :k], sounds.shape[1])[:, 0].numpy()
        far.append(np.mean([np.abs(recipe.ln_mel(a, 22_050) - recipe.ln_mel(b, 22_050)).mean()
                            for a, b in zip(back, sounds, strict=True)]))
    assert far[3] < 0.6 and far == sorted(far, reverse=True), "each codebook adds something"
    kept = [recipe.key_of(a, 22_050) == recipe.key_of(b, 22_050) for a,
            b in zip(back, sounds, strict=True)]
    assert np.mean(kept) >= 0.4, "luck keeps one key of twenty"


def test_the_bundled_codec_has_a_card_with_its_hash_and_its_figures():
    folder = paths.MINIATURES / "codec"
    card, table = (folder / "CARD.md").read_text(encoding="utf-8"), artefacts.read(folder
                                                                                   / "heldout.csv")
    assert pretrained.load("codec", device="cpu").sha256 in card
    assert sum(p.stat().st_size for p in folder.iterdir()) < 8e6
    assert all(p.with_name(p.name + ".provenance.json").is_file() for p in folder.iterdir()
               if p.suffix in (".csv", ".safetensors"))
    l1 = table[(table["measure"] == "ln_mel_l1") & (table["codebooks"] == 4)]
    assert len(l1) == 1 and float(l1["value"].iloc[
            0]) <= 0.8 and f"{float(l1['value'].iloc[0]):.2f}" in card
    assert (table.loc[table["measure"] == "perplexity", "value"] >= 256).all()
