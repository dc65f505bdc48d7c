"""System 4's groundwork: the one mel, the gated residual projector (text 003, equation 1) and the
BiLSTM decoder.
"""

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.models.fusion import GatedResidualProjector, MelDecoder
from lib.systems.art2music import mel


def test_the_mel_is_librosas_in_natural_logarithms():
    sound = np.random.default_rng(0).standard_normal(22_050).astype(np.float32) * 0.1
    ours = mel.ln_mel(sound[None])[0].numpy()  # [M, T]
    before = (1024 - 256) // 2  # frame t is centred on (t + ½)·hop
    padded = np.pad(sound[: ours.shape[1] * 256], (before, 1024 - 256 - before))
    theirs = librosa.feature.melspectrogram(y=padded, sr=22_050, n_fft=1024, hop_length=256,
                                            n_mels=80, power=1.0, center=False)
    assert ours.shape == (80, 22_050 // 256)
    np.testing.assert_allclose(ours, np.log(np.maximum(theirs, 1e-5)), atol=2e-3)


def test_the_two_scales_meet():
    assert mel.n_frames(10.4) == 896  # the published T
    assert mel.to_unit(np.array([mel.LOWEST, mel.HIGHEST])).tolist() == [-1, 1]
    silence = mel.ln_mel(np.zeros((1, 4096), np.float32))
    assert torch.allclose(mel.to_unit(silence), torch.full_like(silence, -1), atol=1e-6)
    loudest = np.sin(2 * np.pi * np.arange(22_050) * np.geomspace(60, 9_000, 12)[:, None] / 22_050)
    assert float(mel.ln_mel(loudest).max()) < mel.HIGHEST


@given(st.floats(mel.LOWEST, mel.HIGHEST))
def test_there_and_back_is_where_it_was(value):
    assert mel.to_ln(mel.to_unit(np.array([value])))[0] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("wrong", [np.log10, lambda amplitude: 20 * np.log10(amplitude)])
def test_another_logarithm_does_not_pass_for_ours(wrong):
    amplitude = np.geomspace(1e-5, 10, 50)
    taken = wrong(amplitude)
    assert np.abs(mel.to_ln(mel.to_unit(taken)) - np.log(amplitude)).mean() > 1


def test_equation_1_by_hand():
    torch.manual_seed(0)
    network = GatedResidualProjector(6, 4)
    v, u = torch.randn(3, 6), torch.randn(3, 6)
    h, g = network.parts(v, u)
    w_x, w_r, w_g = (part.weight.detach().numpy()
                     for part in (network.fuse, network.residual, network.gate))
    x, r = np.hstack([v, u]), u.numpy() @ w_r.T
    gate = 1 / (1 + np.exp(-np.hstack([x, r]) @ w_g.T))
    np.testing.assert_allclose(g.detach(), gate, atol=1e-6)
    np.testing.assert_allclose(h.detach(), gate * (x @ w_x.T) + (1 - gate) * r, atol=1e-6)


def test_a_closed_gate_leaves_the_text_alone_and_an_open_one_the_fusion():
    network = GatedResidualProjector(6, 4)
    v, u = torch.rand(2, 6) + 0.1, torch.rand(2, 6) + 0.1
    for weight, wanted in ((-1e4, network.residual(u)),
                           (1e4, network.fuse(torch.cat([v, u], dim=1)))):
        torch.nn.init.zeros_(network.gate.weight)
        network.gate.weight.data[:, :12] = weight  # of x alone, which is positive
        assert torch.allclose(network(v, u), wanted, atol=1e-6)


@pytest.mark.parametrize(("n_frames", "at_once"), [(17, 1), (17, 4), (16, 4), (1, 8)])
def test_frames_come_out_in_order(n_frames, at_once):
    network = MelDecoder(3, n_frames, 5, 6, 1, at_once)
    made = network(torch.randn(2, 3))
    states, _ = network.bilstm(network.enter(torch.zeros(1, 3))[:, None] + network.positions)
    still = network.to_mel(states)[0]  # [S, r·M]
    assert made.shape == (2, 5, n_frames)
    quiet = network(torch.zeros(1, 3))[0]
    for frame in range(n_frames):
        step, within = divmod(frame, at_once)
        assert torch.allclose(quiet[:, frame], still[step, within * 5 : (within + 1) * 5],
                              atol=1e-6)


def test_two_conditions_are_learnt_by_heart():
    torch.manual_seed(0)
    projector, decoder = GatedResidualProjector(4, 8), MelDecoder(8, 12, 5, 16, 2, 2)
    parameters = [*projector.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, 1e-2)
    v, u, target = torch.randn(2, 4), torch.randn(2, 4), torch.rand(2, 5, 12) * 2 - 1
    first = None
    for _ in range(300):
        loss = (decoder(projector(v, u)) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first = first or loss.item()
    assert loss.item() < 0.1 * first
    assert all(bool((p.grad != 0).any()) for p in parameters)


def test_refusals():
    with pytest.raises(KlangfarbeError, match="picture vectors"):
        GatedResidualProjector(6, 4)(torch.zeros(2, 5), torch.zeros(2, 6))
    with pytest.raises(KlangfarbeError, match="text vectors"):
        GatedResidualProjector(6, 4)(torch.zeros(2, 6), torch.zeros(6))
