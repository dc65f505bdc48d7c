"""Networks trained on the real world, which packages carry: EfficientNet-Lite2 looks at pictures,
musicnn listens to music. Neither was asked for feeling: lib.systems.real_world reads it off their
features. Source: Tan & Le (2019), its "lite" form; Pons & Serra (2019).  Notebook: 06."""

from collections.abc import Sequence

import numpy as np
import torch
from musicnn import configuration

from lib.core import on_demand
from lib.models.musicnn import Musicnn
from lib.pretrained.audioset import AudioSetEncoder
from lib.pretrained.loading import Pretrained, Source, load_own
from lib.signal import images

SIDE = 260  # pixels, as published
# of the Million Song Dataset, in the package's order
MUSIC_TAGS = tuple(map(str.lower, configuration.MSD_LABELS))


class PictureFeatures(Pretrained):
    """An EfficientNet-Lite2: 2,400 numbers a picture, the first `n_pooled` its last layer's."""
    n_pooled = 1280

    def embed_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Pictures uint8 [H, W, 3] → float32 [N, 2400], means of a picture and its mirror image:
        the pooled last layer; mean and standard deviation over the picture of each channel of the
        five stages before it."""
        found = [np.zeros((0, self.width), np.float32)]
        for picture in pictures:  # one at a time: on a processor a batch is no faster
            shown = pixels(picture)
            with torch.inference_mode():
                last, stages = self.model.forward_intermediates(torch.cat([shown, shown.flip(3)]))
                pooled = self.model.forward_head(last, pre_logits=True)
                spread = [torch.cat([some.mean((2, 3)), some.std((2, 3))], dim=1)
                          for some in stages]
                both = torch.cat([pooled, *spread], dim=1)  # [2, 2400]
                found.append(both.mean(dim=0, keepdim=True).numpy())
        return np.concatenate(found)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Features [N, 2400] → logits of ImageNet's classes float32 [N, 1000]."""
        with torch.inference_mode():
            pooled = torch.from_numpy(features[:, : self.n_pooled])
            return self.model.get_classifier()(pooled).numpy()


def pixels(picture: np.ndarray) -> torch.Tensor:
    """A picture uint8 [H, W, 3], whole, squeezed to 260²: float [1, 3, 260, 260] in [−1, 1]. (The
    middle square, as the network was trained, tells arousal a little less well.)"""
    square = torch.from_numpy(images.squeezed(picture, SIDE).copy())
    return square.permute(2, 0, 1)[None] / 127.5 - 1


def load_picture_features(source: Source, device: str, dtype=None) -> PictureFeatures:
    """A folder's network, on the processor."""
    with on_demand.light("timm"):
        import timm  # slow: whoever listens does not look

    model = load_own(source, lambda config: timm.create_model(config["architecture"]),
                     "EfficientNet")
    stages = sum(2 * some["num_chs"] for some in model.feature_info)
    return PictureFeatures(source, model, "cpu", width=PictureFeatures.n_pooled + stages)


class MusicTags(AudioSetEncoder):
    """A musicnn with the names of its tags."""
    labels = MUSIC_TAGS
    n_features = 1756

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, 47872] → embeddings float32 [N, 200]."""
        return self._outputs(lambda sound: self.model(sound)[0], windows)

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, 47872] → logits of the tags float32 [N, 50]."""
        return self._outputs(lambda sound: self.model(sound)[1], windows)

    def features(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, 47872] → embedding, logits, and maximum and mean over the window of
        each channel, side by side: float32 [N, 200 + 50 + 1506]."""
        return self._outputs(lambda sound: torch.cat(self.model(sound), dim=1), windows)


def load_music_tags(source: Source, device: str, dtype=None) -> MusicTags:
    """A folder's musicnn, in single precision."""
    return MusicTags(source, load_own(source, lambda config: Musicnn(), "musicnn"), device)
